"""What a power cut costs in clicks: `python -m tests.bench.powerloss [trials [clicks a second]]`, as root, minutes.

A whole local stage of its own; a short link followed at a steady rate through nginx; then the machine's processes end
at once, and all that it had not written to the volume is thrown away. After `fab local up` the clicks that were
answered are compared with those on the link's page, and those in MySQL once all is rolled up. The power is cut at any
moment; just after the worker told Redis to forget what it has brought into MySQL (what Redis then remembers again must
not be counted a second time); while Redis writes its files anew; and when a file of Redis has its new length on the
volume, but not yet what was written there. Lost clicks are given in seconds of traffic too.
"""

import argparse
import re
import time
from contextlib import suppress
from urllib.error import URLError

from fabfile import redis
from script.visit import Browser
from tests.journeys import power
from tests.journeys.clicks import Clicks
from tests.journeys.person import person
from tests.journeys.test_story import rolled_up, shown

WHEN = ("any moment", "after a roll-up", "in a rewrite", "file torn")
NAME, PASSWORD = "Grace", "a compiler of her own"


class Trials:
    """One link on one machine, through many power cuts."""

    def __init__(self, someone, rate):
        self.someone, self.rate, self.counted = someone, rate, 0
        self.machine = someone.machines()[0]["InstanceId"]
        self.said = someone.inside(self.machine)
        self.url = f"http://{someone.machines()[0]['PrivateIpAddress']}"
        self.visitor = Browser(self.url)
        self.visitor.sign_in(NAME, PASSWORD)
        self.slug = self.visitor.submit("/links/new/", target="https://example.org/")[0].split("/")[-2]

    def run(self, number):
        """One cut; prints a line."""
        with Clicks(f"{self.url}/l/{self.slug}", self.rate) as clicks:
            clicks.wait(4 + number * 0.37 % 1)  # at another point of Redis's second each time
            when = WHEN[number % len(WHEN)]
            if when == "after a roll-up":
                self.wait_for_the_worker(clicks)
            if when == "in a rewrite":
                self.said(f"{redis.PASSWORD} redis-cli --no-auth-warning bgrewriteaof")
            if when == "file torn":
                power.tear(self.said)
            _, failed = power.cut(self.someone.place, self.machine)
        began = time.monotonic()
        self.someone.fab("local up")
        before, self.counted = self.counted, self.asked(lambda: shown(self.visitor, self.slug))
        back = time.monotonic() - began
        power.end_the_minute(self.said)
        in_mysql = rolled_up(self.visitor, self.slug)
        answered, counted = len(clicks.answered), self.counted - before
        under_way = sum(click.sent < failed and not click.status for click in clicks.made)
        lost, double = max(0, answered - counted), max(0, counted - answered - under_way)
        print(
            f"{number + 1:5}  {when:15} {answered:8} {under_way:9} {counted:8} {lost:5} {lost / self.rate:7.2f} s"
            f" {double:7} {in_mysql - self.counted:+10} {back:7.1f} s",
            flush=True,
        )

    def wait_for_the_worker(self, clicks):
        """Return when it has brought a minute into MySQL and told Redis to forget that."""
        rolled = "journalctl -u hydra-links -b -o cat --no-pager | grep -c 'clicks rolled up' || true"
        before = int(self.said(rolled))
        while int(self.said(rolled)) == before:
            clicks.wait(0.05)

    def asked(self, question):
        """The answer, as soon as the machine that comes up gives one."""
        while True:
            with suppress(URLError, OSError):
                return question()
            time.sleep(0.1)


def main(trials=6, rate=50):
    """Build a stage, run the trials, take the stage away."""
    with person("powerloss") as someone:
        for line in ("up", "setup_packages", "deploy"):
            someone.fab(f"local {line}")
        someone.fab(f"local sdb.adduser {NAME} --password-stdin", feed=PASSWORD + "\n")
        kept = someone.inside(someone.machines()[0]["InstanceId"])(f"{redis.PASSWORD} redis-cli config get appendfsync")
        print(f"appendfsync {re.sub(r'.*[^a-z]', '', kept)}, {rate} clicks a second")
        print("trial  power cut       answered under way  counted  lost of traffic double mysql-page back after")
        trial = Trials(someone, rate)
        for number in range(trials):
            trial.run(number)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", type=int, nargs="?", default=6, help="how many power cuts")
    parser.add_argument("rate", type=int, nargs="?", default=50, help="clicks a second")
    main(**vars(parser.parse_args()))

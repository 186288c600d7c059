"""The README's pictures of the application: `python -m tests.web.browser.screenshots` makes them anew."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser

from tests.web.browser.site import Site, running
from tests.web.browser.visitor import Visitor, chromium
from tests.web.servers import ROOT, Servers

FOLDER = ROOT / "docs" / "screenshots"
DESK = {"width": 1080, "height": 720}
TALL = {"width": 1080, "height": 858}
PHONE = {"width": 360, "height": 680}
PASSWORD = "correct horse battery"

# What a link has after some weeks; the dice are always the same.
BUSY = """
from datetime import timedelta
from random import Random
from django.utils import timezone
from webapp.links.models import Day, Link, Minute, Source, Total

dice, now = Random(2010), timezone.now()
link = Link.objects.get(slug={slug!r})
minutes = [Minute(link=link, at=(now - timedelta(minutes=ago)).replace(second=0, microsecond=0),
                  clicks=dice.randint(4, 14) + max(0, 34 - abs(ago - 22) * 3)) for ago in range(1, 60)]
today = sum(minute.clicks for minute in minutes)
days = [Day(link=link, day=(now - timedelta(days=ago)).date(), visitors=600,
            clicks=dice.randint(700, 1000) - 14 * ago if ago else today) for ago in range(30)]
total = sum(day.clicks for day in days)
Minute.objects.bulk_create(minutes)
Day.objects.bulk_create(days)
Total.objects.update_or_create(link=link, defaults={{"clicks": total, "visitors": total * 7 // 10}})
Source.objects.bulk_create(Source(link=link, family=family, clicks=total * share // 100)
                           for family, share in [("Google", 46), ("Direct", 31), ("Mastodon", 14), ("GitHub", 9)])
"""


def take(browser: Browser, site: Site, name: str = "ada") -> Iterator[tuple[str, bytes]]:
    """Give each picture with its file's name, as PNG. `name` is the user's, who must be new."""
    desk = Visitor(browser, site.url, viewport=DESK, color_scheme="light", reduced_motion="reduce")
    desk.sign_up(name, PASSWORD)
    desk.page.goto("/")
    yield "where-from.png", desk.page.screenshot()
    desk.page.goto("/links/new/")
    desk.fill_in("Make the link", target="https://docs.djangoproject.com/en/5.2/topics/http/sessions/")
    desk.page.get_by_role("region", name="Last hour").wait_for()
    address = desk.page.url
    site.manage("shell", "-c", BUSY.format(slug=address.rstrip("/").rpartition("/")[2]))
    kept = desk.context.storage_state()
    desk.close()

    dark = Visitor(browser, site.url, viewport=TALL, color_scheme="dark", reduced_motion="reduce", storage_state=kept)
    dark.page.goto(address)
    yield "live-chart.png", dark.page.screenshot()
    dark.close()

    phone = Visitor(browser, site.url, viewport=PHONE, color_scheme="light", reduced_motion="reduce")
    phone.page.goto("/sign-up/")
    phone.fill_in("Create account", username=name, email="ada", password1=PASSWORD, password2=PASSWORD)
    yield "phone.png", phone.page.screenshot()
    phone.close()


def main() -> None:
    """Write all of them, with stores and an application that are gone afterwards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER, help="where to write them; the README's place")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    servers = Servers()
    try:
        servers.start()
        with running(servers) as site, chromium() as browser:
            for name, picture in take(browser, site):
                (folder / name).write_bytes(picture)
                print(f"{folder / name}: {len(picture):,} bytes")
    finally:
        servers.stop()


if __name__ == "__main__":
    main()

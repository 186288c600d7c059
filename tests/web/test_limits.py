"""How often something may be tried: counted before the hasher runs, by address and name, and nobody locked out."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from django.contrib.auth import aauthenticate
from django.db import OperationalError
from django.test import RequestFactory
from redis import Redis

from tests.web.conftest import SECRET, Browser
from webapp.limits.addresses import client_address
from webapp.limits.errors import TooManyAttempts, in_words
from webapp.limits.rules import CONFIRM, NEW_ADDRESS, RESET, SIGN_IN, SIGN_UP
from webapp.links.following import MISSES
from webapp.links.making import MAKING
from webapp.sessions.connection import SessionsUnavailable, connection
from webapp.users.errors import Unavailable
from webapp.users.models import User

pytestmark = pytest.mark.django_db
HOME, AWAY = "198.51.100.7", "203.0.113.9"


class Clock:
    """Milliseconds that pass when told to."""

    def __init__(self):
        self.now = 1_700_000_000_000

    def __call__(self):
        return self.now

    def pass_(self, seconds):
        self.now += round(seconds * 1000)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sign_in_rule(clock):
    """The rule for signing in, by a clock of the test."""
    return replace(SIGN_IN, clock=clock)


def waits(rule, address, name=""):
    """The seconds to wait, or 0 for a try that is let through."""
    try:
        rule.take(address, name)
    except TooManyAttempts as error:
        return error.wait
    return 0


def sign_in(browser, name, password=SECRET, address="127.0.0.1"):
    return browser.post("/sign-in/", {"username": name, "password": password}, REMOTE_ADDR=address)


def test_five_wrong_passwords_are_free_and_then_the_wait_doubles_up_to_a_quarter_of_an_hour(sign_in_rule, clock):
    assert [waits(sign_in_rule, HOME, "zoe") for _ in range(5)] == [0] * 5
    seen = []
    for _ in range(14):
        seen.append(waits(sign_in_rule, HOME, "zoe"))
        clock.pass_(seen[-1])
        assert waits(sign_in_rule, HOME, "zoe") == 0
    assert seen == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]


def test_asking_while_one_has_to_wait_makes_the_wait_no_longer(sign_in_rule, clock):
    for _ in range(8):
        waits(sign_in_rule, HOME, "zoe")
    clock.pass_(0.5)
    assert waits(sign_in_rule, HOME, "zoe") == 1
    clock.pass_(0.5)
    assert waits(sign_in_rule, HOME, "zoe") == 0


def test_what_was_tried_is_forgotten_bit_by_bit(sign_in_rule, clock):
    for _ in range(5):
        sign_in_rule.take(HOME, "zoe")
    clock.pass_(5 * 3600)
    assert [waits(sign_in_rule, HOME, "zoe") for _ in range(5)] == [0] * 5


def test_every_spelling_of_a_name_is_counted_as_one(sign_in_rule):
    for spelling in ["zoë", "ZOË", "zoe\u0308", "Zoë", "zOË"]:
        sign_in_rule.take(HOME, spelling)
    assert waits(sign_in_rule, HOME, "Zoë") == 1
    assert waits(sign_in_rule, HOME, "bob") == 0


def test_an_address_that_tries_many_names_is_slowed_to_ten_a_minute(sign_in_rule, clock):
    for number in range(60):
        sign_in_rule.take(HOME, f"name-{number}")
    assert waits(sign_in_rule, HOME, "one-more") == 6
    assert waits(sign_in_rule, AWAY, "one-more") == 0
    clock.pass_(6)
    assert waits(sign_in_rule, HOME, "one-more") == 0
    assert waits(sign_in_rule, HOME, "yet-one") == 6


def test_many_addresses_at_one_name_wait_for_each_other_a_minute_at_most(sign_in_rule, clock):
    assert [waits(sign_in_rule, f"192.0.2.{number}", "zoe") for number in range(20)] == [0] * 20
    longest = 0
    for number in range(300):
        wait = waits(sign_in_rule, f"198.18.{number}.1", "zoe")
        longest = max(longest, wait)
        clock.pass_(wait)
        waits(sign_in_rule, f"198.18.{number}.1", "zoe")
    assert longest == 60


def test_an_attack_from_everywhere_never_keeps_the_owner_from_his_own_address(sign_in_rule, clock):
    sign_in_rule.take(HOME, "zoe").succeeded()
    refused = 0
    for number in range(2000):
        waits(sign_in_rule, f"10.{number % 8}.{number // 8 % 250}.1", "zoe")
        clock.pass_(0.1)
        if number % 100 == 99:
            refused += waits(sign_in_rule, AWAY, "zoe") > 0
            sign_in_rule.take(HOME, "zoe").succeeded()
    assert refused > 10  # of 20: whoever is not known waits with the attackers


def test_one_success_frees_no_tries_at_other_names(sign_in_rule):
    for number in range(59):
        sign_in_rule.take(HOME, f"name-{number}")
    for _ in range(5):
        sign_in_rule.take(HOME, "attacker").succeeded()
    assert waits(sign_in_rule, HOME, "victim") == 0
    assert waits(sign_in_rule, HOME, "victim") == 6


@pytest.mark.usefixtures("still")
def test_acts_are_counted_apart(sign_in_rule):
    for _ in range(5):
        sign_in_rule.take(HOME, "zoe")
    for other in (CONFIRM, RESET, SIGN_UP):
        assert waits(other, HOME, "zoe") == 0


@pytest.mark.parametrize("away", [Unavailable("away"), OperationalError(2003, "away")])
def test_a_try_that_ended_because_a_store_is_away_was_none(rf, sign_in_rule, away):
    for _ in range(20):
        with pytest.raises(type(away)), sign_in_rule.attempt(rf.post("/"), "zoe"):
            raise away
    assert waits(sign_in_rule, "127.0.0.1", "zoe") == 0


def test_time_is_that_of_redis_which_all_our_machines_share():
    """In every rule of the application."""

    def now():
        seconds, microseconds = connection().time()
        return seconds * 1000 + microseconds // 1000

    for rule in (SIGN_IN, CONFIRM, SIGN_UP, RESET, NEW_ADDRESS, MAKING, MISSES):
        before = now()
        rule.take(HOME)
        (counted,) = connection().scan_iter(f"limit:{rule.act}:address:*")
        assert before <= int(connection().hget(counted, "last")) <= now()


def test_redis_holds_neither_names_nor_addresses_and_nothing_for_ever(name):
    sign_in(Browser(), name, "wrong")
    sign_in(Browser(), name)
    keys = [key.decode() for key in connection().scan_iter("limit:*")]
    assert keys
    for key in keys:
        assert re.fullmatch(r"limit:sign-in:(known|address|pair|name):[0-9a-f]{32}", key)
        assert connection().ttl(key) > 0


@pytest.mark.usefixtures("still")
def test_the_hasher_does_not_run_for_who_is_refused(name, hasher):
    browser = Browser()
    for _ in range(5):
        assert sign_in(browser, name, "wrong").status_code == 200
    runs = len(hasher.runs)
    page = sign_in(browser, name)
    assert (page.status_code, page["Retry-After"]) == (429, "1")
    assert "Too many attempts. Please try again in 1 second." in page.text
    assert f'value="{name}"' in page.text
    assert SECRET not in page.text
    assert len(hasher.runs) == runs


@pytest.mark.usefixtures("still")
def test_a_name_nobody_has_is_counted_like_any(new_name, name):
    pages = []
    for who in (name, new_name()):
        for _ in range(6):
            page = sign_in(Browser(), who, "wrong")
        pages.append(re.sub(r'value="[^"]*"', "", page.text))
    assert pages[0] == pages[1]


def test_a_success_begins_the_count_anew(name):
    for _ in range(3):
        browser = Browser()
        for _ in range(4):
            assert sign_in(browser, name, "wrong").status_code == 200
        assert sign_in(browser, name).status_code == 302


@pytest.mark.usefixtures("still")
@pytest.mark.django_db(transaction=True)
def test_a_burst_of_parallel_requests_does_not_get_past(name, hasher):
    hasher.runs.clear()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: sign_in(Browser(), name, "wrong").status_code, range(48)))
    assert (answers.count(200), answers.count(429)) == (5, 43)
    assert len(hasher.runs) == 5


@pytest.mark.usefixtures("still")
@pytest.mark.django_db(transaction=True)
def test_an_async_burst_does_not_get_past_either(name, hasher, rf):
    hasher.runs.clear()

    async def burst():
        tries = [aauthenticate(rf.post("/"), username=name, password="wrong") for _ in range(24)]
        return await asyncio.gather(*tries, return_exceptions=True)

    answers = asyncio.run(burst())
    assert answers.count(None) == 5
    assert sum(isinstance(answer, TooManyAttempts) for answer in answers) == 19
    assert len(hasher.runs) == 5


@pytest.mark.usefixtures("still")
def test_the_administration_says_when(name):
    browser = Browser()
    form = {"username": name, "password": "wrong"}
    codes = [browser.post("/admin/login/", form).status_code for _ in range(6)]
    assert codes == [200] * 5 + [429]
    page = browser.post("/admin/login/", form)
    assert page["Retry-After"] == "1" and "try again in 1 second" in page.text


@pytest.mark.usefixtures("still")
def test_the_old_password_cannot_be_guessed_from_an_open_session(name, hasher):
    browser = Browser()
    sign_in(browser, name)
    form = {"old_password": "wrong", "new_password1": "staple battery", "new_password2": "staple battery"}
    for _ in range(5):
        assert browser.post("/password/", form).status_code == 200
    runs = len(hasher.runs)
    page = browser.post("/password/", {**form, "old_password": SECRET})
    assert page.status_code == 429 and SECRET not in page.text
    assert len(hasher.runs) == runs


@pytest.mark.usefixtures("still")
def test_sign_ups_of_one_address_are_limited_and_what_was_typed_stays(new_name):
    form = {"username": "a name with blanks", "email": "kept@example.org", "password1": "", "password2": ""}
    for _ in range(30):
        assert Browser().post("/sign-up/", form).status_code == 200
    page = Browser().post("/sign-up/", form)
    assert (page.status_code, page["Retry-After"]) == (429, "60")
    assert "kept@example.org" in page.text


@pytest.mark.usefixtures("still")
def test_nobody_is_flooded_with_mails(new_name, mailoutbox, password):
    email = f"{new_name('zoe')}@example.org"
    User.objects.create_user(new_name(), email, password)
    for number in range(5):
        page = Browser().post("/password/forgotten/", {"email": email}, REMOTE_ADDR=f"192.0.2.{number}")
    assert (page.status_code, page["Retry-After"]) == (429, "60")
    assert len(mailoutbox) == 3


@pytest.mark.usefixtures("still")
def test_a_new_password_by_mail_lets_in_during_an_attack(new_name, mailoutbox):
    email, new = f"{new_name('zoe')}@example.org", "staple battery horse"
    name = User.objects.create_user(new_name("Zoë"), email, SECRET).username
    for number in range(25):
        sign_in(Browser(), name, "wrong", address=f"192.0.2.{number}")
    browser = Browser(REMOTE_ADDR=HOME)
    assert sign_in(browser, name, address=HOME).status_code == 429
    browser.post("/password/forgotten/", {"email": email})
    link = re.search(r"https://testserver(/\S+)", mailoutbox[0].body)[1]
    there = browser.get(link).url
    assert browser.post(there, {"new_password1": new, "new_password2": new}).status_code == 302
    assert sign_in(browser, name, new, address=HOME).status_code == 302


def test_without_redis_nothing_is_tried(rf, monkeypatch, hasher, name):
    monkeypatch.setattr("webapp.limits.rules.connection", lambda: Redis(port=1, retry=None))
    with pytest.raises(SessionsUnavailable), SIGN_IN.attempt(rf.post("/"), name):
        raise AssertionError
    runs = len(hasher.runs)
    page = sign_in(Browser(), name)
    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert len(hasher.runs) == runs


@pytest.mark.parametrize(
    ("proxies", "forwarded", "remote", "counted"),
    [
        (0, "203.0.113.9", "198.51.100.7", "198.51.100.7"),
        (0, "", "", "unknown"),
        (1, "203.0.113.9", "", "203.0.113.9"),
        (1, "6.6.6.6, 203.0.113.9", "", "203.0.113.9"),
        (2, "6.6.6.6, 203.0.113.9, 10.0.0.1", "", "203.0.113.9"),
        (2, "203.0.113.9", "", "unknown"),
        (1, "", "198.51.100.7", "unknown"),
        (1, "no address", "", "unknown"),
        (1, "203.0.113.9:4711", "", "203.0.113.9"),
        (1, "::ffff:203.0.113.9", "", "203.0.113.9"),
        (1, "[2001:db8:1:2:3::4]:4711", "", "2001:db8:1:2::/64"),
        (1, "2001:db8:1:2:ffff::1", "", "2001:db8:1:2::/64"),
        (1, "fe80::1%eth0", "", "fe80::/64"),
    ],
)
def test_the_address_is_what_the_outermost_of_our_own_proxies_saw(settings, proxies, forwarded, remote, counted):
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"trusted_proxies": proxies})
    request = RequestFactory().post("/", REMOTE_ADDR=remote, HTTP_X_FORWARDED_FOR=forwarded)
    assert client_address(request) == counted


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "1 second"), (60, "60 seconds"), (90, "2 minutes"), (900, "15 minutes"), (7000, "2 hours")],
)
def test_a_wait_is_said_as_people_say_it(seconds, words):
    assert in_words(seconds) == words

"""Where a link may lead, where it may not, and what is said about it; slugs and families of pages."""

import pytest

from webapp.links import slugs
from webapp.links.targets import LENGTH, WrongTarget, checked
from webapp.links.visits import FAMILIES, family_of, visit_of

OURS = ["hydra.example.org", "192.0.2.7"]


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("https://example.com", "https://example.com"),
        ("  http://example.com/a?b=c#d \n", "http://example.com/a?b=c#d"),
        ("HTTPS://EXAMPLE.com/Path", "https://example.com/Path"),
        ("https://example.com:8443/", "https://example.com:8443/"),
        ("https://bücher.example.com/straße?q=ü", "https://xn--bcher-kva.example.com/stra%C3%9Fe?q=%C3%BC"),
        ("https://example.com/100%25/%7Ea", "https://example.com/100%25/%7Ea"),
        ("https://example.com/'\"<>", "https://example.com/'%22%3C%3E"),
        ("http://8.8.8.8/", "http://8.8.8.8/"),
        ("http://[2606:4700::1111]/x", "http://[2606:4700::1111]/x"),
        ("https://example.com./", "https://example.com./"),
    ],
)
def test_what_is_of_the_web_is_kept_in_ascii(typed, stored):
    assert checked(typed, OURS) == stored


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "beginning with http"),
        ("example.com", "beginning with http"),
        ("//example.com", "beginning with http"),
        ("javascript:alert(1)", "beginning with http"),
        ("data:text/html,x", "beginning with http"),
        ("ftp://example.com/", "beginning with http"),
        ("https:///path", "beginning with http"),
        ("https://exam ple.com/", "no blanks"),
        ("https://example.com/a\r\nSet-Cookie: x", "no blanks"),
        ("https://example.com\\@evil.example/", "backslashes"),
        ("https://user:secret@example.com/", "name and password"),
        ("https://example.com@evil.example/", "name and password"),
        ("https://example.com:port/", "no address"),
        ("https://example.com:99999/", "no address"),
        ("https://[::1/", "no address"),
        ("https://[zz::1]/", "no address"),
        ("https://exa..mple.com/", "no valid name"),
        ("https://-.example.com/", "no valid name"),
        (f"https://{'a' * 64}.example.com/", "no valid name"),
        ("https://faß.de/", "xn--"),
        ("http://localhost:8000/", "private network"),
        ("http://router/", "private network"),
        ("http://printer.local/", "private network"),
        ("http://vault.internal./", "private network"),
        ("http://127.0.0.1/", "no public address"),
        ("http://127.1/", "no public address"),
        ("http://2130706433/", "no public address"),
        ("http://0x7f000001/", "no public address"),
        ("http://0177.0.0.1/", "no public address"),
        ("http://127.0.0.1./", "no public address"),
        ("http://１２７.0.0.1/", "no public address"),
        ("http://127。0。0。1/", "no public address"),
        ("http://10.1.2.3/", "no public address"),
        ("http://192.168.0.1/", "no public address"),
        ("http://169.254.169.254/latest/meta-data/", "no public address"),
        ("http://0.0.0.0/", "no public address"),
        ("http://224.0.0.1/", "no public address"),
        ("http://[::1]/", "no public address"),
        ("http://[fe80::1]/", "no public address"),
        ("http://[fc00::1]/", "no public address"),
        ("http://[::ffff:127.0.0.1]/", "no public address"),
        ("http://[2002:7f00:1::]/", "no public address"),
        ("http://1.2.3.4.5/", "looks like an IP address"),
        ("http://256.1.1.1/", "looks like an IP address"),
        ("https://hydra.example.org/l/bbbbbbbbbb", "leads back here"),
        ("https://HYDRA.example.org./", "leads back here"),
        ("https://ｈｙｄｒａ.example.org/", "leads back here"),
        (f"https://example.com/{'a' * LENGTH}", "2048"),
    ],
)
def test_all_else_is_refused_in_a_sentence(typed, said):
    with pytest.raises(WrongTarget, match=said):
        checked(typed, OURS)


def test_every_host_that_is_ours_counts_subdomains_too():
    for host in ("https://www.example.org/", "https://a.b.example.org/"):
        with pytest.raises(WrongTarget, match="leads back here"):
            checked(host, [".example.org"])


def test_slugs_are_long_differ_and_hold_nothing_to_misread():
    made = {slugs.new_slug() for _ in range(10_000)}
    assert len(made) == 10_000
    assert all(slugs.SLUG.fullmatch(slug) for slug in made)
    assert set("".join(made)) == set(slugs.ALPHABET)
    assert not set("aeiouAEIOU01lI") & set(slugs.ALPHABET)


@pytest.mark.parametrize(
    ("referrer", "family"),
    [
        ("", "Direct"),
        ("https://www.google.co.uk/search?q=x", "Google"),
        ("https://mail.google.com/", "Mail"),
        ("https://t.co/abc", "X"),
        ("http://l.facebook.com:80/l.php", "Facebook"),
        ("https://old.reddit.com", "Reddit"),
        ("https://en.wikipedia.org/wiki/A", "Wikipedia"),
        ("https://news.ycombinator.com/item?id=1", "Hacker News"),
        ("android-app://com.google.android.gm/", "Google"),
        ("https://blog.example.org/", "Other sites"),
        ("nonsense", "Other sites"),
        ("https://", "Other sites"),
    ],
)
def test_pages_are_counted_by_family(referrer, family):
    assert family_of(referrer) == family
    assert family in FAMILIES


def test_a_visitor_is_his_address_and_his_browser_and_neither_is_kept(rf):
    def visitor(address, browser):
        return visit_of(rf.get("/", REMOTE_ADDR=address, HTTP_USER_AGENT=browser)).visitor

    assert visitor("198.51.100.1", "one") == visitor("198.51.100.1", "one")
    assert len({visitor("198.51.100.1", "one"), visitor("198.51.100.2", "one"), visitor("198.51.100.1", "two")}) == 3
    assert len(visitor("198.51.100.1", "\udcff" * 5000)) == 32


def test_a_visitor_does_not_choose_his_address(rf, settings):
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"trusted_proxies": 1})
    told = [rf.get("/", HTTP_X_FORWARDED_FOR=f"{made_up}, 203.0.113.9") for made_up in ("10.0.0.1", "10.0.0.2")]
    assert len({visit_of(request).visitor for request in told}) == 1

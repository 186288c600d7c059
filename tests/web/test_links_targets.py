"""Where a link may lead, where it may not, and what is said about it; slugs and families of pages."""

import pytest

from webapp.links import slugs
from webapp.links.targets import LENGTH, WrongTarget, checked
from webapp.links.visits import FAMILIES, family_of, visit_of

OURS = ["hydra.example.org", "8.8.4.4", "[2606:4700::7]"]


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
        ("https://example.com:/", "https://example.com/"),
        ("https://example.com?q#top", "https://example.com?q#top"),
        ("https://example.com/#!/a/b?c", "https://example.com/#!/a/b?c"),
        ("https://example.com/a\u00a0b\u202ec\u0085d", "https://example.com/a%C2%A0b%E2%80%AEc%C2%85d"),
        ("https://例え.テスト.example/", "https://xn--r8jz45g.xn--zckzah.example/"),
        ("https://hydra.example.org.evil.example/", "https://hydra.example.org.evil.example/"),
        ("http://134744072/", "http://134744072/"),  # 8.8.8.8
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
        ("http://hydra.example.org:8080/", "leads back here"),
        ("https://hydra.example.org?x", "leads back here"),
        ("https://hydra.example.org#x", "leads back here"),
        ("https://hydra。example。org/", "leads back here"),
        ("https://hy\u00addra.example.org/", "leads back here"),
        ("https://8.8.4.4/", "leads back here"),
        ("https://134743044/", "leads back here"),
        ("https://0x08.010.0x404/", "leads back here"),
        ("https://[::ffff:8.8.4.4]/", "leads back here"),
        ("https://[2606:4700:0:0:0:0:0:0007]/", "leads back here"),
        ("https://hydra.example.org@evil.example/", "name and password"),
        ("https://evil.example@hydra.example.org/", "name and password"),
        ("https://@hydra.example.org/", "name and password"),
        ("https://hydra%2Eexample.org/", "no valid name"),
        ("https://hydra.example.org%2f.evil.example/", "no valid name"),
        ("https:/hydra.example.org/", "beginning with http"),
        ("https:hydra.example.org", "beginning with http"),
        ("https://example.com/\tx", "no blanks"),
        ("https://exam\nple.com/", "no blanks"),
        ("https://example.com/\x00", "no blanks"),
        ("https://example.com/\x7f", "no blanks"),
        ("https://ex\u202eample.com/", "no valid name"),
        ("https://example.com/\ud800", "no address"),
        ("https://\ud800.example.com/", "no address"),
        ("vbscript:msgbox(1)", "beginning with http"),
        ("file:///etc/passwd", "beginning with http"),
        ("blob:https://example.com/x", "beginning with http"),
        ("view-source:https://example.com", "beginning with http"),
        ("\x01javascript:alert(1)", "no blanks"),
        ("http://[64:ff9b::7f00:1]/", "no public address"),
        ("http://[2606:4700::1111%25eth0]/", "looks like an IP address"),
        ("http://100.64.0.1/", "no public address"),
        ("http://0/", "no public address"),
        ("http://0300.0250.1/", "no public address"),
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


def test_an_application_that_answers_to_every_host_can_still_make_links():
    assert checked("https://example.com/", ["hydra.example.org", "*"]) == "https://example.com/"
    with pytest.raises(WrongTarget, match="leads back here"):
        checked("https://hydra.example.org/", ["hydra.example.org", "*"])


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

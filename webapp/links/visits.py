"""Who follows a link and from where, as little of it as counting needs."""

import functools
import hashlib
from dataclasses import dataclass

from django.conf import settings

from webapp.limits.addresses import client_address
from webapp.links.robots import is_automatic

DIRECT = "Direct"
OTHER = "Other sites"
AUTOMATIC = "Automatic"  # what nobody clicked on; counted by this name alone, which click.lua knows too

HOSTS = {
    "t.co": "X",
    "x.com": "X",
    "lnkd.in": "LinkedIn",
    "youtu.be": "YouTube",
    "fb.me": "Facebook",
    "news.ycombinator.com": "Hacker News",
}
# Some of these have a host in every country; one part of the name is enough to know them. The first found counts.
LABELS = {
    "mail": "Mail",
    "outlook": "Mail",
    "google": "Google",
    "bing": "Bing",
    "duckduckgo": "DuckDuckGo",
    "facebook": "Facebook",
    "instagram": "Instagram",
    "twitter": "X",
    "linkedin": "LinkedIn",
    "reddit": "Reddit",
    "youtube": "YouTube",
    "github": "GitHub",
    "wikipedia": "Wikipedia",
}
FAMILIES = tuple(dict.fromkeys([DIRECT, *HOSTS.values(), *LABELS.values(), OTHER, AUTOMATIC]))


@dataclass(frozen=True)
class Visit:
    """One click: a digest that stands for the visitor, 32 hexadecimal digits, and the family of the page before.

    Or AUTOMATIC, and then it is no click and nobody has visited.
    """

    visitor: str
    family: str


def visit_of(request) -> Visit:
    """What a request tells. The visitor is his address and his browser; neither is kept, nor can it be had back."""
    meta = request.META
    who = f"{client_address(request)} {meta.get('HTTP_USER_AGENT', '')}"
    digest = hashlib.blake2b(who.encode(errors="replace"), key=digest_key(settings.SECRET_KEY), digest_size=16)
    return Visit(digest.hexdigest(), AUTOMATIC if is_automatic(meta) else family_of(meta.get("HTTP_REFERER", "")))


def family_of(referrer: str) -> str:
    """The family of a page's address, one of FAMILIES."""
    parts = referrer.split("/", 3)
    if not referrer:
        return DIRECT
    if len(parts) < 3 or not parts[2]:
        return OTHER
    return family_of_host(parts[2][:253].lower())


@functools.lru_cache(2048)
def family_of_host(host: str) -> str:
    """The family of a host, which may carry a port."""
    host = host.partition(":")[0].removeprefix("www.")
    return HOSTS.get(host) or next((LABELS[label] for label in host.split(".")[:-1] if label in LABELS), OTHER)


@functools.lru_cache(4)
def digest_key(secret: str) -> bytes:
    """Without it nobody can try addresses until one fits. A new SECRET_KEY counts every visitor anew."""
    return hashlib.blake2b(secret.encode(), person=b"hydra visitors").digest()

"""Which requests nobody made: crawlers, previews of links in messages, and browsers that fetch ahead."""

import functools
import re

# A browser that fetches a page before anybody has clicked says so; Sec-Purpose is today's name of it.
AHEAD = ("HTTP_SEC_PURPOSE", "HTTP_PURPOSE", "HTTP_X_PURPOSE", "HTTP_X_MOZ")
# What programs that crawl or preview call themselves. Not curl and its like, which people use too: whoever hides what
# he is counts as a click. CUBOT makes telephones.
ROBOTS = re.compile(
    r"(?<!cu)bot|crawl|spider|slurp|preview|externalhit|facebookcatalog|whatsapp/|\+https?:|ia_archiver|archive\.org"
    r"|mediapartners|apis-google|google-(?:inspectiontool|read-aloud|safety)|googleother|feedfetcher|lighthouse"
    r"|headlesschrome|embedly|iframely|vkshare|pingdom|statuscake|site24x7|ms-office|validator",
    re.IGNORECASE,
)
READ = 400  # characters of a User-Agent; nobody's own name comes later


def is_automatic(meta: dict) -> bool:
    """Whether a request, given its META, says that it was not made by a click."""
    if any(name in meta and is_ahead(meta[name]) for name in AHEAD):
        return True
    return is_robot(meta.get("HTTP_USER_AGENT", "")[:READ])


def is_ahead(purpose: str) -> bool:
    """Whether this is what a browser calls fetching ahead: `prefetch;prerender`, say."""
    return "prefetch" in purpose or "prerender" in purpose or "preview" in purpose


@functools.lru_cache(4096)
def is_robot(agent: str) -> bool:
    """Whether a User-Agent is that of a known kind of robot."""
    return ROBOTS.search(agent) is not None

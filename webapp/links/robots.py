"""Which requests nobody made: crawlers, previews of links in messages, and browsers that fetch ahead."""

import functools

# A browser that fetches a page before anybody has clicked says so; Sec-Purpose is today's name of it.
AHEAD = ("HTTP_SEC_PURPOSE", "HTTP_PURPOSE", "HTTP_X_PURPOSE", "HTTP_X_MOZ")
PURPOSES = ("prefetch", "prerender", "preview")
# What programs that crawl or preview call themselves. Not curl and its like, which people use too: whoever hides what
# he is counts as a click.
ROBOTS = """
    bot crawl spider slurp preview +http mediapartners feedfetcher ia_archiver archive.org lighthouse headlesschrome
    externalhit facebookcatalog whatsapp/ vkshare embedly iframely ms-office pingdom statuscake site24x7 validator
    apis-google googleother google-inspectiontool google-read-aloud google-safety
"""
NAMES = tuple(ROBOTS.split())
NO_ROBOT = "cubot"  # makes telephones
READ = 400  # characters of a User-Agent; nobody's own name comes later


def is_automatic(meta: dict) -> bool:
    """Whether a request, given its META, says that it was not made by a click."""
    if any(name in meta and is_ahead(meta[name]) for name in AHEAD):
        return True
    return is_robot(meta.get("HTTP_USER_AGENT", "")[:READ])


def is_ahead(purpose: str) -> bool:
    """Whether this is what a browser calls fetching ahead: `prefetch;prerender`, say."""
    return any(word in purpose for word in PURPOSES)


@functools.lru_cache(4096)
def is_robot(agent: str) -> bool:
    """Whether a User-Agent is that of a known kind of robot."""
    text = agent.lower().replace(NO_ROBOT, "")
    return any(name in text for name in NAMES)

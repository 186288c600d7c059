"""What a browser calls itself, in a few plain words."""

UNKNOWN = "Unknown device"
LENGTH = 40  # characters; a browser may send anything

# The first that is found counts: most browsers also name those they want to be taken for.
BROWSERS = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Opera", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Vivaldi", "Vivaldi"),
    ("YaBrowser", "Yandex Browser"),
    ("DuckDuckGo", "DuckDuckGo"),
    ("FxiOS", "Firefox"),
    ("Firefox", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chromium", "Chromium"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
    ("MSIE", "Internet Explorer"),
    ("Trident", "Internet Explorer"),
]
SYSTEMS = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "Mac"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
    ("FreeBSD", "FreeBSD"),
]


def device(user_agent: str) -> str:
    """ "Firefox on Linux"; for what is no browser its own first word; at most LENGTH characters, all printable."""
    browser = first(BROWSERS, user_agent)
    system = first(SYSTEMS, user_agent)
    if browser and system:
        return f"{browser} on {system}"
    if browser or system:
        return browser or system
    words = "".join(letter if letter.isprintable() else " " for letter in user_agent[: 4 * LENGTH]).split()
    return words[0].replace("/", " ")[:LENGTH] if words else UNKNOWN


def first(names, user_agent):
    """The plain word for the first of these marks that the browser names, or None."""
    return next((plain for mark, plain in names if mark in user_agent), None)

"""How a line of the log looks: JSON for programs, words where a person looks at a terminal.

The standard library does it: what python-json-logger or structlog would save is the call of `json.dumps`. The rest
(which fields, what must never be shown, where the request's id comes from) would have to be said to them too.
"""

import json
import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime

from webapp.request_ids import HIDDEN, request_id, traced

# What every record has; anything else was given with `extra=`.
OWN = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
as_json = json.JSONEncoder(ensure_ascii=False).encode  # made once: `json.dumps` makes one for each line
PLAIN = (str, int, float, bool)


class Formatter(logging.Formatter):
    """What both looks share: `secrets` and what the request in hand hides are never shown, wherever they stand."""

    def __init__(self, secrets: Iterable[str] = ()):
        super().__init__()
        self.secrets = sorted((text for text in secrets if text), key=len, reverse=True)

    def clean(self, text: str) -> str:
        """The text without its secrets."""
        found = traced()
        for hidden, shown in (found.shown if found else {}).items():
            text = text.replace(hidden, shown)
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        return text

    def told(self, record: logging.LogRecord) -> str:
        """The record's message."""
        return self.clean(record.getMessage())

    def traceback(self, record: logging.LogRecord) -> str:
        """The traceback of its error, or an empty text."""
        if not record.exc_info or not record.exc_info[0]:
            return ""
        return self.clean(self.formatException(record.exc_info))


class JsonLines(Formatter):
    """One JSON object a line: time (UTC), level, logger, message, request_id, then what was given with `extra=`.

    Of that only texts, numbers, booleans and None are shown: Django hands over whole requests, with all their secrets.
    An error is its kind in `error` and one text in `traceback`.
    """

    def format(self, record):
        moment = datetime.fromtimestamp(record.created, UTC)
        line = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": self.told(record),
        }
        if request := request_id():
            line["request_id"] = request
        for name, value in vars(record).items():
            if name not in OWN and (value is None or isinstance(value, PLAIN)):
                line[name] = self.clean(value) if isinstance(value, str) else value
        if traceback := self.traceback(record):
            line |= {"error": record.exc_info[0].__name__, "traceback": traceback}
        return as_json(line)


class Words(Formatter):
    """A line for people: time of day (local), level unless it is INFO, logger, message, the beginning of the id."""

    def format(self, record):
        moment = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        level = "" if record.levelno == logging.INFO else f" {record.levelname}"
        request = f"  [{request_id()[:8]}]" if request_id() else ""
        line = f"{moment}{level} {record.name}: {printable(self.told(record))}{request}"
        traceback = printable(self.traceback(record))
        return f"{line}\n{traceback}" if traceback else line


class Strangers(logging.Filter):
    """What is wrong with a request, an unknown host say, is no error of ours: a warning without a traceback.

    Scanners would fill the log with them, and wake whoever is woken by errors.
    """

    def filter(self, record):
        if record.name.startswith("django.security."):
            record.levelno, record.levelname, record.exc_info = logging.WARNING, "WARNING", None
        return True


class Bugs(logging.Filter):
    """Of what Django says about requests, what has a traceback. Any other failure is told by whatever answers with it,
    which knows more, and stands in the line that every request has.
    """

    def filter(self, record):
        return bool(record.exc_info)


def printable(text: str) -> str:
    """The text with whatever a terminal would obey, save line ends, written out."""
    return "".join(letter if letter.isprintable() or letter == "\n" else repr(letter)[1:-1] for letter in text)


def formatter(secrets: Iterable[str] = (), stream=None) -> Formatter:
    """Words if `stream` (standard error unless said) is a terminal, else JSON."""
    stream = stream or sys.stderr
    return (Words if stream.isatty() else JsonLines)(secrets)


def settings(secrets: Iterable[str]) -> dict:
    """Django's LOGGING: everything goes to standard error."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "webapp.logs.formatter", "secrets": list(secrets)}},
        "filters": {"strangers": {"()": "webapp.logs.Strangers"}, "bugs": {"()": "webapp.logs.Bugs"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["strangers"]}},
        "root": {"handlers": ["stderr"], "level": "INFO"},
        # Django's own handler prints nothing outside DEBUG; errors go where all else goes, with their traceback.
        "loggers": {
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            # What was not found or not allowed is told by the line that every request has.
            "django.request": {"level": "ERROR", "filters": ["bugs"]},
            "botocore": {"level": "WARNING"},
            # It has set up its own before it imports us; its access log would show what addresses hide.
            "uvicorn": {"handlers": [], "propagate": True},
            "uvicorn.access": {"handlers": [], "propagate": False},
        },
    }

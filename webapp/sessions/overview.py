"""Which sessions a user is signed in with, and their end."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from webapp.sessions import form
from webapp.sessions.connection import ask
from webapp.sessions.loops import aask
from webapp.sessions.scripts import END_ALL, END_ONE, LIST
from webapp.sessions.store import former_index_key, handle, index_key


@dataclass(frozen=True)
class SignedIn:
    """One session. `seen` is right to within SEEN_EVERY minutes; the handle names the session and opens nothing."""

    handle: str
    device: str
    seen: datetime
    expires: datetime


def sessions_of(user) -> list[SignedIn]:
    """All sessions this user is signed in with, the one seen last first; SessionsUnavailable when Redis is away."""
    return told(ask(listing(user)))


async def asessions_of(user) -> list[SignedIn]:
    """As sessions_of."""
    return told(await aask(listing(user)))


def end(user, handle: str) -> bool:
    """End one of this user's sessions; False if he has none of that handle. Nobody else's can be ended so."""
    return bool(ask(("EVALSHA", END_ONE, 2, *indexes_of(user), handle)))


async def aend(user, handle: str) -> bool:
    """As end."""
    return bool(await aask(("EVALSHA", END_ONE, 2, *indexes_of(user), handle)))


def end_all(user, except_session=None) -> int:
    """End all sessions of this user, save the one given (a SessionStore), if any; how many they were."""
    return ask(("EVALSHA", END_ALL, 2, *indexes_of(user), handle_of(except_session)))


async def aend_all(user, except_session=None) -> int:
    """As end_all."""
    return await aask(("EVALSHA", END_ALL, 2, *indexes_of(user), handle_of(except_session)))


def handle_of(session) -> str:
    """The handle of a session; '' for none, or for one that has no key yet."""
    return handle(session.session_key) if session is not None and session.session_key else ""


def indexes_of(user) -> tuple[str, str]:
    """Where this user's sessions are listed, and were before: by his key as Django writes it into a session."""
    owner = user._meta.pk.value_to_string(user)
    return index_key(owner), former_index_key(owner)


def listing(user) -> tuple:
    """The command that lists a user's sessions."""
    return ("EVALSHA", LIST, 2, *indexes_of(user))


def told(answer: list) -> list[SignedIn]:
    """What that command answered, as values."""
    now = datetime.now(UTC)
    found = [
        SignedIn(
            handle=name.decode(),
            device=device.decode(errors="replace"),
            seen=datetime.fromtimestamp(form.minute_seen(header) * 60, UTC),
            expires=now + timedelta(seconds=seconds),
        )
        for name, device, header, seconds in zip(*[iter(answer)] * 4, strict=True)
    ]
    return sorted(found, key=lambda each: each.seen, reverse=True)

"""The session engine: one Redis string for each session (SESSION_ENGINE points here). It must be told of Redis alone.

Loading is one GET. Saving is one script that writes only over the version that was loaded; when another request was
first, the newer session comes back, what this one changed is put into it key by key, and it tries again. A session that
was ended meanwhile stays so. A method plans its commands and is given their answers, so that the same plan serves
threads and coroutines.
"""

import hashlib
import logging
from base64 import urlsafe_b64encode

from django.contrib.sessions.backends.base import VALID_KEY_CHARS, CreateError, SessionBase, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.utils.crypto import get_random_string

from webapp.sessions import form
from webapp.sessions.connection import SessionsUnavailable, WrongKind, ask
from webapp.sessions.devices import device
from webapp.sessions.form import OWNER
from webapp.sessions.loops import aask
from webapp.sessions.scripts import ADOPT, CREATE, CYCLE, END, HANDLE, PREFIX, SAVE, SEEN

INDEX = "owner:"
ATTEMPTS = 200  # of one save; each that fails is one in which another request got through
SEEN_EVERY = 5  # minutes

log = logging.getLogger(__name__)


class SessionEnded(UpdateError, SessionInterrupted):
    """The session was ended by another request while this one was at work."""


def digest(session_key: str) -> str:
    """SHA-256 in base64, 43 characters."""
    return urlsafe_b64encode(hashlib.sha256(session_key.encode()).digest())[:-1].decode()


def handle(session_key: str) -> str:
    """What a session is called where it must not be known: nobody can tell the cookie from it.

    120 bits: who has read Redis, and would do with the cookie of any of a million sessions, has 2 to the 100 to try.
    """
    return digest(session_key)[:HANDLE]


def redis_key(session_key: str | None) -> str:
    """Where a session lies; without a key, where none ever does.

    A digest, so that whoever reads Redis or a backup of it holds nobody's cookie.
    """
    return PREFIX + handle(session_key or "")


def index_key(owner: str) -> str:
    """Where the sessions of a user are listed, by his primary key as text."""
    return INDEX + owner


def former_redis_key(session_key: str) -> str:
    """Where it lay before: see ADOPT."""
    return PREFIX + digest(session_key)


def former_index_key(owner: str) -> str:
    """Where they were listed before: see ADOPT."""
    return f"sessions-of:{owner}"


class SessionStore(SessionBase):
    """Django's session interface. Raises SessionsUnavailable when Redis is away.

    `user_agent` may be set to what the browser calls itself, before the session of a signed-in user is saved.
    """

    user_agent = ""
    _stored = None  # what Redis held when the data was loaded or saved last; None if that is not known
    _owner = None  # the user in it, as text

    def __init__(self, session_key=None):
        super().__init__(session_key)
        self.serializer = form.serializer_in_use()

    # What Django asks of an engine, for threads ...

    def load(self):
        """The stored data; a key nobody stored is dropped, so that a visitor cannot choose his own."""
        try:
            return work(self._loading())
        except WrongKind:
            return self._foreign()

    def exists(self, session_key):
        """Whether a session is stored under this key."""
        return work(self._existing(session_key))

    def create(self):
        """Store a new session under a key that was free."""
        work(self._creating())

    def save(self, must_create=False):
        """Write the data; CreateError if the key was taken, UpdateError if the session was ended meanwhile."""
        if self.session_key is None:
            return self.create()
        self._get_session(no_load=must_create)
        work(self._saving(must_create))

    def cycle_key(self):
        """Move the session to a new key in one step; SessionEnded if a signed-in one was ended meanwhile."""
        self._get_session()
        work(self._cycling())

    def delete(self, session_key=None):
        """End a session, this one unless another is named; one that is gone already is no error."""
        work(self._deleting(session_key))

    def note_seen(self):
        """Note that this session, loaded, of a signed-in user is in use: without a change of its data or its end."""
        work(self._noting())

    # ... and for coroutines, in which no thread is used.

    async def aload(self):
        """As load."""
        try:
            return await awork(self._loading())
        except WrongKind:
            return self._foreign()

    async def aexists(self, session_key):
        """As exists."""
        return await awork(self._existing(session_key))

    async def acreate(self):
        """As create."""
        await awork(self._creating())

    async def asave(self, must_create=False):
        """As save."""
        if self.session_key is None:
            return await self.acreate()
        await self._aget_session(no_load=must_create)
        await awork(self._saving(must_create))

    async def acycle_key(self):
        """As cycle_key."""
        await self._aget_session()
        await awork(self._cycling())

    async def adelete(self, session_key=None):
        """As delete."""
        await awork(self._deleting(session_key))

    async def anote_seen(self):
        """As note_seen."""
        await awork(self._noting())

    @classmethod
    def clear_expired(cls):
        """Nothing to do: Redis drops what has expired."""

    @classmethod
    async def aclear_expired(cls):
        """As clear_expired."""

    def remaining(self) -> int:
        """Seconds until Redis drops this session; negative when it is not stored."""
        return ask(("TTL", redis_key(self.session_key)))

    @property
    def seen_long_ago(self) -> bool:
        """Whether this is a signed-in user's session, loaded, which nobody noted for SEEN_EVERY minutes."""
        return bool(self._owner and self._stored and form.minutes_since(self._stored) >= SEEN_EVERY)

    # The plans: each yields commands, is given the answers and returns the result.

    def _loading(self):
        if self.session_key is None:
            return {}
        key = redis_key(self.session_key)
        stored = yield "GET", key
        if stored is None:  # an unknown cookie is rare enough for a second question
            stored = yield "EVALSHA", ADOPT, 2, key, former_redis_key(self.session_key)
        if stored is None:
            self._session_key = None
            return {}
        data = read(stored)
        if data is None:
            return self._foreign()
        if not hasattr(self, "_session_cache"):  # else the data in hand comes from an older version
            self._stored, self._owner = stored, owner_of(data)
        return data

    def _foreign(self):
        """The data when what lies there is no session."""
        log.warning("Redis holds something under the key of a session that is none; it is treated as absent.")
        self._session_key = None
        return {}

    def _existing(self, session_key):
        return bool(session_key and (yield "EXISTS", redis_key(session_key), former_redis_key(session_key)))

    def _creating(self):
        self._get_session(no_load=True)
        while True:
            self._session_key = new_key()
            try:
                yield from self._saving(must_create=True)
            except CreateError:
                continue
            self.modified = True
            return

    def _saving(self, must_create):
        if self.session_key is None:  # it was dropped just now: nobody had stored it
            raise UpdateError
        for _ in range(ATTEMPTS):
            seconds = int(self.get_expiry_age())
            if seconds <= 0:  # Redis takes no such lifetime: the session ends with this request
                if not (yield from self._ending(self.session_key)) and not must_create:
                    raise UpdateError
                return
            value, owner = form.encode(self._session_cache), owner_of(self._session_cache)
            if self._owner and owner != self._owner:
                yield "HDEL", index_key(self._owner), handle(self.session_key)
            answer = yield from self._writing(CREATE if must_create else SAVE, value, seconds, owner)
            if answer == 1:
                self._stored, self._owner = value, owner
                return
            if answer == 0:
                raise CreateError if must_create else UpdateError
            self._take_in(answer)
        raise SessionsUnavailable(f"a session was written {ATTEMPTS} times by others while one request tried to")

    def _writing(self, script, value, seconds, owner):
        """1, 0 or the newer session: see scripts.py."""
        key = redis_key(self.session_key)
        if owner:
            keys, about = (2, key, index_key(owner)), (key[len(PREFIX) :], device(self.user_agent))
        elif script is CREATE:  # then one plain command will do
            if (yield "SET", key, value, "EX", seconds, "NX"):
                return 1
            return int((yield "GET", key) == value)  # it is ours if the answer to a first try was lost
        else:
            keys, about = (1, key), ()
        return (yield "EVALSHA", script, *keys, self._known_version(), value, seconds, *about)

    def _cycling(self):
        old = self.session_key
        if old is None:
            return (yield from self._creating())
        fresh = new_key()
        for _ in range(ATTEMPTS):
            seconds = max(1, int(self.get_expiry_age()))
            value, owner = form.encode(self._session_cache), owner_of(self._session_cache)
            keys = [redis_key(fresh), redis_key(old)] + ([index_key(owner)] if owner else [])
            about = (handle(fresh), device(self.user_agent), handle(old))
            answer = yield "EVALSHA", CYCLE, len(keys), *keys, self._known_version(), value, seconds, *about
            if answer == 1:
                self._session_key, self._stored, self._owner, self.modified = fresh, value, owner, True
                return
            if answer == 0 and owner:
                raise SessionEnded("The session was ended while its key was changed.")
            if answer == 0:  # nobody was signed in: what it held may live on
                return (yield from self._creating())
            self._take_in(answer)
        raise SessionsUnavailable(f"a session was written {ATTEMPTS} times by others while its key was changed")

    def _deleting(self, session_key):
        session_key = session_key or self.session_key
        if session_key is not None:
            yield from self._ending(session_key)

    def _ending(self, session_key):
        """How many sessions there were. Where the user is not known, the list of his sessions drops it later."""
        key = redis_key(session_key)
        if self._owner:
            keys = (key, former_redis_key(session_key), index_key(self._owner))
            return (yield "EVALSHA", END, 3, *keys, key[len(PREFIX) :])
        return (yield "DEL", key, former_redis_key(session_key))

    def _noting(self):
        if self.session_key is not None and self._owner:
            key = redis_key(self.session_key)
            about = (form.minute_now(), key[len(PREFIX) :], device(self.user_agent))
            yield "EVALSHA", SEEN, 2, key, index_key(self._owner), *about

    def _known_version(self) -> bytes:
        """The version that may be written over; none when the data was replaced without having been looked at."""
        return form.version(self._stored) if self._stored else b""

    def _take_in(self, newer: bytes) -> None:
        """Put what this request changed into the session that another one has stored since."""
        loaded, theirs = form.decode(self._stored), form.decode(newer)
        ours = form.decode(form.encode(self._session_cache))  # as it would be read again: tuples are lists
        self._session_cache = form.merge(loaded, ours, theirs)
        self._stored, self._owner = newer, owner_of(theirs)


def owner_of(data: dict) -> str | None:
    """The primary key of the user who is signed in with this data, as text."""
    owner = data.get(OWNER)
    return None if owner is None else str(owner)


def new_key() -> str:
    """A key nobody can guess."""
    return get_random_string(32, VALID_KEY_CHARS)


def read(stored: bytes) -> dict | None:
    """The data of what Redis holds, or None if it is no session."""
    try:
        data = form.decode(stored)
    except Exception:  # noqa: BLE001 - a serializer of one's own may raise any
        return None
    return data if isinstance(data, dict) else None


def work(plan):
    """Carry out a plan in this thread; returns its result."""
    answer = None
    try:
        while True:
            answer = ask(plan.send(answer))
    except StopIteration as done:
        return done.value


async def awork(plan):
    """Carry out a plan on this event loop; returns its result."""
    answer = None
    try:
        while True:
            answer = await aask(plan.send(answer))
    except StopIteration as done:
        return done.value

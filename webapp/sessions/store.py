"""The session engine: one Redis string of JSON for each session (SESSION_ENGINE points here).

Django's own cache engine takes an unreachable Redis for an empty session, and the visitor's cookie is deleted; here it
is an error. Its save can bring back a session that was deleted meanwhile; here a save only writes over what is there.
"""

import hashlib
from contextlib import contextmanager

from django.contrib.sessions.backends.base import VALID_KEY_CHARS, CreateError, SessionBase, UpdateError
from django.utils.crypto import get_random_string
from redis.exceptions import RedisError

from webapp.sessions.connection import SessionsUnavailable, connection

PREFIX = "session:"


def redis_key(session_key: str | None) -> str:
    """Where a session lies; without a key, where none ever does.

    A digest, so that whoever reads Redis or a backup of it holds nobody's cookie.
    """
    return PREFIX + hashlib.sha256((session_key or "").encode()).hexdigest()


@contextmanager
def answered():
    """Turns whatever redis-py raises into SessionsUnavailable."""
    try:
        yield connection()
    except RedisError as error:
        raise SessionsUnavailable(str(error)) from error


class SessionStore(SessionBase):
    """Django's session interface; every method is one command. Raises SessionsUnavailable when Redis is away."""

    def load(self):
        """The stored data; a key nobody stored is dropped, so that a visitor cannot choose his own."""
        with answered() as redis:
            stored = redis.get(redis_key(self.session_key))
        if stored is None:
            self._session_key = None
            return {}
        return self.serializer().loads(stored)

    def create(self):
        """Store a new, empty session under a key that was free."""
        while True:
            self._session_key = get_random_string(32, VALID_KEY_CHARS)
            try:
                self.save(must_create=True)
            except CreateError:
                continue
            self.modified = True
            return

    def save(self, must_create=False):
        """Write the data; CreateError if the key was taken, UpdateError if the session was deleted meanwhile."""
        if self.session_key is None:
            return self.create()
        data = self.serializer().dumps(self._get_session(no_load=must_create))
        key, seconds = redis_key(self.session_key), int(self.get_expiry_age())
        with answered() as redis:
            if seconds > 0:
                written = redis.set(key, data, ex=seconds, nx=must_create, xx=not must_create)
            else:  # Redis takes no such lifetime: the session ends with this request
                written = redis.delete(key) or must_create
        if not written:
            raise CreateError if must_create else UpdateError

    def exists(self, session_key):
        """Whether a session is stored under this key."""
        with answered() as redis:
            return bool(redis.exists(redis_key(session_key)))

    def delete(self, session_key=None):
        """End a session, this one unless another is named; one that is gone already is no error."""
        session_key = session_key or self.session_key
        if session_key is not None:
            with answered() as redis:
                redis.delete(redis_key(session_key))

    def remaining(self) -> int:
        """Seconds until Redis drops this session; negative when it is not stored."""
        with answered() as redis:
            return redis.ttl(redis_key(self.session_key))

    @classmethod
    def clear_expired(cls):
        """Nothing to do: Redis drops what has expired."""

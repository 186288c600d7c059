"""How a process reaches Redis: the connections of its sessions, and a client for all else."""

import functools
import os
import threading
import time

from hiredis import pack_command
from redis import BlockingConnectionPool, ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MaxConnectionsError, NoScriptError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from webapp.environment import RedisPart
from webapp.metrics import measured
from webapp.parts import part
from webapp.sessions.scripts import in_full
from webapp.store_calls import MeasuredRedis

TIMEOUT = 0.4  # seconds, to connect and for each answer: a page must not hang on a server that does
# Connections of a process, beside the one of each event loop: for sessions, and for all else. A thread needs one for
# moments only.
LIMIT = 5
OTHERS = 4


class SessionsUnavailable(Exception):
    """Redis did not answer, or would not take what we gave it; nothing is known about the session."""


class WrongKind(SessionsUnavailable):
    """Under the key of a session lies something that is no string."""


class Pool(ConnectionPool):
    """Connections that threads share: the one used last first, never more than LIMIT, each opened when first needed.

    redis-py's own pools ask the kernel at every loan whether the connection still lives and whether an answer nobody
    took is waiting on it, which costs more than the command. Here the first is found out by using it, and the second
    cannot be: only Door lends connections, and gives none back that it did not read to the end.
    """

    def __init__(self, **how):
        super().__init__(**how)
        self._idle = []
        self._made = 0
        self._waiting = 0
        self._returned = threading.Condition()

    def get_connection(self, command_name=None, *keys, **options):
        """A connection, which may still have to be opened; MaxConnectionsError if none came free in TIMEOUT."""
        try:
            return self._idle.pop()
        except IndexError:
            return self._make_or_wait()

    def _make_or_wait(self):
        deadline = time.monotonic() + TIMEOUT
        with self._returned:
            self._waiting += 1  # before looking, so that a connection returned from now on is told
            try:
                while True:
                    try:
                        return self._idle.pop()
                    except IndexError:
                        pass
                    if self._made < LIMIT:
                        connection = self.make_connection()
                        self._made += 1
                        return connection
                    left = deadline - time.monotonic()
                    if left <= 0:
                        raise MaxConnectionsError("all connections to Redis are waiting for an answer")
                    self._returned.wait(left)
            finally:
                self._waiting -= 1

    def release(self, connection):
        """Take a connection back, in whatever state it is."""
        self._idle.append(connection)
        if self._waiting:
            with self._returned:
                self._returned.notify()

    def disconnect(self, inuse_connections=True):
        """Close what is idle; it opens again when it is used."""
        for connection in list(self._idle):
            connection.disconnect()


class Door:
    """Asks Redis one command at a time, and keeps a crowd away from a server that hangs.

    Where one request waited in vain, others would too, each with a thread that a page without a session could use.
    Until Redis answers again, one request at a time tries, and all others are told at once.
    """

    def __init__(self, pool: Pool):
        self.pool = pool
        self.hanging = False
        self.trying = threading.Lock()

    def ask(self, command: tuple):
        """The answer to a command, as bytes, number or list; SessionsUnavailable if there is none.

        A script is named by its digest; its text is sent only to a server that does not know it.
        """
        if not self.hanging:
            return self._ask(command)
        if not self.trying.acquire(blocking=False):
            raise SessionsUnavailable("Redis gave no answer a moment ago, and another request is trying it just now")
        try:
            return self._ask(command, alone=True)
        finally:
            self.trying.release()

    def _ask(self, command, alone=False):
        try:
            connection = self.pool.get_connection()
            try:
                if self.hanging and not alone:  # which was found out while this request waited for a connection
                    raise RedisTimeoutError("Redis gave no answer a moment ago")
                answer = self._converse(connection, command)
            except ResponseError as error:  # an answer, and a whole one
                if demoted(error):
                    connection.disconnect()
                    self.pool.disconnect()
                raise
            except BaseException:
                # The answer may still be on its way. The next to use this connection would take it for his own, and
                # with it somebody else's session.
                connection.disconnect()
                raise
            finally:
                self.pool.release(connection)
        except (RedisTimeoutError, MaxConnectionsError) as error:
            self.hanging = True
            raise SessionsUnavailable(str(error)) from error
        except RedisError as error:
            raise refusal(error) from error
        self.hanging = False
        return answer

    def _converse(self, connection, command):
        packed = [pack_command(command)]
        try:
            return self._exchange(connection, packed)
        except RedisConnectionError:
            # Redis had closed it while it was idle. It is opened again; every command may be given twice.
            return self._exchange(connection, packed)
        except NoScriptError:
            return self._exchange(connection, [pack_command(in_full(command))])

    @staticmethod
    def _exchange(connection, packed):
        connection.send_packed_command(packed, check_health=False)
        return connection.read_response(disable_decoding=True)


def demoted(error: Exception) -> bool:
    """Whether Redis says that it has become a replica: where its name leads by now is found out by connecting anew."""
    return isinstance(error, ReadOnlyError) or "READONLY" in str(error)


def refusal(error: Exception) -> SessionsUnavailable:
    """What to raise for an error of Redis."""
    return (WrongKind if str(error).startswith("WRONGTYPE") else SessionsUnavailable)(str(error))


def address() -> dict:
    """How Redis is reached, in the words of redis-py: the URL, and all that it does not say."""
    environment = part(RedisPart)
    return {
        "url": environment.redis_url,
        "password": environment.redis_password.get_secret_value(),
        "client_name": "hydra-web",
    }


def patience() -> dict:
    """How long to wait and how often to try, in the words of redis-py; and RESP2, in which Redis says only answers."""
    return {
        "protocol": 2,
        "socket_connect_timeout": TIMEOUT,
        "socket_timeout": TIMEOUT,
        # One that has become a replica has done nothing: connect anew and give the command again.
        "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError, ReadOnlyError)),
    }


@functools.cache
def door() -> Door:
    """What the sessions of this process go through."""
    return Door(Pool.from_url(**address(), **patience()))


@functools.cache
def connection() -> Redis:
    """A client for all that is no session. Threads may share it."""
    # Called so that the pool is the client's own, which closes it.
    return MeasuredRedis.from_pool(
        BlockingConnectionPool.from_url(**address(), **patience(), max_connections=OTHERS, timeout=TIMEOUT)
    )


def ask(command: tuple):
    """As Door.ask."""
    with measured("redis", command[0].lower()):
        return door().ask(command)


def forget() -> None:
    """Use none of the connections made so far again."""
    for each in (connection, door):
        each.cache_clear()


# A child of a fork must not talk on its parent's sockets.
os.register_at_fork(after_in_child=forget)

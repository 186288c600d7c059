"""Redis for coroutines: one connection for each event loop, on which all its requests wait at once.

Commands are sent as they come and answered in that order, so a request never waits for a free connection, and one that
is cancelled leaves the connection as it was. The connection is closed with its loop.
"""

import asyncio
import os
import ssl
from collections import deque

import hiredis
from redis.connection import parse_url

from webapp.metrics import measured
from webapp.sessions.connection import TIMEOUT, SessionsUnavailable, address, demoted, refusal
from webapp.sessions.scripts import in_full

NOTHING = object()  # what the parser says when an answer is not there yet


class Closed(Exception):
    """The connection ended before the answer came."""


class Refused(Exception):
    """Redis answered with an error."""


class Line(asyncio.Protocol):
    """One connection and the questions that are open on it."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self.loop = loop
        self.reader = hiredis.Reader(replyError=Refused, notEnoughData=NOTHING)
        self.open = deque()
        self.transport = None
        self.closed = False
        self.watching = False

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.reader.feed(data)
        while (answer := self.reader.gets()) is not NOTHING:
            future, _ = self.open.popleft()
            if not future.done():  # its request may have been cancelled
                future.set_result(answer)

    def connection_lost(self, error):
        self.close(Closed(str(error or "Redis closed the connection")))

    def ask(self, packed: bytes) -> asyncio.Future:
        """A future of the answer; an error of Redis is an answer too."""
        future = self.loop.create_future()
        if self.closed:  # since it was opened for us
            future.set_exception(Closed("Redis closed the connection"))
            return future
        self.open.append((future, self.loop.time()))
        self.transport.write(packed)
        if not self.watching:
            self.watching = True
            self.loop.call_later(TIMEOUT, self.watch)
        return future

    def watch(self):
        """Give the connection up if the oldest question is open for too long; one timer for all of them."""
        self.watching = False
        if not self.open or self.closed:
            return
        left = self.open[0][1] + TIMEOUT - self.loop.time()
        if left > 0:
            self.watching = True
            self.loop.call_later(left, self.watch)
        else:
            self.close(SessionsUnavailable(f"Redis gave no answer within {TIMEOUT} seconds"))

    def close(self, error: Exception):
        """End the connection and tell all who wait."""
        self.closed = True
        if self.transport is not None:
            self.transport.abort()
        while self.open:
            future, _ = self.open.popleft()
            if not future.done():
                future.set_exception(type(error)(*error.args))  # each its own: tracebacks grow


class Client:
    """What the requests of one event loop ask Redis through."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self.loop = loop
        self.line: Line | None = None
        self.opening: asyncio.Task | None = None
        self.keeper = None

    async def ask(self, command: tuple):
        """The answer, as connection.ask; SessionsUnavailable if there is none."""
        try:
            answer = await self.exchange(hiredis.pack_command(command))
            if isinstance(answer, Refused) and str(answer).startswith("NOSCRIPT"):
                answer = await self.exchange(hiredis.pack_command(in_full(command)))
        except (OSError, Closed) as error:
            raise SessionsUnavailable(str(error)) from error
        if isinstance(answer, Refused):
            if demoted(answer) and self.line is not None:
                self.line.close(Closed("Redis has become a replica"))  # whoever waits asks again on the next
            raise refusal(answer)
        return answer

    async def exchange(self, packed: bytes):
        """Send and wait. A connection found closed is opened anew once; every command may be given twice."""
        line = self.line
        if line is not None and not line.closed:
            try:
                return await line.ask(packed)
            except Closed:
                pass
        return await (await self.connected()).ask(packed)

    async def connected(self) -> Line:
        """An open connection; whoever asks while one is being opened waits for that one."""
        if self.line is not None and not self.line.closed:
            return self.line
        if self.opening is None:
            self.opening = self.loop.create_task(self.connect())
            self.opening.add_done_callback(self.opened)
        return await asyncio.shield(self.opening)

    def opened(self, task):
        self.opening = None
        if not task.cancelled():
            task.exception()  # looked at, in case all who waited were cancelled

    async def connect(self) -> Line:
        """Open the connection and say who we are."""
        given = {**address()}
        given |= parse_url(given.pop("url"))
        host, port = given.get("host", "localhost"), given.get("port", 6379)
        try:
            async with asyncio.timeout(TIMEOUT):
                _, line = await self.loop.create_connection(lambda: Line(self.loop), host, port, ssl=encryption(given))
                try:
                    await greet(line, given)
                except BaseException:
                    line.close(Closed("not opened"))
                    raise
        except TimeoutError as error:
            raise SessionsUnavailable(f"Redis could not be reached within {TIMEOUT} seconds") from error
        if self.keeper is None:
            self.keeper = self.until_the_loop_ends()
            await anext(self.keeper)
        self.line = line
        return line

    async def until_the_loop_ends(self):
        """Never finished by itself: whatever ends a loop well closes its generators, and this one the connection."""
        try:
            yield
        finally:
            CLIENTS.pop(self.loop, None)
            if self.line is not None:
                self.line.close(Closed("the event loop ends"))
                await asyncio.sleep(0)  # the transport closes its socket in the loop's next turn


async def greet(line: Line, given: dict) -> None:
    """Sign in, choose the database and leave our name, as the URL and the password say; in one round trip."""
    who = [given["username"]] if given.get("username") else []
    steps = [("AUTH", *who, given["password"])] if given.get("password") else []
    steps += [("SELECT", given.get("db", 0)), ("CLIENT", "SETNAME", given["client_name"])]
    for answer in await asyncio.gather(*[line.ask(hiredis.pack_command(step)) for step in steps]):
        if isinstance(answer, Refused):
            raise SessionsUnavailable(str(answer))


def encryption(given: dict) -> ssl.SSLContext | None:
    """TLS for rediss://, with the server's name and certificate always checked."""
    if "connection_class" not in given:
        return None
    context = ssl.create_default_context(cafile=given.get("ssl_ca_certs"), capath=given.get("ssl_ca_path"))
    if given.get("ssl_certfile"):
        context.load_cert_chain(given["ssl_certfile"], given.get("ssl_keyfile"))
    return context


CLIENTS: dict[asyncio.AbstractEventLoop, Client] = {}
os.register_at_fork(after_in_child=CLIENTS.clear)


def this_loops_client() -> Client:
    """The running loop's own, made when it is first asked for."""
    loop = asyncio.get_running_loop()
    client = CLIENTS.get(loop)
    if client is None:
        for other in list(CLIENTS):
            if other.is_closed():  # ended without a word
                CLIENTS.pop(other, None)
        client = CLIENTS[loop] = Client(loop)
    return client


async def aask(command: tuple):
    """As connection.ask, on the running loop's own connection."""
    with measured("redis", command[0].lower()):
        return await this_loops_client().ask(command)

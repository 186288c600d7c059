"""Whatever Redis answers instead of what was asked: try again in a moment, never an empty session or a traceback."""

import asyncio
import socketserver
import threading

import hiredis
import pytest
from django.contrib.auth import SESSION_KEY
from django.http import HttpResponse
from redis.exceptions import ReadOnlyError

from webapp.sessions.connection import SessionsUnavailable, connection, door, forget
from webapp.sessions.middleware import SessionMiddleware
from webapp.sessions.store import SessionStore, index_key, redis_key

ERRORS = [
    b"-LOADING Redis is loading the dataset in memory\r\n",
    b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    b"-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.\r\n",
    b"-READONLY You can't write against a read only replica.\r\n",
    b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n",
    b"-NOREPLICAS Not enough good replicas to write.\r\n",
    b"-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n",
    b"-CLUSTERDOWN The cluster is down\r\n",
    b"-NOAUTH Authentication required.\r\n",
    b"-NOPERM this user has no permissions to run the 'get' command\r\n",
    b"-ERR max number of clients reached\r\n",
    b"HTTP/1.1 400 Bad Request\r\n",
    b"",  # the connection is closed without a word
]


class Stub(socketserver.ThreadingTCPServer):
    """A server that greets as Redis does and then has one answer to everything."""

    daemon_threads = True

    def __init__(self, answer):
        self.answer, self.connections = answer, 0
        super().__init__(("127.0.0.1", 0), Talk)


class Talk(socketserver.BaseRequestHandler):
    """One connection to it."""

    def handle(self):
        self.server.connections += 1
        reader = hiredis.Reader()
        while data := self.request.recv(65536):
            reader.feed(data)
            while command := reader.gets():
                if command[0] not in (b"AUTH", b"SELECT", b"CLIENT"):
                    if not self.server.answer:
                        return
                    self.request.sendall(self.server.answer)
                else:
                    self.request.sendall(b"+OK\r\n")


@pytest.fixture
def stub(settings):
    """Gives a server with this answer, which the sessions are asked of while the test lasts."""
    servers = []

    def stub(answer):
        server = Stub(answer)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        url = f"redis://127.0.0.1:{server.server_address[1]}/0"
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"redis_url": url})
        forget()
        return server

    yield stub
    forget()
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def request_of(rf, settings):
    """Gives a request that brings the cookie of a session."""

    def request_of(key="a" * 32):
        request = rf.get("/")
        request.COOKIES[settings.SESSION_COOKIE_NAME] = key
        return request

    return request_of


def write(request):
    request.session["fruit"] = "pear"
    return HttpResponse("done")


async def awrite(request):
    await request.session.aset("fruit", "pear")
    return HttpResponse("done")


@pytest.mark.parametrize("answer", ERRORS, ids=lambda answer: answer[:12].decode())
def test_no_error_of_redis_is_taken_for_an_empty_session(stub, answer):
    stub(answer)
    with pytest.raises(SessionsUnavailable):
        SessionStore("a" * 32).load()
    with pytest.raises(SessionsUnavailable):
        asyncio.run(SessionStore("a" * 32).aload())
    with pytest.raises(SessionsUnavailable):
        SessionStore().create()


@pytest.mark.parametrize("answer", ERRORS, ids=lambda answer: answer[:12].decode())
def test_who_begins_to_write_meanwhile_is_told_when_to_come_back_and_gets_no_cookie(stub, request_of, rf, answer):
    stub(answer)
    for page in (SessionMiddleware(write)(rf.get("/")), asyncio.run(SessionMiddleware(awrite)(rf.get("/")))):
        assert (page.status_code, page["Retry-After"], dict(page.cookies)) == (503, "5", {})


@pytest.fixture
def stored():
    """A signed-in session."""
    session = SessionStore()
    session.update({"fruit": "apple", SESSION_KEY: "7"})
    session.save()
    return session


def replica(become):
    """Make Redis a replica of a server that is not there, which takes no writes, or what it was."""
    connection().execute_command("REPLICAOF", *(("127.0.0.1", "1") if become else ("NO", "ONE")))


def numbers():
    """Of the connections of sessions and all else."""
    return {client["id"] for client in connection().client_list() if client["name"] == "hydra-web"}


def test_after_a_failover_a_replica_is_read_is_no_place_to_write_and_is_left(stored, request_of):
    forget()
    others = numbers() if connection().ping() else set()
    idle = [door().pool.get_connection() for _ in range(3)]
    for each in idle:
        each.connect()
    for each in idle:
        door().pool.release(each)
    ours = numbers() - others
    replica(True)
    try:
        assert SessionStore(stored.session_key)["fruit"] == "apple"
        page = SessionMiddleware(write)(request_of(stored.session_key))
        assert (page.status_code, page["Retry-After"], dict(page.cookies)) == (503, "5", {})
    finally:
        replica(False)
    # Where the name leads by now is found out by connecting anew.
    assert (len(ours), ours & numbers()) == (3, set())
    assert SessionMiddleware(write)(request_of(stored.session_key)).status_code == 200
    assert SessionStore(stored.session_key)["fruit"] == "pear"


def test_so_does_the_client_for_all_else():
    forget()
    number = connection().client_id()
    replica(True)
    try:
        with pytest.raises(ReadOnlyError):
            connection().set("fruit", "apple")
    finally:
        replica(False)
    assert connection().set("fruit", "apple")
    assert connection().client_id() != number


def test_so_do_coroutines(stored, request_of):
    async def visits():
        await SessionStore(stored.session_key).aload()
        ours = numbers()
        replica(True)
        try:
            assert await SessionStore(stored.session_key).aget("fruit") == "apple"
            page = await SessionMiddleware(awrite)(request_of(stored.session_key))
            assert (page.status_code, dict(page.cookies)) == (503, {})
        finally:
            replica(False)
        assert (await SessionMiddleware(awrite)(request_of(stored.session_key))).status_code == 200
        return len(ours & numbers()) < len(ours)

    assert asyncio.run(visits())


def test_what_is_of_another_kind_under_the_key_of_a_session_is_treated_as_absent_and_let_be(stored, caplog):
    key = redis_key(stored.session_key)
    connection().delete(key)
    connection().rpush(key, "somebody else's")
    for load in (lambda session: session.load(), lambda session: asyncio.run(session.aload())):
        again = SessionStore(stored.session_key)
        assert (load(again), again.session_key) == ({}, None)
    assert "is none" in caplog.text
    assert connection().lrange(key, 0, -1) == [b"somebody else's"]


def test_a_list_of_sessions_that_redis_has_evicted_is_written_again(stored):
    connection().delete(index_key("7"))
    stored["fruit"] = "pear"
    stored.save()
    assert connection().hlen(index_key("7")) == 1
    connection().delete(index_key("7"))
    stored.note_seen()
    assert connection().hlen(index_key("7")) == 1
    assert 0 < connection().ttl(index_key("7")) <= stored.remaining()


@pytest.mark.parametrize("protocol", [2, 3])
def test_either_protocol_may_be_asked_for_in_the_url(stored, settings, protocol):
    url = f"{settings.ENVIRONMENT.redis_url}?protocol={protocol}"
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"redis_url": url})
    forget()
    try:
        session = SessionStore(stored.session_key)
        session["fruit"] = "pear"
        session.save()
        assert asyncio.run(SessionStore(stored.session_key).aget("fruit")) == "pear"
    finally:
        forget()


def test_a_session_of_a_megabyte_comes_back(stored):
    stored["fruit"] = "x" * 1_000_000
    stored.save()
    assert len(SessionStore(stored.session_key)["fruit"]) == 1_000_000
    assert len(asyncio.run(SessionStore(stored.session_key).aget("fruit"))) == 1_000_000

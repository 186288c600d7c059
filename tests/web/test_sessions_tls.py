"""Redis over TLS, for threads and for coroutines: its certificate and its name are checked."""

import asyncio

import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.web.servers import Port, succeeds
from webapp.sessions.connection import SessionsUnavailable, forget
from webapp.sessions.store import SessionStore


@pytest.fixture
def over_tls(servers, settings):
    """A second Redis that speaks nothing but TLS; what is given lets the settings name it by a host and a CA."""
    folder, port = servers.folder, Port().give()
    configuration = folder / "redis-tls.conf"
    configuration.write_text(
        f"bind 127.0.0.1 127.0.0.2\nport 0\ntls-port {port}\nsave ''\ndir {folder}\ntls-auth-clients no\n"
        f"tls-cert-file {folder}/server.pem\ntls-key-file {folder}/server.key\ntls-ca-cert-file {folder}/ca.pem\n"
        f"requirepass {servers.environment['REDIS_PASSWORD']}\n"
    )

    def named(host="127.0.0.1", trusted=True):
        url = f"rediss://{host}:{port}/1" + (f"?ssl_ca_certs={folder}/ca.pem" if trusted else "")
        settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(update={"redis_url": url})
        forget()
        return url

    client = Redis.from_url(named(), password=servers.environment["REDIS_PASSWORD"])
    process = servers.run("redis-tls", "redis-server", str(configuration))
    servers.wait("redis-tls", lambda: succeeds(client.ping, RedisError))
    client.close()
    yield named
    process.kill()
    process.wait()
    forget()


async def make_and_read():
    session = SessionStore()
    await session.aset("fruit", "apple")
    await session.asave()
    return await SessionStore(session.session_key).aload()


def test_sessions_are_kept_and_read(over_tls):
    session = SessionStore()
    session["fruit"] = "apple"
    session.save()
    assert asyncio.run(SessionStore(session.session_key).aload()) == {"fruit": "apple"}
    assert asyncio.run(make_and_read()) == {"fruit": "apple"}


@pytest.mark.parametrize("wrong", [{"host": "127.0.0.2"}, {"trusted": False}], ids=["another name", "another CA"])
def test_a_server_that_is_not_the_one_meant_is_not_talked_to(over_tls, wrong):
    over_tls(**wrong)
    with pytest.raises(SessionsUnavailable, match="certificate"):
        SessionStore().create()
    with pytest.raises(SessionsUnavailable, match="certificate"):
        asyncio.run(SessionStore().acreate())

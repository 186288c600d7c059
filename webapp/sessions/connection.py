"""The one pool of Redis connections of a process."""

import functools
import os

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

TIMEOUT = 0.5  # seconds, to connect and for each answer: a page must not hang on a server that does


class SessionsUnavailable(Exception):
    """Redis did not answer, or would not take what we gave it; nothing is known about the session."""


@functools.cache
def connection() -> Redis:
    """A client that threads may share. A connection found closed is opened anew once; a silent server is not."""
    environment = settings.ENVIRONMENT
    return Redis.from_url(
        environment.redis_url,
        password=environment.redis_password.get_secret_value(),
        socket_connect_timeout=TIMEOUT,
        socket_timeout=TIMEOUT,
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        client_name="hydra-web",
    )


# A child of a fork must not talk on its parent's sockets.
os.register_at_fork(after_in_child=connection.cache_clear)

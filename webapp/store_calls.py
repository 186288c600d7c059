"""How each store's client is made to tell the metrics of its calls."""

import time

from redis import Redis
from redis.client import Pipeline

from webapp.metrics import measured, note_call

STATEMENTS = {"select", "insert", "update", "delete", "replace", "savepoint", "release", "rollback", "set", "show"}
BEGAN = "hydra-began"


def measure_mysql(connection, **_) -> None:
    """From now on every statement of this connection of Django's is measured; once is enough."""
    if time_statement not in connection.execute_wrappers:
        connection.execute_wrappers.append(time_statement)


def time_statement(execute, sql, params, many, context):
    """Django's wrapper around a statement; it is called by its first word."""
    word = str(sql).lstrip("( ").partition(" ")[0].lower()
    with measured("mysql", word if word in STATEMENTS else "other"):
        return execute(sql, params, many, context)


def measure_simpledb(client):
    """Have every request of a boto3 client measured; returns the client."""
    events = client.meta.events
    events.register("before-call", note_begin)
    events.register("after-call", note_answer)
    events.register("after-call-error", note_failure)
    return client


def note_begin(context, **_) -> None:
    """A request is about to be sent."""
    context[BEGAN] = time.perf_counter()


def note_answer(parsed, context, event_name, **_) -> None:
    """It was answered, perhaps with a refusal."""
    note_request(context, event_name, parsed.get("Error", {}).get("Code", ""))


def note_failure(exception, context, event_name, **_) -> None:
    """It was not."""
    note_request(context, event_name, type(exception).__name__)


def note_request(context: dict, event_name: str, error: str) -> None:
    """One request ended; the event is called after-call.simpledb.GetAttributes, say."""
    note_call("simpledb", event_name.rpartition(".")[2], time.perf_counter() - context[BEGAN], error)


class MeasuredPipeline(Pipeline):
    """A pipeline that is measured as one call: it is one round trip."""

    def execute(self, raise_on_error=True):
        with measured("redis", "pipeline"):
            return super().execute(raise_on_error)


class MeasuredRedis(Redis):
    """A client whose commands are measured, each by its own name: there are as many as our code uses."""

    def execute_command(self, *args, **options):
        with measured("redis", str(args[0]).lower()):
            return super().execute_command(*args, **options)

    def pipeline(self, transaction=True, shard_hint=None):
        return MeasuredPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)

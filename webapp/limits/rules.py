"""What is limited, and how: a rule for each act, meters for whom it is counted by."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from django.utils.crypto import salted_hmac
from redis.exceptions import RedisError

from webapp.limits.addresses import client_address
from webapp.limits.devices import device, remember
from webapp.limits.errors import TooManyAttempts
from webapp.limits.scripts import SETTLE, TAKE
from webapp.outage import store_away
from webapp.sessions.connection import SessionsUnavailable, connection
from webapp.users.shards import InvalidName, canonical

KNOWN = 90 * 24 * 3600  # seconds an address stays known for a name after a success

# What the meters are kept under; the number of a meter is its place here.
ADDRESS, PAIR, NAME = 1, 2, 3
KINDS = {ADDRESS: "address", PAIR: "pair", NAME: "name"}


@dataclass(frozen=True)
class Meter:
    """`free` tries at once; before each further one a pause, `first` seconds, `factor` times longer each time, at most
    `longest`. One try is forgotten every `leak` seconds.
    """

    free: int
    first: float
    factor: float
    longest: float
    leak: float

    def numbers(self) -> list[float]:
        """As the script takes them: times in milliseconds."""
        return [self.free, self.first * 1000, self.factor, self.longest * 1000, self.leak * 1000]


NEVER = Meter(free=10**9, first=0, factor=1, longest=0, leak=1)


@dataclass(frozen=True)
class Rule:
    """One act, counted by address, by name and address together, and by name from everywhere.

    `clock` gives milliseconds; 0 is the time of Redis.
    """

    act: str
    address: Meter
    pair: Meter = NEVER
    name: Meter = NEVER
    clock: Callable[[], int] = lambda: 0

    @contextmanager
    def attempt(self, request, name: str = "") -> Iterator["Attempt"]:
        """Count a try, or raise TooManyAttempts. Raises SessionsUnavailable when Redis is away.

        What ends because a store is away was no try. Whoever got in says so: `attempt.succeeded()`.
        """
        attempt = self.take(client_address(request), name, device(request, digest(folded(name))) if name else "")
        try:
            yield attempt
        except Exception as error:
            if store_away(error):
                with suppress(SessionsUnavailable):
                    attempt.undo()
            raise

    def take(self, address: str, name: str = "", device: str = "") -> "Attempt":
        """As attempt, without a request; `device` is what a browser has that the name's owner signed in by."""
        keys = self.keys(address, name, device)
        meters = [self.address, self.pair, self.name][: len(keys) - 1]
        numbers = [number for meter in meters for number in meter.numbers()]
        excused = (-NAME if device else NAME) if len(keys) > NAME else 0
        wait = run(TAKE, keys, [self.clock(), excused, *numbers])
        if wait:
            raise TooManyAttempts(wait / 1000)
        return Attempt(keys)

    def keys(self, address: str, name: str, device: str = "") -> list[str]:
        """Where it is counted: no name and no address can be read from them."""
        both = f"{address} {folded(name)}"
        by = f"device {device} {folded(name)}" if device else both
        texts = {ADDRESS: address} | ({PAIR: by, NAME: folded(name)} if name else {})
        marked = f"limit:{self.act}:known:{digest(both)}"
        return [marked, *(f"limit:{self.act}:{KINDS[kind]}:{digest(text)}" for kind, text in texts.items())]

    def know(self, request, name: str) -> None:
        """Whoever is here has proved to be who he says, by other means."""
        Attempt(self.keys(client_address(request), name)).succeeded()

    @staticmethod
    def remember(request, response, name: str) -> None:
        """Whoever gets this answer has proved it: let his browser show that, wherever it is next time."""
        remember(request, response, digest(folded(name)))


@dataclass(frozen=True)
class Attempt:
    """A try that was counted."""

    keys: list[str]

    def succeeded(self) -> None:
        """Forget the tries at this name from this address, which is known from now on; elsewhere, this one alone.

        One's own success thus gives nobody further tries at the names of others.
        """
        run(SETTLE, self.keys, [PAIR, KNOWN])

    def undo(self) -> None:
        """As if it had not been."""
        run(SETTLE, self.keys, [0, 0])


def run(script: str, keys: list[str], arguments: list) -> int | None:
    """One script in Redis. Raises SessionsUnavailable."""
    redis = connection()
    try:
        return redis.register_script(script)(keys=keys, args=arguments)
    except RedisError as error:
        raise SessionsUnavailable(str(error)) from error


def digest(text: str) -> str:
    """What stands for a name or an address in Redis. Keyed, since there are few enough of both to try them all."""
    return salted_hmac("webapp.limits", text, algorithm="sha256").hexdigest()[:32]


def folded(name: str) -> str:
    """A name in the form in which SimpleDB looks for it; what can be nobody's as it is."""
    try:
        return canonical(name)
    except (InvalidName, AttributeError, TypeError):
        return ascii(name)


# An office behind one address may mistype sixty times; a guesser there gets ten names a minute.
GUESSES = Meter(free=60, first=6, factor=1, longest=6, leak=6)
ONE_PLACE = Meter(free=5, first=1, factor=2, longest=900, leak=3600)
EVERYWHERE = Meter(free=20, first=1, factor=2, longest=60, leak=60)

SIGN_IN = Rule("sign-in", GUESSES, ONE_PLACE, EVERYWHERE)
# A password asked for again of somebody who is signed in already.
CONFIRM = Rule("confirm", GUESSES, ONE_PLACE, EVERYWHERE)
SIGN_UP = Rule("sign-up", Meter(free=30, first=60, factor=1, longest=60, leak=60))
# By the address a mail goes to. Whoever is kept waiting by others has had their mails.
RESET = Rule(
    "reset",
    Meter(free=20, first=60, factor=1, longest=60, leak=60),
    name=Meter(free=3, first=60, factor=2, longest=3600, leak=3600),
)
# By the address too, and apart: nobody's mails for a new password shall wait for these.
NEW_ADDRESS = replace(RESET, act="new-address")

"""Whatever the order in which clients of two generations of the shard map call: a name stays one account."""

import pytest

from tests.web.interleaving import Domains, Stage
from webapp.users.account import following
from webapp.users.calls import Calls
from webapp.users.errors import Changed
from webapp.users.mover import Mover
from webapp.users.records import Records, Taken
from webapp.users.shardmap import MOVING, SWEEPING, ShardMap
from webapp.users.slots import new_closed, new_copy, new_gone, new_moved, plain

PREFIX = "u"
NAME = "bob"  # his hash is even in 4 bits and odd in the fifth: he goes from u-08 to u-18 when 16 shards become 32
LOW, HIGH = "u-08", "u-18"

BEFORE = ShardMap(16, 16)
FORWARD = ShardMap(16, 32, generation=1, division=1, phase=MOVING)
BACK = ShardMap(32, 16, generation=2, division=1, phase=MOVING)
AGAIN = ShardMap(16, 32, generation=3, division=1, phase=MOVING)
SWEPT_FORWARD = ShardMap(16, 32, generation=2, division=1, phase=SWEEPING)
SWEPT_BACK = ShardMap(32, 16, generation=3, division=1, phase=SWEEPING)
AFTER = ShardMap(32, 32, generation=3, division=1)
SEEDS = 40


class Cached:
    """A map that an actor holds, and the one he gets when he asks again."""

    def __init__(self, held: ShardMap, present: ShardMap):
        self.held, self.present = held, present

    def now(self):
        return self.held

    def newer(self, generation):
        self.held = self.present
        return self.held


class Play:
    """Actors on one name, by two generations that follow one another."""

    def __init__(self, seed: int, old: ShardMap, new: ShardMap, slots: dict[str, tuple[str, str]]):
        """`slots` are the versions and passwords in the two domains at the beginning."""
        domains = Domains()
        for home, (version, password) in slots.items():
            said = {"version": version} if version else {}
            domains.items[home, NAME] = {"name": NAME, "password": password, **said}
        self.stage = Stage(seed, domains)
        self.old, self.new = old, new
        self.history = []  # (version before, version after) of each write that succeeded; "" stands for no account
        self.readings = []  # (began, ended, version read)
        self.writings = []  # (began, ended, version written)

    def records(self, *, late: bool) -> Records:
        maps = Cached(self.old if late else self.new, self.new)
        return Records(Calls(self.stage.client(), sleep=lambda _: None), maps, PREFIX)

    def create(self, late):
        def act():
            version = following("")
            try:
                records.create(NAME, {"name": NAME, "password": "made", "version": version})
            except Taken:
                return
            self.history.append(("", version))

        records = self.records(late=late)
        return act

    def change(self, late):
        def act():
            for _ in range(2):
                slot = records.get(NAME)
                if slot is None:
                    continue
                version = following(plain(slot.text))
                began = next(self.stage.clock)
                try:
                    records.replace(NAME, slot.home, slot.text, {"password": "changed", "version": version})
                except Changed:
                    continue
                self.writings.append((began, next(self.stage.clock), version))
                self.history.append((plain(slot.text), version))

        records = self.records(late=late)
        return act

    def delete(self, late):
        def act():
            slot = records.get(NAME)
            if slot is None:
                return
            try:
                records.delete(NAME, slot.home, slot.text)
            except Changed:
                return
            self.history.append((plain(slot.text), ""))

        records = self.records(late=late)
        return act

    def read(self, late):
        def act():
            for _ in range(3):
                began = next(self.stage.clock)
                slot = records.get(NAME)
                self.readings.append((began, next(self.stage.clock), slot and plain(slot.text)))

        records = self.records(late=late)
        return act

    def move(self):
        """A mover of the new generation, who comes twice."""

        def act():
            for _ in range(2):
                mover.move({NAME: mover.records.slot(here, NAME)})

        here, there = self.new.places(NAME, PREFIX)
        mover = Mover(self.records(late=False), self.new, here, there)
        return act

    def end(self) -> str | None:
        """The account's version at the end, which both generations see."""
        seen = []
        self.stage.call = lambda operation, parameters: getattr(self.stage.domains, operation)(**parameters)
        for late in (False, True):
            slot = self.records(late=late).get(NAME)
            seen.append(slot and plain(slot.text))
        assert seen[0] == seen[1]
        return seen[0]


def chain(history: list, first: str) -> list[str]:
    """The versions in the order of their life; fails when two writes were based on one version."""
    creations = [after for before, after in history if before == ""]
    follows = {before: after for before, after in history if before != ""}
    assert len(follows) + len(creations) == len(history), f"two writes on one version: {history}"
    lives, rest = [], list(creations)
    version = first
    while True:
        lives.append(version)
        if version != "":
            if version not in follows:
                break
            version = follows[version]
        elif rest:
            version = rest.pop(0)
        else:
            break
    return lives


def starts():
    """Where the account may be, in every pair of generations that can meet, and who may be at work then."""
    v = following("")
    live_low, live_high = {LOW: (v, "x")}, {HIGH: (v, "x")}
    moved = {LOW: (new_moved(1, v), "x"), HIGH: (new_copy(1, v), "x")}
    written = {LOW: (new_moved(1, v), "x"), HIGH: (following(v), "y")}
    copied = {LOW: (v, "x"), HIGH: (new_copy(1, v), "x")}
    deleted = {LOW: (new_moved(1, v), "x"), HIGH: (new_gone(), "")}
    dead_copy = {LOW: (new_gone(), ""), HIGH: (new_copy(1, v), "x")}
    late_copy = {HIGH: (new_copy(1, v), "x")}
    returned = {LOW: (new_copy(1, v), "x"), HIGH: (new_moved(2, v), "x")}
    yield "told", BEFORE, FORWARD, {}, False
    yield "told", BEFORE, FORWARD, live_low, False
    for slots in ({}, live_low, copied, moved, written, deleted, dead_copy, late_copy):
        yield "forward", FORWARD, FORWARD, slots, True
        yield "turned", FORWARD, BACK, slots, False
        yield "back", BACK, BACK, slots, True
    yield "returned", BACK, BACK, returned, True
    closed = {LOW: (new_closed(1), ""), HIGH: (new_closed(2), "")}
    live_again = {LOW: (following(v), "y"), HIGH: (new_moved(2, v), "x")}
    for slots in ({}, live_low, returned, closed, live_again):
        yield "turned again", BACK, AGAIN, slots, False
        yield "forward again", AGAIN, AGAIN, slots, True
    for slots in ({}, moved, written, deleted):
        yield "swept", FORWARD, SWEPT_FORWARD, slots, False
    for slots in ({}, live_high):
        yield "after", SWEPT_FORWARD, AFTER, slots, False
    for slots in ({}, live_low, returned):
        yield "swept back", BACK, SWEPT_BACK, slots, False


STARTS = list(starts())
NAMES = [f"{number} {start[0]}" for number, start in enumerate(STARTS)]


@pytest.mark.parametrize(("old", "new", "slots", "moving"), [start[1:] for start in STARTS], ids=NAMES)
def test_a_name_stays_one_account_in_every_order_of_calls(old, new, slots, moving):
    """Every write that succeeded followed the one before it, none was lost, and all see the last one."""
    for seed in range(SEEDS):
        first = Play(seed, old, new, slots).end()
        play = Play(seed, old, new, slots)
        acts = [
            play.create(True),
            play.create(False),
            play.change(True),
            play.change(False),
            play.delete(seed % 2 == 0),
        ]
        play.stage.play(*acts, *([play.move(), play.move()] if moving else []))
        last = play.end()
        lives = chain(play.history, first or "")
        assert len(lives) == len(play.history) + 1, (seed, play.history)
        assert lives[-1] == (last or ""), (seed, play.history, play.stage.domains.items)


@pytest.mark.parametrize(("old", "new", "slots", "moving"), [start[1:] for start in STARTS], ids=NAMES)
def test_whoever_reads_finds_the_account_as_it_was_last_written_before(old, new, slots, moving):
    first = Play(0, old, new, slots).end()
    for seed in range(SEEDS):
        play = Play(seed, old, new, slots)
        acts = [play.read(True), play.read(False), play.change(True), play.change(False)]
        play.stage.play(*acts, *([play.move()] if moving else []))
        if first is None:
            assert {version for _, _, version in play.readings} == {None}
            continue
        order = {version: number for number, version in enumerate(chain(play.history, first))}
        for began, _, version in play.readings:
            written = [order[other] for _, ended, other in play.writings if ended < began]
            assert order[version] >= max(written, default=0), (seed, play.history)


UNVERSIONED = {LOW: ("", "x")}  # as a client leaves it that knows of no versions


def test_what_has_no_version_moves_like_all_else_and_keeps_what_was_last_written():
    for seed in range(SEEDS):
        play = Play(seed, FORWARD, FORWARD, UNVERSIONED)
        play.stage.play(play.change(True), play.change(False), play.create(False), play.move(), play.move())
        last = play.end()
        account = play.records(late=False).get(NAME)
        written = [version for _, _, version in play.writings]
        assert account.home == HIGH, (seed, play.stage.domains.items)
        assert dict(account.pairs)["password"] == ("changed" if written else "x"), (seed, play.history)
        assert not written or last in written, (seed, play.history)


def test_what_has_no_version_is_deleted_once_while_it_moves():
    for seed in range(SEEDS):
        play = Play(seed, FORWARD, FORWARD, UNVERSIONED)
        play.stage.play(play.delete(False), play.delete(True), play.move(), play.move())
        deleted = [before for before, after in play.history if after == ""]
        assert len(deleted) <= 1 and (play.end() is None) == bool(deleted), (seed, play.stage.domains.items)


def test_what_has_no_version_is_deleted_where_nothing_moves():
    play = Play(0, BEFORE, BEFORE, UNVERSIONED)
    play.stage.play(play.delete(False))
    assert play.end() is None and play.stage.domains.items == {}

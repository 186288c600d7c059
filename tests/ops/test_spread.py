"""`sdb.status`: users, bytes and evenness of each shard, and what should be done about them."""

import json
from types import SimpleNamespace

import pytest

from fabfile import sdb
from fabfile.engine.errors import Refusal
from fabfile.localcloud import daemon
from fabfile.spread import BYTES, PAIRS, Shard, show, state_of, summary, warnings
from webapp.users.division import Division
from webapp.users.shardmap import ShardMap
from webapp.users.shards import shard


def status(stage, capsys, shards=None):
    capsys.readouterr()
    sdb.status.body(stage.run(shards), json=True)
    return json.loads(capsys.readouterr().out)


def lines(stage, capsys, monkeypatch, columns, shards=None):
    monkeypatch.setenv("COLUMNS", str(columns))
    capsys.readouterr()
    sdb.status.body(stage.run(shards))
    return capsys.readouterr().out.splitlines()


def told(found, shard_map=None, said=4):
    """The warnings about these shards, where stages.py says `said`."""
    shard_map = shard_map or ShardMap(4, 4)
    stage = SimpleNamespace(name="live", resources=(sdb.Shards("live-users", said),))
    return [*warnings(stage, found, shard_map, summary(found, shard_map))]


def test_users_are_counted_without_the_claims_to_their_addresses(rehearse, capsys):
    stage = rehearse(4).made().with_users(10, "{0}@example.org")
    seen = status(stage, capsys)
    assert (seen["users"], seen["addresses"], seen["items"]) == (10, 10, 20)
    assert sum(shard["users"] for shard in seen["shards"]) == 10
    assert seen["bytes"] > 1000 and seen["pairs"] > 100
    assert seen["skew"] == max(shard["users"] for shard in seen["shards"]) / 2.5
    assert seen["map"]["state"] == "4 shards, never divided" and seen["warnings"] == []


def test_after_a_division_the_shard_map_counts_whatever_stages_says(rehearse, capsys):
    stage = rehearse(4).made().with_users(10).divided(8)
    for said in (4, 8):
        seen = status(stage, capsys, said)
        assert (len(seen["shards"]), seen["users"]) == (8, 10)
        assert seen["map"]["state"].startswith("8 shards, generation 3 since 20")
    assert status(stage, capsys, 4)["warnings"] == ["the shard map says 8 and stages.py says 4: write 8 there"]


def test_missing_domains_are_told_of(rehearse, capsys):
    stage = rehearse(4).made()
    stage.world.client("sdb").delete_domain(DomainName=f"{stage.prefix}-02")
    seen = status(stage, capsys)
    assert [shard["state"] for shard in seen["shards"]] == ["there", "there", "missing", "there"]
    (warning,) = seen["warnings"]
    assert warning.startswith(f"1 of 4 domains are missing ({stage.prefix}-02)")


def test_a_stage_without_domains_is_told_how_to_make_them(rehearse, capsys):
    stage = rehearse(4)
    (warning,) = status(stage, capsys)["warnings"]
    assert warning.endswith(f"make them with `fab {stage.name} create_user_domains`")


def test_a_shard_that_cannot_be_read_hides_no_other(rehearse, cloud, capsys):
    stage = rehearse(4).made().with_users(10)
    capsys.readouterr()
    fault = {"service": "sdb", "action": "DomainMetadata", "domain": f"{stage.prefix}-03", "code": "AccessDenied"}
    daemon.ask(cloud.found, "POST", "/_local/faults", json.dumps(fault))
    try:
        with pytest.raises(Refusal, match="1 of 4 shards could not be read: .*AccessDenied"):
            sdb.status.body(stage.run(), json=True)
    finally:
        daemon.ask(cloud.found, "DELETE", "/_local/faults")
    shards = json.loads(capsys.readouterr().out)["shards"]
    assert [shard["state"] for shard in shards] == ["there", "there", "there", "unknown"]


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
def test_the_table_is_as_wide_as_the_terminal_at_most(rehearse, capsys, monkeypatch, columns):
    stage = rehearse(4).made().with_users(10)
    seen = lines(stage, capsys, monkeypatch, columns)
    table = seen[: 1 + 4 + 1]
    assert all(len(line) < columns for line in table)
    assert "users" in table[0]
    assert columns not in (40, 120, 200) or ("pairs" in table[0]) == (columns >= 120)
    assert any("█" in line for line in table)


def test_no_colour_where_nobody_watches(rehearse, capsys, monkeypatch):
    assert "\033" not in "".join(lines(rehearse(4).made().with_users(3), capsys, monkeypatch, 100))


def test_nobody_is_no_division_by_zero(capsys):
    empty = [Shard(f"live-users-0{number}") for number in range(4)]
    show(empty, summary(empty, ShardMap(4, 4)) | {"warnings": []})
    assert "0 users in 4 domains\n" in capsys.readouterr().out
    assert told(empty) == []


class TestWarnings:
    def even(self, **last):
        shards = [Shard(f"live-users-0{number}", users=500) for number in range(3)]
        return [*shards, Shard("live-users-03", **({"users": 500} | last))]

    def test_even_shards_with_room_need_nothing(self):
        assert told(self.even()) == []

    def test_a_domain_above_seven_tenths_of_its_bytes_is_to_be_divided(self):
        assert told(self.even(bytes=int(0.7 * BYTES))) == []
        (warning,) = told(self.even(bytes=int(0.72 * BYTES)))
        assert warning == "live-users-03 is at 72% of 10 GB: divide the shards with `fab live sdb.reshard 8`"

    def test_so_is_one_above_seven_tenths_of_its_pairs(self):
        assert "is at 90% of 1 billion pairs" in told(self.even(pairs=int(0.9 * PAIRS)))[0]

    def test_a_fullest_shard_far_above_the_mean_is_told_of(self):
        (warning,) = told(self.even(users=900))
        assert warning.startswith("live-users-03 holds 1.50 times the mean")

    def test_what_chance_does_among_a_thousand_users_is_not_told_of(self):
        assert (
            told([Shard(f"live-users-{n:02x}", users=82 if n == 3 else 62) for n in range(16)], ShardMap(16, 16), 16)
            == []
        )

    def test_few_users_are_uneven_by_chance(self):
        assert told([Shard("live-users-00", users=90), *(Shard(f"live-users-0{n}") for n in (1, 2, 3))]) == []

    def test_users_on_their_way_are_uneven_and_that_is_no_fault(self):
        moving = ShardMap(4, 8, 2, phase="moving", since="2030-01-01T00:00:00Z")
        found = [Shard(f"live-users-0{number}", users=500 if number < 4 else 1) for number in range(8)]
        assert told(found, moving) == []


class TestTheMapsState:
    def moving(self, before, after, phase="moving"):
        return ShardMap(before, after, 2, phase=phase, since="2030-01-01T00:00:00Z")

    def test_how_far_the_users_are_on_the_way_up(self):
        found = [Shard("a", users=55, addresses=20, moved=25), Shard("b", users=20, addresses=5)]
        told = "moving 1 -> 2, 25 accounts and addresses handed over, about 50% of those that move; generation 2 since"
        assert state_of(found, self.moving(1, 2)).startswith(told)

    def test_how_far_they_are_on_the_way_back(self):
        found = [Shard("a", users=75), Shard("b", users=25, moved=25)]
        assert "25 accounts and addresses handed over, about 50% of" in state_of(found, self.moving(2, 1))

    def test_what_is_left_behind_is_being_removed(self):
        assert "all users have moved" in state_of([], self.moving(1, 2, "sweeping"))

    def test_half_of_the_way_is_seen_in_real_shards(self, rehearse, capsys):
        stage = rehearse(4).made().with_users(40, "{0}@example.org")
        items = [text for number in range(40) for text in (f"user-{number}", f"{number}@example.org")]
        going = sum(shard(item, 8) >= 4 for item in items)
        # Each is copied and then handed over, so that nearly all have been by then.
        division = Division(stage.store(), pace=stop_after(2 * going - 5), settling=0)
        with pytest.raises(Stopped):
            division.run(8)
        seen = status(stage, capsys)
        state = seen["map"]["state"]
        assert state.startswith("moving 4 -> 8, ") and len(seen["shards"]) == 8
        assert going - 5 <= int(state.split()[4]) <= going
        assert seen["warnings"] == []


class Stopped(Exception):
    """The division is ended where it is."""


def stop_after(writes):
    """A pace that ends the division at that write."""
    left = iter(range(writes))

    def pace(domain):
        if next(left, None) is None:
            raise Stopped

    return pace

"""The number of shards in stages.py against that by which the users lie: nobody is lost by changing a number."""

import json
from dataclasses import replace

import pytest
from invoke.exceptions import Exit

from fabfile import stages, whole
from fabfile.deploy import Release
from fabfile.domains import accounts
from fabfile.engine.errors import Refusal
from fabfile.engine.plan import Seen, idle, walk
from fabfile.engine.stage import Stage, destroy, make
from fabfile.sdb import Domain, Shards, check, create
from webapp.users.errors import Unavailable
from webapp.users.shards import domains as names


def rows(capsys):
    return {row["resource"]: row for row in json.loads(capsys.readouterr().out)}


def test_a_new_stage_gets_its_domains_and_no_shard_map(rehearse):
    stage = rehearse(16)
    create.body(stage.run())
    assert stage.listed() == names(stage.prefix, 16)


def test_a_number_changed_in_stages_alone_is_refused_before_any_domain_is_made(rehearse, capsys):
    stage = rehearse(4).made().with_users(20)
    with pytest.raises(Refusal, match="1 failed, 8 not tried"):
        whole.up.body(stage.run(8))
    assert stage.listed() == names(stage.prefix, 4)
    told = f"The users of {stage.name} lie in 4 shards, and stages.py says 8"
    shown = capsys.readouterr().out
    assert told in shown and f"Write 4 there, and then run `fab {stage.name} sdb.reshard 8`" in shown


def test_a_smaller_number_is_refused_too_since_users_would_not_be_found(rehearse, capsys):
    stage = rehearse(4).made().with_users(20)
    with pytest.raises(Refusal, match="1 refused"):
        create.body(stage.run(2), plan=True)
    assert "lie in 4 shards, and stages.py says 2" in capsys.readouterr().out


def test_while_nobody_is_there_the_number_may_be_changed(rehearse):
    stage = rehearse(4).made()
    create.body(stage.run(8))
    assert stage.listed() == names(stage.prefix, 8)


def test_new_domains_that_are_there_already_do_not_hide_that_users_lie_otherwise(rehearse):
    stage = rehearse(4).made().with_users(20)
    for name in names(stage.prefix, 8)[4:]:
        stage.world.client("sdb").create_domain(DomainName=name)
    with pytest.raises(Refusal):
        create.body(stage.run(8))
    store = accounts(stage.run(8).config["stage"])
    assert [store.get(f"user-{number}") is None for number in range(20)] == [False] * 20


def test_an_interrupted_creation_is_finished(rehearse):
    stage = rehearse(4)
    stage.world.client("sdb").create_domain(DomainName=f"{stage.prefix}-02")
    create.body(stage.run())
    assert stage.listed() == names(stage.prefix, 4)


def test_an_application_told_of_too_many_shards_says_try_again_and_never_that_nobody_is_there(rehearse):
    stage = rehearse(4).made().with_users(20)
    store, refused = stage.store(8, sleep=lambda pause: None), 0
    for number in range(20):
        try:
            assert store.get(f"user-{number}")
        except Unavailable:
            refused += 1
    assert refused


def test_a_deploy_without_up_refuses_the_wrong_number(rehearse):
    stage = rehearse(4).made().with_users(20)
    release = replace(stages.LOCAL.of(Release)[0], user_domains=stage.prefix, user_shards=8)
    seen = Seen("there", release, {"sent": True, "needed": (), "shards": release.shards.look(stage.world)})
    with pytest.raises(Refusal, match="lie in 4 shards, and stages.py says 8"):
        walk(release.plan(seen), idle)


def test_the_application_is_told_the_number_of_stages():
    for stage in (stages.LIVE, stages.STAGING, stages.LOCAL):
        release, shards = stage.of(Release)[0], stage.of(Shards)[0]
        told = release.environment("us-west-2", "192.0.2.1", ("db", 3306))
        assert f"USER_DOMAINS={shards.name}\nUSER_SHARDS={shards.count}\n" in told


def test_two_numbers_in_one_stage_are_refused_before_anything_is_asked():
    changed = [replace(it, user_shards=32) if isinstance(it, Release) else it for it in stages.LOCAL.resources]
    with pytest.raises(Refusal, match="release local-web needs 32 shards of local-users, which is not listed"):
        Stage("local", "us-west-2", tuple(changed))


class TestOnceDivided:
    """Four shards became eight, by `sdb.reshard`."""

    @pytest.fixture
    def stage(self, rehearse):
        return rehearse(4).made().with_users(20).divided(8)

    def test_the_old_number_breaks_nothing_and_is_told_of(self, stage, capsys):
        before = stage.listed()
        whole.up.body(stage.run(4))
        whole.plan.body(stage.run(4))
        check.body(stage.run(4), json=True)
        assert stage.listed() == before
        shown, _, told = capsys.readouterr().out.partition("[")
        advice = "there are 8 shards by the shard map: write 8 in stages.py"
        assert shown.count(advice) == 2
        row = next(it for it in json.loads("[" + told) if it["resource"].startswith("4 shards"))
        assert (row["state"], row["detail"]) == ("drifted", advice)

    def test_the_new_number_is_as_wanted(self, stage, capsys):
        whole.plan.body(stage.run(8))
        capsys.readouterr()
        whole.status.body(stage.run(8), json=True)
        assert {row["state"] for row in rows(capsys).values()} == {"in place"}

    def test_a_number_ahead_of_the_shard_map_is_refused_again(self, stage, capsys):
        with pytest.raises(Refusal, match="1 failed, 16 not tried"):
            create.body(stage.run(16))
        assert f"`fab {stage.name} sdb.reshard 16`" in capsys.readouterr().out
        assert len(stage.listed()) == 8 + 1

    def test_everybody_is_found_by_either(self, stage):
        for shards in (4, 8):
            store = accounts(stage.run(shards).config["stage"])
            assert all(store.get(f"user-{number}") for number in range(20))

    def test_destroying_takes_the_map_and_the_domains_beyond_the_list_too(self, stage):
        destroy(stage.run(4))
        assert stage.listed() == []

    def test_a_destroying_that_was_cut_off_is_finished_by_the_next(self, stage):
        destroy(stage.run(4), Domain)
        destroy(stage.run(4))
        assert stage.listed() == []

    def test_what_no_shard_uses_is_told_of(self, stage, capsys):
        stage.world.client("sdb").create_domain(DomainName=f"{stage.prefix}-1f")
        whole.status.body(stage.run(8), json=True)
        assert rows(capsys)[f"8 shards of {stage.prefix}"]["detail"] == f"no shard uses {stage.prefix}-1f"


def test_destroying_what_was_never_divided_takes_away_the_domains_alone(rehearse, capsys):
    stage = rehearse(4).made().with_users(3)
    capsys.readouterr()
    destroy(stage.run(), json=True)
    assert stage.listed() == []
    steps = [step["says"] for row in rows(capsys).values() for step in row["steps"]]
    assert len(steps) == 4


def test_a_plan_of_making_makes_nothing(rehearse):
    stage = rehearse(4)
    with pytest.raises(Exit) as ended:
        make(stage.run(), Shards, Domain, plan=True)
    assert ended.value.code == 2 and stage.listed() == []

"""Taking a database down: what was precious leaves a last snapshot, also once its protection is lifted."""

from dataclasses import replace

import pytest

from fabfile import stages
from fabfile.database import Database
from fabfile.engine.errors import Refusal
from fabfile.engine.plan import Seen

from .resources import steps_of

WANT = next(want for want in stages.LIVE.resources if isinstance(want, Database))


def taken_down(want, resource="db-1", status="available"):
    return steps_of(want.teardown(Seen(want.name, WANT, {"status": status, "resource": resource})))


def test_a_protected_database_is_refused():
    with pytest.raises(Refusal, match="say protected=False in stages.py"):
        taken_down(WANT)


def test_once_unprotected_as_the_refusal_says_it_still_leaves_a_snapshot_and_its_backups():
    lift, settle, delete, _ = taken_down(replace(WANT, protected=False))
    assert lift.params["DeletionProtection"] is False
    assert settle.waiter == "database_settled", "a database that is being changed cannot be deleted"
    assert delete.params["FinalDBSnapshotIdentifier"].startswith("live-db-final-")
    assert delete.params["DeleteAutomatedBackups"] is False
    assert "SkipFinalSnapshot" not in delete.params


def test_two_databases_of_one_name_leave_two_snapshots():
    want = replace(WANT, protected=False)
    first, second = (taken_down(want, resource)[2].params["FinalDBSnapshotIdentifier"] for resource in ("db-1", "db-2"))
    assert first != second


def test_only_one_that_says_so_goes_without_a_trace():
    delete = taken_down(replace(WANT, protected=False, keep=False))[2]
    assert delete.params["SkipFinalSnapshot"] is True and delete.params["DeleteAutomatedBackups"] is True


def test_one_that_is_going_already_is_only_waited_for():
    (wait,) = taken_down(replace(WANT, protected=False), status="deleting")
    assert wait.waiter == "db_instance_deleted"

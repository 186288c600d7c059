"""Redis's files after a power cut: mended, a real Redis reads them, and nothing that was whole is gone."""

import os
import shutil

import pytest
from redis import Redis

from fabfile.onmachine.mend_aof import SECONDS, mend
from tests.web.durable import PASSWORD, DurableRedis

NAME = "appendonlydir/appendonly.aof.1.incr.aof"
NEXT = "appendonlydir/appendonly.aof.2.incr.aof"
HALF = b"*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$100\r\nit ends he"


@pytest.fixture
def redis(tmp_path):
    """A Redis that holds a hundred keys and does not run."""
    one = DurableRedis(tmp_path / "redis")
    one.start()
    write(one, 100)
    one.kill()
    yield one
    one.kill()


def write(redis, keys):
    client = Redis(port=redis.port, password=PASSWORD)
    for number in range(keys):
        client.set(f"key:{number}", number)
    client.close()


def held(redis):
    """How many keys it has, once it runs."""
    redis.start()
    return Redis(port=redis.port, password=PASSWORD).dbsize()


def refuses(redis):
    """Whether it will not start."""
    redis.remember()
    with pytest.raises(RuntimeError) as error:
        redis.start()
    redis.put_back()
    return "Bad file format" in str(error.value) or "is not the last file" in str(error.value)


def append(redis, name, data):
    with open(redis.folder / name, "ab") as file:
        file.write(data)


def follow(redis):
    """Another file comes after the first, as while Redis writes its files anew; it has one key more."""
    shutil.copy(redis.folder / NAME, redis.folder / NEXT)
    append(redis, NEXT, b"*3\r\n$3\r\nSET\r\n$4\r\nlate\r\n$1\r\n1\r\n")
    append(redis, "appendonlydir/appendonly.aof.manifest", b"file appendonly.aof.2.incr.aof seq 2 type i\n")


def test_files_that_are_whole_are_left_as_they_are(redis):
    before = (redis.folder / NAME).read_bytes()
    assert mend(redis.folder, 1) == []
    assert (redis.folder / NAME).read_bytes() == before and not (redis.folder / "cut").exists()
    follow(redis)
    assert mend(redis.folder, 1) == [] and held(redis) == 101


def test_there_need_be_no_files_yet(tmp_path):
    assert mend(tmp_path, 1) == []


@pytest.mark.parametrize("rest", [bytes(700), HALF + bytes(200), HALF], ids=["zeros", "half and zeros", "half"])
def test_what_is_no_whole_command_at_the_end_is_cut_off_and_kept(redis, rest):
    append(redis, NAME, rest)
    if rest != HALF:
        assert refuses(redis)
    (said,) = mend(redis.folder, 7)
    assert f"cut {len(rest)} bytes" in said
    assert (redis.folder / "cut" / "appendonly.aof.1.incr.aof.7").read_bytes() == rest
    assert held(redis) == 100


def test_what_came_after_a_gap_goes_too_so_that_all_is_of_one_moment(redis):
    follow(redis)
    append(redis, NAME, HALF)
    assert refuses(redis)
    after, before = mend(redis.folder, 7)
    assert NEXT in after and NAME in before
    assert held(redis) == 100


def test_killed_in_between_it_is_done_by_the_next_run(redis):
    follow(redis)
    append(redis, NAME, bytes(100))
    os.truncate(redis.folder / NEXT, 0)
    mend(redis.folder, 7)
    assert held(redis) == 100


def test_damage_that_a_power_cut_does_not_explain_is_left_to_people(redis):
    follow(redis)
    append(redis, NAME, HALF)
    os.utime(redis.folder / NEXT, times=(1, (redis.folder / NAME).stat().st_mtime + SECONDS + 5))
    before = (redis.folder / NEXT).read_bytes()
    (said,) = mend(redis.folder, 7)
    assert "left as it is" in said and (redis.folder / NEXT).read_bytes() == before

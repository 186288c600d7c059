"""The rule that gives every user a domain, for ever."""

import doctest
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.web.names import realistic
from webapp.users import shards
from webapp.users.shards import LIMIT, VECTORS, InvalidName, canonical, domain, domains, hash32, shard


@st.composite
def names(draw):
    text = draw(st.text(min_size=1, max_size=60))
    try:
        canonical(text)
    except InvalidName:
        return draw(st.sampled_from(VECTORS))
    return text


def test_the_documented_vectors_hold():
    assert doctest.testmod(shards) == (0, 1)


@given(names())
def test_a_canonical_name_is_its_own_canonical_name(name):
    assert canonical(canonical(name)) == canonical(name)


@given(names(), st.sampled_from([1, 2, 4, 8, 16, 32, 64, 128]))
def test_doubling_moves_a_name_to_its_shard_or_to_the_new_one_beside_it(name, count):
    assert shard(name, 2 * count) in (shard(name, count), shard(name, count) + count)


@given(names())
def test_every_name_has_one_of_the_domains(name):
    assert domain(name, "local-users", 16) in domains("local-users", 16)


def test_domains_are_numbered_in_two_hexadecimal_digits():
    assert domains("local-users", 16)[0] == "local-users-00"
    assert domains("local-users", 16)[-1] == "local-users-0f"


@pytest.mark.parametrize(("one", "other"), [("Alice", "aLICE"), ("ﬁn", "FIN"), ("é", "e\u0301"), ("Ω", "Ω")])
def test_spellings_of_one_name_fold_together(one, other):
    assert canonical(one) == canonical(other)
    assert hash32(one) == hash32(other)


@pytest.mark.parametrize(("one", "other"), [("i", "ı"), ("e", "é"), ("bob", "bob1"), ("a b", "ab")])
def test_different_names_stay_different(one, other):
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize("name", ["", "a\0b", "a\nb", "\ud800", "\U0010ffff", " bob", "bob ", "x" * (LIMIT + 1)])
def test_what_nobody_can_be_called_is_refused(name):
    with pytest.raises(InvalidName):
        canonical(name)


def test_the_limit_counts_bytes_of_both_forms():
    assert canonical("é" * (LIMIT // 2))
    with pytest.raises(InvalidName):
        canonical("é" * (LIMIT // 2 + 1))
    with pytest.raises(InvalidName):
        canonical("\ufdfa" * 100)  # 300 bytes as typed, 3,300 folded


def test_names_as_people_choose_them_fill_the_shards_evenly():
    stems = ["user{}", "{}@example.org", "kunde-{}", "山田{}", "Zoë.{}"]
    counts = [0] * 16
    for number in range(8_000):
        for stem in stems:
            counts[shard(stem.format(number))] += 1
    mean = sum(counts) / 16
    assert max(counts) < 1.1 * mean


def test_a_million_realistic_names_fill_the_shards_evenly():
    """The fullest of 16 shards holds at most 1.02 times the mean, of 64 at most 1.04 times."""
    hashes = [hash32(name) for name in realistic(1_000_000)]
    for count, most in ((16, 1.02), (64, 1.04)):
        held = Counter(number % count for number in hashes)
        assert len(held) == count
        assert max(held.values()) / (len(hashes) / count) <= most

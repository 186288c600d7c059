"""Whose keys are taken, and until when."""

import logging
from datetime import UTC, datetime, timedelta

import pytest

from fabfile.localcloud import memory
from fabfile.localcloud.cloud import Cloud
from fabfile.localcloud.credentials import SESSION, Credentials, scope
from fabfile.localcloud.place import Place

ROLE = "arn:aws:iam::123456789012:role/web"


class Clock:
    """A clock that a test sets."""

    def __init__(self):
        self.now = datetime.now(UTC)

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def credentials(tmp_path, clock):
    place = Place("test", tmp_path, tmp_path / "cache", 0)
    return Credentials(Cloud(place, memory.drivers(place), logging.getLogger("test"), clock))


def test_issued_keys_hold_for_their_time_and_no_longer(credentials, clock):
    keys = credentials.issue(ROLE, "i-1")
    ask = (keys.access_key_id, keys.session_token)
    assert credentials.refusal(*ask, "ssm") is None
    clock.now += timedelta(seconds=SESSION + 1)
    assert credentials.refusal(*ask, "ssm")[0] == "ExpiredTokenException"
    assert credentials.refusal(*ask, "ec2")[0] == "RequestExpired"


def test_issued_keys_need_their_token(credentials):
    keys = credentials.issue(ROLE, "i-1")
    assert credentials.refusal(keys.access_key_id, None, "ec2")[0] == "AuthFailure"
    assert credentials.refusal(keys.access_key_id, "another", "ec2")[0] == "AuthFailure"


def test_keys_that_have_ended_are_forgotten_when_new_ones_are_issued(credentials, clock):
    old = credentials.issue(ROLE, "i-1")
    clock.now += timedelta(seconds=SESSION + 1)
    credentials.issue(ROLE, "i-1")
    assert credentials.refusal(old.access_key_id, old.session_token, "sts")[0] == "InvalidClientTokenId"


def test_made_up_keys_are_taken_from_this_machine_alone(credentials):
    assert credentials.refusal("test", None, "ec2", here=True) is None
    assert credentials.refusal("test", None, "ec2", here=False)[0] == "AuthFailure"
    operator, _ = credentials.operator
    assert credentials.refusal(operator, None, "ec2", here=False) is None


def test_without_any_key_nobody_is_let_in(credentials):
    assert credentials.refusal(None, None, "ec2")[0] == "MissingAuthenticationToken"


@pytest.mark.parametrize(
    ("environ", "parameters", "found"),
    [
        (
            {"HTTP_AUTHORIZATION": "AWS4-HMAC-SHA256 Credential=K/20260101/us-west-2/ec2/aws4_request, Signature=0"},
            {},
            ("K", "us-west-2", "ec2"),
        ),
        ({}, {"X-Amz-Credential": "K/20260101/us-west-2/sts/aws4_request"}, ("K", "us-west-2", "sts")),
        ({}, {"AWSAccessKeyId": "K"}, ("K", None, None)),
        ({"HTTP_AUTHORIZATION": "Bearer K"}, {}, (None, None, None)),
    ],
)
def test_a_request_says_whose_it_is_and_for_what(environ, parameters, found):
    assert scope(environ, parameters) == found

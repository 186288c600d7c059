"""Whose keys the local cloud takes: its operator's, those it issued to machines, and made-up ones; never real ones."""

import re
import secrets
import string

from .cloud import ACCOUNT, REGION

REAL = re.compile(r"(AKIA|ASIA)[A-Z0-9]{16}")
EXAMPLE = "AKIAIOSFODNN7EXAMPLE"  # AWS's documentation prints it
SESSION = 6 * 3600  # seconds that a machine's keys hold, as on EC2
_LETTERS = string.ascii_uppercase + "234567"
_SCOPE = re.compile(r"Credential=([^/,\s]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
_SECOND = re.compile(r"AWS ([^:\s]+):")  # signature version 2 of S3, which no other service has in a header


def scope(environ, parameters):
    """(access key, region, service) that a request is signed with; None for what it does not say.

    `parameters` are those of its query and form, for signature version 2 and for signed URLs.
    """
    found = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
    if found:
        return found.groups()
    signed = re.fullmatch(r"([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request", parameters.get("X-Amz-Credential", ""))
    if signed:
        return signed.groups()
    if second := _SECOND.match(environ.get("HTTP_AUTHORIZATION", "")):
        return second[1], None, "s3"
    url_of_s3 = "Signature" in parameters and "Expires" in parameters and "Action" not in parameters
    return parameters.get("AWSAccessKeyId"), None, "s3" if url_of_s3 else None


class Credentials:
    """The keys that hold."""

    def __init__(self, cloud):
        self.cloud = cloud

    @property
    def operator(self):
        """(access key id, secret) for whoever runs this cloud; made once, kept with its state."""
        if "operator" not in self.cloud.keep:
            key = "LOCAL" + "".join(secrets.choice(_LETTERS) for _ in range(15))
            self.cloud.keep["operator"] = (key, secrets.token_urlsafe(30))
        return self.cloud.keep["operator"]

    def issue(self, role, session):
        """New session keys for a role (its ARN); `session` is the name AWS shows for it: the instance's id."""
        with self.cloud.change():
            backend = self._sessions()
            alive = [one for one in backend.assumed_roles if not self._expired(one)]
            backend.assumed_roles[:] = alive
            return backend.assume_role(
                region_name=REGION,
                role_session_name=session,
                role_arn=role,
                policy=None,
                duration=SESSION,
                external_id=None,
            )

    def refusal(self, key, token, service, here=True):
        """Why a request with this access key is not let in: (code, message, status), or None.

        `here` says that it comes from this machine itself: only there a made-up key will do. The cloud's machines need
        keys that were issued, as on AWS.
        """
        if not key:
            return "MissingAuthenticationToken", "Request is missing Authentication Token", 403
        session = self._sessions().get_assumed_role_from_access_key(key)
        if session:
            if self._expired(session):
                return _expired(service)
            return None if token == session.session_token else _unknown(service)
        made_up = here and (key == EXAMPLE or not REAL.fullmatch(key))
        if made_up or key == self.operator[0] or self._user(key):
            return None
        return _unknown(service)

    def _expired(self, session):
        expiration = session.expiration
        now = self.cloud.clock()
        return expiration <= (now if expiration.tzinfo else now.replace(tzinfo=None))

    @staticmethod
    def _sessions():
        from moto.sts import sts_backends

        return sts_backends[ACCOUNT]["aws"]

    @staticmethod
    def _user(key):
        """The IAM user whose access key it is (one made here with CreateAccessKey)."""
        from moto.iam import iam_backends

        return iam_backends[ACCOUNT]["aws"].get_user_from_access_key_id(key)


def _unknown(service):
    if service == "ec2":
        return "AuthFailure", "AWS was not able to validate the provided access credentials", 401
    if service in ("ssm", "secretsmanager", "kms", "tagging"):
        return "UnrecognizedClientException", "The security token included in the request is invalid.", 403
    if service in ("sdb", "s3"):
        code = "InvalidClientTokenId" if service == "sdb" else "InvalidAccessKeyId"
        return code, "The AWS Access Key Id you provided does not exist in our records.", 403
    return "InvalidClientTokenId", "The security token included in the request is invalid.", 403


def _expired(service):
    if service == "ec2":
        return "RequestExpired", "Request has expired.", 400
    if service == "s3":
        return "ExpiredToken", "The provided token has expired.", 400
    name = "ExpiredTokenException" if service in ("ssm", "secretsmanager", "kms", "tagging") else "ExpiredToken"
    return name, "The security token included in the request is expired", 403 if name == "ExpiredToken" else 400

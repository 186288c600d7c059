"""ClientToken: the same request with the same token makes one thing, however often it is sent."""

import hashlib
import json
from datetime import timedelta

LIFE = timedelta(days=2)  # AWS forgets them in time, too


def forget(cloud, result):
    """Let the tokens go that made `result`: it is described no more, so the same request may make a new one."""
    known = cloud.keep.setdefault("tokens", {})
    for key in [key for key, (_, made, _) in known.items() if made is result]:
        del known[key]


def once(cloud, operation, parameters, make, mismatch):
    """What `make()` returned for the request's ClientToken the first time; without a token, `make()`.

    `mismatch()` is raised when the token came before with other parameters.
    """
    parameters = json.loads(json.dumps(dict(parameters), default=str, sort_keys=True))
    token = parameters.pop("ClientToken", None)
    if not token or parameters.get("DryRun"):
        return make()
    known = cloud.keep.setdefault("tokens", {})
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()
    for key in [key for key, (_, _, since) in known.items() if cloud.clock() - since > LIFE]:
        del known[key]
    if (operation, token) in known:
        before, result, _ = known[operation, token]
        if before != digest:
            raise mismatch()
        return result
    result = make()
    known[operation, token] = (digest, result, cloud.clock())
    return result

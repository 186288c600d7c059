"""How what we make is known again: tags and tokens, derived from names alone. Tags are our only state."""

import hashlib

STAGE, NAME, HOST_KEY = "hydra:stage", "hydra:name", "hydra:host-key"


def stage_of(name):
    """The stage of a resource's name, which begins with it: "live-web" is of "live"."""
    return name.partition("-")[0]


def tags(name, **more):
    """AWS's list of tags for what carries this name."""
    pairs = {STAGE: stage_of(name), NAME: name, "Name": name, **more}
    return [{"Key": key, "Value": value} for key, value in pairs.items()]


def tagged(kind, name, **more):
    """The TagSpecifications of an EC2 create call, so that a thing is never there without its tags."""
    return [{"ResourceType": kind, "Tags": tags(name, **more)}]


def filters(name, **more):
    """The Filters of an EC2 describe call that find what carries this name; `more` adds filters, _ standing for -."""
    wanted = {f"tag:{NAME}": [name], f"tag:{STAGE}": [stage_of(name)]}
    wanted |= {key.replace("_", "-"): list(values) for key, values in more.items()}
    return [{"Name": key, "Values": values} for key, values in wanted.items()]


def tag(things, key):
    """The value of one tag in AWS's list of tags, or the empty text."""
    return next((pair["Value"] for pair in things or () if pair["Key"] == key), "")


def token(*parts):
    """A ClientToken: the same for the same parts, so that a call sent twice makes one thing. At most 64 characters."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:48]

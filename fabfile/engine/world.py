"""The edge: the one file that talks to AWS, to our machines and to this machine's files."""

import threading
import time
from contextlib import contextmanager
from pathlib import Path

from . import names
from .errors import Failure, Refusal
from .plan import unknowns
from .secret import Secret, revealed
from .steps import Call, Keygen, Script, Upload, Wait
from .waiters import OURS

READING = ("describe_", "get_", "list_", "select", "simulate_", "domain_metadata")
AGAIN_FOR = 90.0  # seconds for which a call is tried again whose error means "not yet"
BOOT = 180.0  # seconds a machine may take until its sshd answers


class World:
    """One stage's region and machines: `read`, `facts` and `host` look; `do` takes a step.

    `endpoint` and `credentials` (access key, secret key) are those of a local cloud; without them botocore finds
    its own, in the usual AWS places. `patience` scales the delays between looks while waiting.
    """

    def __init__(self, region, *, login="admin", key_file="", endpoint="", credentials=(), patience=1.0, clock=time):
        self.region, self.login, self.key_file = region, login, Path(key_file).expanduser()
        self.endpoint, self.credentials, self.patience, self.clock = endpoint, credentials, patience, clock
        self._clients, self._lock = {}, threading.RLock()
        self._connections = None

    # What AWS says

    def read(self, service, method, missing=(), **params):
        """Every page of one reading call; None if AWS answers with one of the error codes in `missing`."""
        if not method.startswith(READING):
            raise ValueError(f"{method} changes things: yield it from a plan as a Call")
        from botocore.exceptions import ClientError

        with said_plainly(f"{service} {method}", self.endpoint):
            client = self.client(service)
            try:
                if client.can_paginate(method):
                    return client.get_paginator(method).paginate(**params).build_full_result()
                return getattr(client, method)(**params)
            except ClientError as error:
                if error.response["Error"]["Code"] in missing:
                    return None
                raise

    def secret(self, id):
        """One secret of Secrets Manager as a Secret, or None if there is no such secret."""
        gone = ("ResourceNotFoundException", "InvalidRequestException")
        answer = self.read("secretsmanager", "get_secret_value", missing=gone, SecretId=id)
        return Secret(answer["SecretString"]) if answer else None

    def fetch(self, url):
        """The text at an https address; at the local cloud's endpoint, if there is one, the same path there."""
        from urllib.error import URLError
        from urllib.parse import urlsplit
        from urllib.request import urlopen

        if self.endpoint:
            url = self.endpoint.rstrip("/") + urlsplit(url).path
        try:
            with urlopen(url, timeout=20) as answer:
                return answer.read().decode()
        except (URLError, TimeoutError) as error:
            raise Failure(f"{url} does not answer ({error}): check this machine's way out and try again") from None

    def client(self, service, **config):
        """One client of a service, kept. Rooms want it only for the user store, which brings its own calls.

        `config`, options of botocore's Config in place of ours, makes a client of its own.
        """
        import boto3  # here, not above: `fab --list` should not pay for it
        from botocore.config import Config

        with self._lock:  # boto3's session may not make two clients at once
            if not self._clients:
                self._session = boto3.Session(region_name=self.region, **self._keys())
            key = (service, repr(config)) if config else service
            if key not in self._clients:
                # Who we are is asked first: where nobody answers, that is to be said at once and not after six tries.
                attempts = 2 if service == "sts" else 6
                ours = {"mode": "standard", "max_attempts": attempts}
                options = Config(**{"retries": ours, "connect_timeout": 10, "read_timeout": 60} | config)
                try:
                    client = self._session.client(service, endpoint_url=self.endpoint or None, config=options)
                except ValueError as error:  # botocore's word on an address that is none
                    raise Refusal(f"{error}: look at AWS_ENDPOINT_URL and at your AWS config file") from None
                self._clients[key] = client
            return self._clients[key]

    def _keys(self):
        if not self.endpoint:
            return {}
        refuse_elsewhere(self.endpoint)
        access, secret = self.credentials
        return {"aws_access_key_id": access, "aws_secret_access_key": secret}

    # What our machines say

    def host(self, machine):
        """How to reach the running machine of that name (an engine.hosts.Host), or None if none runs."""
        from .hosts import Host

        running = names.filters(machine, instance_state_name=["running"])
        answer = self.read("ec2", "describe_instances", Filters=running)
        found = [it for group in answer["Reservations"] for it in group["Instances"]]
        if not found:
            return None
        if len(found) > 1:
            ids = ", ".join(it["InstanceId"] for it in found)
            raise Refusal(f"{machine} is the name of {len(found)} running machines ({ids}): terminate all but one")
        it = found[0]
        address = it.get("PublicIpAddress") or it["PrivateIpAddress"]
        pinned = names.tag(it.get("Tags"), names.HOST_KEY)
        if not pinned:
            raise Refusal(
                f"{machine} has no pinned host key yet: pin it with `fab {names.stage_of(machine)} ec2.launch`"
            )
        return Host(machine, address, self.login, key_file=str(self.key_file), host_keys=(pinned,))

    def facts(self, machine, operations):
        """The outcome of looking at each operation on that machine, or None if no such machine runs."""
        host = self.host(machine)
        return self.connections.facts(host, operations, wait=BOOT) if host else None

    def run(self, machine, command, **options):
        """Run one command as root there and return its Result; a Refusal if no such machine runs."""
        return self.connections.run(self._running(machine), command, **options)

    def shell(self, machine, command=""):
        """Give this terminal to a shell (or to `command`, as root) on that machine; comes back when it ends."""
        import subprocess
        import tempfile

        host = self._running(machine)
        with tempfile.NamedTemporaryFile("w", prefix="hydra-known-hosts-") as known:
            known.writelines(f"{host.address} {key}\n" for key in host.host_keys)
            known.flush()
            options = [f"UserKnownHostsFile={known.name}", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes"]
            words = [word for option in options for word in ("-o", option)]
            target = [f"{host.user}@{host.address}", *([f"sudo {command}"] if command else [])]
            subprocess.run(["ssh", "-t", "-i", host.key_file, *words, *target], check=False)

    def _running(self, machine):
        host = self.host(machine)
        if not host:
            raise Refusal(f"{machine} does not run: launch it with `fab {names.stage_of(machine)} ec2.launch`")
        return host

    @property
    def connections(self):
        """The pool of SSH connections, opened on first use."""
        with self._lock:
            if self._connections is None:
                from .hosts import Connections

                self._connections = Connections()
            return self._connections

    # What we do

    def do(self, step):
        """Take one step for real and bring back its answer. Errors become a Failure that names the step."""
        known = unknowns(step)
        if known:
            raise Refusal(f"{step.says}: {known[0].what} is not known yet")
        with said_plainly(step.says, self.endpoint):
            match step:
                case Call():
                    return self._call(step)
                case Wait():
                    return self._wait(step)
                case Script():
                    return self._script(step)
                case Upload():
                    host = self._running(step.machine)
                    return self.connections.upload(host, step.source, step.target, owner=step.owner)
                case Keygen():
                    return keygen(Path(step.path).expanduser(), step.comment)

    def _call(self, step):
        import jmespath
        from botocore.exceptions import ClientError

        end, pause = self.clock.monotonic() + AGAIN_FOR, 0.5 * self.patience
        while True:
            try:
                answer = getattr(self.client(step.service), step.method)(**revealed(step.params))
                break
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code in step.already:
                    return None
                if code not in step.again or self.clock.monotonic() > end:
                    raise
            self.clock.sleep(pause)
            pause = min(pause * 1.6, 8.0)
        found = jmespath.search(step.returns, answer) if step.returns else None
        return Secret(found) if step.secret else found

    def _wait(self, step):
        own = OURS.get((step.service, step.waiter))
        client = self.client(step.service)
        if not own:
            waiter = client.get_waiter(step.waiter)
            delay, longest = waiter.config.delay, waiter.config.delay * waiter.config.max_attempts
            delay = min(delay, 10) * self.patience
            waiter.wait(**step.params, WaiterConfig={"Delay": delay, "MaxAttempts": int(longest / delay) + 1})
            return None
        method, check = own
        end = self.clock.monotonic() + 1800
        while (found := check(getattr(client, method)(**step.params))) is None:
            if self.clock.monotonic() > end:
                raise Failure(f"{step.says}: not so after 30 minutes; look at it in AWS's console and run this again")
            self.clock.sleep(3 * self.patience)
        return found

    def _script(self, step):
        outcomes = self.connections.apply(self._running(step.machine), step.operations, wait=BOOT)
        bad = [outcome for outcome in outcomes if outcome.state in ("failed", "refused", "needed")]
        if not bad:
            return outcomes
        # What was not tried only says that something else went wrong.
        first = next((outcome for outcome in bad if not outcome.detail.startswith("not tried")), bad[0])
        told = f"{step.machine}: {first.operation}: {first.detail or first.state}"
        raise Refusal(told) if first.state == "refused" else Failure(told)


@contextmanager
def said_plainly(doing, endpoint=""):
    """Turn what botocore raises into one Failure that says what we were doing, what happened and what to do next."""
    from botocore import exceptions as aws

    try:
        yield
    except aws.ClientError as error:
        code, text = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        raise Failure(f"{doing}: {text.rstrip('.') or 'refused'} ({code}){advice(code)}") from None
    except (aws.NoCredentialsError, aws.PartialCredentialsError, aws.CredentialRetrievalError):
        raise Failure(
            f"{doing}: no AWS credentials were found: name a profile in AWS_PROFILE, or run `aws configure`"
        ) from None
    except (
        aws.EndpointConnectionError,
        aws.ConnectionClosedError,
        aws.ConnectTimeoutError,
        aws.ReadTimeoutError,
    ) as error:
        where = getattr(error, "kwargs", {}).get("endpoint_url", endpoint or "AWS")
        next_step = (
            "start it with `fab local cloud.start`" if endpoint else "check this machine's way out, and run this again"
        )
        raise Failure(f"{doing}: {where} does not answer: {next_step}") from None
    except aws.WaiterError as error:
        raise Failure(f"{doing}: {error.kwargs.get('reason', error)}: look at it, and run this again") from None
    except aws.BotoCoreError as error:
        raise Failure(f"{doing}: {str(error).rstrip('.')}") from None


def advice(code):
    """What to do about an error of AWS's, as far as we know."""
    if code in ("AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch"):
        return ": these credentials are not valid there; check AWS_PROFILE or AWS_ACCESS_KEY_ID"
    if code in ("ExpiredToken", "ExpiredTokenException", "RequestExpired"):
        return ": your session has ended; sign in again, with `aws sso login` for instance"
    if code in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"):
        return ": your credentials may not do this; `fab STAGE iam` prints the policy that is needed"
    return ""


def refuse_elsewhere(endpoint):
    """A rehearsal can never touch a real account: a local endpoint has to be an address of this very machine."""
    import socket
    from urllib.parse import urlsplit

    host = urlsplit(endpoint).hostname or ""
    try:
        address = socket.getaddrinfo(host, None)[0][4][0]
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))  # only an own address can be bound
    except OSError:
        raise Refusal(f"{endpoint} is not on this machine: the stage `local` talks to this machine only") from None


def keygen(path, comment):
    """The public half of the ed25519 key at `path`, made there (0600) if there is none."""
    import subprocess

    public = path.with_name(path.name + ".pub")
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
    show = ["ssh-keygen", "-y", "-P", "", "-f", str(path)]
    told = {"check": True, "capture_output": True, "text": True, "stdin": subprocess.DEVNULL}
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            subprocess.run(make, **told)
        if not public.exists():
            public.write_text(subprocess.run(show, **told).stdout)
        return public.read_text().strip()
    except (OSError, subprocess.CalledProcessError) as error:
        why = str(getattr(error, "stderr", "") or error).strip()
        raise Failure(f"no key pair could be made or read at {path}: {why}") from None

"""The machines' metadata service (IMDSv2): each learns who it is, and its role's keys, by the address it asks from."""

import json
import secrets
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .cloud import ACCOUNT, REGION
from .credentials import SESSION
from .lifecycle import user_data

LONGEST = 21600  # seconds a token may live
FRESH = 900  # seconds before their end that a role's keys are made anew
TOKEN = "X-aws-ec2-metadata-token"
TTL = TOKEN + "-ttl-seconds"


class Metadata:
    """What is answered. `machine(address)` gives the instance that asks from there, or None."""

    def __init__(self, cloud, credentials, machine, clock=time.monotonic):
        self.cloud, self.credentials, self.machine, self.clock = cloud, credentials, machine, clock
        self.tokens, self.keys = {}, {}  # token: (address, end); (instance id, role): session

    def token(self, address, seconds):
        """A new token for the machine at `address`."""
        self.tokens = {token: held for token, held in self.tokens.items() if held[1] > self.clock()}
        token = secrets.token_urlsafe(40)
        self.tokens[token] = (address, self.clock() + seconds)
        return token

    def allowed(self, address, token):
        held = self.tokens.get(token)
        return bool(held) and held[0] == address and held[1] > self.clock()

    def page(self, instance, path):
        """The text at a path, or None if there is nothing."""
        if path == "/latest/user-data":
            return user_data(instance) or None
        if path.startswith("/latest/dynamic/instance-identity"):
            pages = {"document": lambda: json.dumps(self._identity(instance), indent=2)}
            return _find(pages, path.removeprefix("/latest/dynamic/instance-identity").strip("/"))
        if path.rstrip("/") == "/latest/meta-data" or path.startswith("/latest/meta-data/"):
            return _find(self._pages(instance), path.removeprefix("/latest/meta-data").strip("/"))
        return "meta-data\ndynamic\nuser-data" if path.rstrip("/") == "/latest" else None

    def _pages(self, instance):
        pages = {
            "ami-id": lambda: instance.image_id,
            "ami-launch-index": lambda: str(instance.ami_launch_index),
            "hostname": lambda: instance.private_dns_name,
            "instance-id": lambda: instance.id,
            "instance-type": lambda: instance.instance_type,
            "local-hostname": lambda: instance.private_dns_name,
            "local-ipv4": lambda: instance.private_ip,
            "placement/availability-zone": lambda: instance.availability_zone,
            "placement/region": lambda: REGION,
            "security-groups": lambda: "\n".join(group.name for group in instance.nics[0].group_set),
            "services/domain": lambda: "amazonaws.com",
            "services/partition": lambda: "aws",
        }
        if instance.public_ip:
            pages["public-ipv4"] = lambda: instance.public_ip
        key = instance.ec2_backend.key_pairs.get(instance.key_name)
        if key:
            pages["public-keys"] = lambda: f"0={key.key_name}"
            pages["public-keys/0"] = lambda: "openssh-key"
            pages["public-keys/0/openssh-key"] = lambda: key.public_key.strip()
        profile = self._profile(instance)
        if profile:
            pages["iam/info"] = lambda: json.dumps(_profile_info(self.cloud, profile))
            for role in profile.roles:
                pages[f"iam/security-credentials/{role.name}"] = lambda role=role: self._keys(instance, role)
        return pages

    def _profile(self, instance):
        association = instance.ec2_backend.iam_instance_profile_associations.get(instance.id)
        return association.iam_instance_profile if association else None

    def _keys(self, instance, role):
        """The role's keys: the same ones until they are about to end, so that clients may ask as often as they like."""
        session, made, since = self.keys.get((instance.id, role.arn), (None, 0, ""))
        if session is None or self.clock() - made > SESSION - FRESH:
            session, made = self.credentials.issue(role.arn, instance.id), self.clock()
            since = _stamp(self.cloud.clock())
            self.keys[instance.id, role.arn] = session, made, since
        return json.dumps(
            {
                "Code": "Success",
                "LastUpdated": since,
                "Type": "AWS-HMAC",
                "AccessKeyId": session.access_key_id,
                "SecretAccessKey": session.secret_access_key,
                "Token": session.session_token,
                "Expiration": _stamp(session.expiration),
            },
            indent=2,
        )

    def _identity(self, instance):
        return {
            "accountId": ACCOUNT,
            "architecture": "x86_64",
            "availabilityZone": instance.availability_zone,
            "imageId": instance.image_id,
            "instanceId": instance.id,
            "instanceType": instance.instance_type,
            "pendingTime": _stamp(instance.launch_time),
            "privateIp": instance.private_ip,
            "region": REGION,
            "version": "2017-09-30",
        }


def _find(pages, path):
    """The page at a path, or the list of what lies under it, as EC2 gives it; None if there is neither."""
    if path in pages:
        return pages[path]()
    under = path + "/" if path else ""
    names = {}
    for page in pages:
        if page.startswith(under):
            head, _, tail = page.removeprefix(under).partition("/")
            names[head] = names.get(head, False) or bool(tail)
    return "\n".join(name + "/" * folder for name, folder in sorted(names.items())) or None


def _profile_info(cloud, profile):
    return {
        "Code": "Success",
        "LastUpdated": _stamp(cloud.clock()),
        "InstanceProfileArn": profile.arn,
        "InstanceProfileId": profile.id,
    }


def _stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "EC2ws"
    sys_version = ""
    wbufsize = -1  # headers and body go out as one
    timeout = 30

    def do_PUT(self):
        address = self.client_address[0]
        if self._path() != "/latest/api/token":
            return self._say(HTTPStatus.METHOD_NOT_ALLOWED if self._machine() else HTTPStatus.NOT_FOUND)
        if self.headers.get("X-Forwarded-For"):
            return self._say(HTTPStatus.FORBIDDEN)  # an open proxy on the machine must not hand out its keys
        machine = self._machine()
        if machine is None or machine.metadata_options.http_endpoint == "disabled":
            return self._say(HTTPStatus.FORBIDDEN if machine else HTTPStatus.NOT_FOUND)
        seconds = self.headers.get(TTL, "")
        if not seconds.isdigit() or not 1 <= int(seconds) <= LONGEST:
            return self._say(HTTPStatus.BAD_REQUEST)
        self._say(HTTPStatus.OK, self.server.metadata.token(address, int(seconds)), {TTL: seconds})

    def do_GET(self):
        metadata, address = self.server.metadata, self.client_address[0]
        machine = self._machine()
        if machine is None:
            return self._say(HTTPStatus.NOT_FOUND)
        if machine.metadata_options.http_endpoint == "disabled":
            return self._say(HTTPStatus.FORBIDDEN)
        token = self.headers.get(TOKEN)
        if (token or machine.metadata_options.http_tokens == "required") and not metadata.allowed(address, token):
            return self._say(HTTPStatus.UNAUTHORIZED)
        with metadata.cloud.lock:
            page = metadata.page(machine, self._path())
        self._say(HTTPStatus.NOT_FOUND if page is None else HTTPStatus.OK, page or "")

    do_HEAD = do_GET

    def _path(self):
        return self.path.partition("?")[0]

    def _machine(self):
        with self.server.metadata.cloud.lock:
            return self.server.metadata.machine(self.client_address[0])

    def _say(self, status, text="", headers=None):
        body = text if isinstance(text, bytes) else text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format, *arguments):
        pass  # a machine's SDK asks for its keys every few minutes: not worth a line


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def serve(metadata, address, port):
    """The service, not yet running. OSError if the port is taken."""
    server = _Server((address, port), _Handler)
    server.metadata = metadata
    return server

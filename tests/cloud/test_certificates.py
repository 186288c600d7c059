"""The local cloud's authority: one for ever, and certificates that a strict client accepts."""

import contextlib
import socket
import ssl
import stat
import threading

import pytest
from cryptography.hazmat.primitives import hashes

from fabfile.localcloud.certificates import Authority, expires_soon

NAME = "local-db.abcdefghijkl.us-west-2.rds.localcloud.internal"


def handshake(authority, issued, folder, name, flags=ssl.VERIFY_X509_STRICT):
    """One real TLS handshake over loopback; returns the name verified, or raises as the client does."""
    (folder / "server.pem").write_text(issued.certificate + issued.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "server.pem")
    client = ssl.create_default_context(cadata=authority.pem)
    client.verify_flags |= flags

    def serve(end):
        with end, contextlib.suppress(OSError):  # the client's refusal is what the test looks at
            server.wrap_socket(end, server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far = listener.accept()[0]
    thread = threading.Thread(target=serve, args=(far,))
    thread.start()
    try:
        with client.wrap_socket(near, server_hostname=name) as secured:
            return secured.getpeercert()["subjectAltName"]
    finally:
        near.close()
        thread.join()


def test_a_client_accepts_the_endpoints_name_and_its_address(tmp_path):
    authority = Authority(tmp_path / "ca")
    issued = authority.issue([NAME, "localhost"], ["10.213.0.9"])

    for name in (NAME, "localhost", "10.213.0.9"):
        assert ("DNS", NAME) in handshake(authority, issued, tmp_path, name)


def test_a_client_refuses_another_name(tmp_path):
    authority = Authority(tmp_path / "ca")
    issued = authority.issue([NAME])

    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(authority, issued, tmp_path, "other-db.abcdefghijkl.us-west-2.rds.localcloud.internal")


def test_a_client_refuses_the_certificate_of_another_authority(tmp_path):
    issued = Authority(tmp_path / "one").issue([NAME])

    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(Authority(tmp_path / "two"), issued, tmp_path, NAME)


def test_the_authority_is_made_once(tmp_path):
    first = Authority(tmp_path / "ca")
    pem = first.pem

    assert Authority(tmp_path / "ca").pem == pem
    assert first.thumbprint == first.certificate.fingerprint(hashes.SHA1()).hex()


def test_only_its_owner_can_read_the_authoritys_key(tmp_path):
    Authority(tmp_path / "ca").issue([NAME])

    assert stat.S_IMODE((tmp_path / "ca" / "ca.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "ca").stat().st_mode) == 0o700


def test_a_key_does_not_show_itself(tmp_path):
    issued = Authority(tmp_path / "ca").issue([NAME])

    assert "PRIVATE" not in repr(issued)


def test_a_certificate_knows_when_it_ends_soon(tmp_path):
    issued = Authority(tmp_path / "ca").issue([NAME])

    assert not expires_soon(issued.certificate)
    assert expires_soon(issued.certificate, days=400)

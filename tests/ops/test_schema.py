"""The schema: whose certificates are believed, and what the statements say."""

import hashlib

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate

from fabfile.schema import Schema, thumbprints
from tests.web.certificates import write_certificates

WANT = Schema("live-schema", "live-db", "live-web", "live-mysql")
MASTER = {"username": "hydra_admin", "password": "master's secret"}


def test_each_certificate_of_a_bundle_has_its_thumbprint(tmp_path):
    write_certificates(tmp_path)
    pem = (tmp_path / "ca.pem").read_text()
    der = load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    assert list(thumbprints(pem + pem)) == [hashlib.sha1(der).hexdigest()] * 2


def test_the_application_gets_rights_on_its_own_schema_alone_and_only_over_tls():
    text = WANT.sql("db.example.org", 3306, MASTER)
    grants = [line for line in text.splitlines() if line.startswith("GRANT")]
    assert len(grants) == 1 and " ON `hydra`.* TO 'hydra'@'%'" in grants[0]
    assert "GRANT OPTION" not in text and "REQUIRE SSL" in text


def test_no_secret_stands_in_what_a_plan_shows():
    from fabfile.engine.secret import Secret

    operations = WANT.all(("db.example.org", 3306), Secret("app's secret"), "PEM", MASTER)
    assert "secret" not in "".join(map(repr, operations)).replace("secret=True", "")

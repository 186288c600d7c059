"""The certificate authority of one local cloud, and the server certificates it signs."""

import datetime
import ipaddress
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

IDENTIFIER = "rds-ca-rsa2048-g1"  # what AWS calls the authority of this kind
AUTHORITY_YEARS = 10
SERVER_DAYS = 397  # the longest a client of today accepts without a word

_making = threading.Lock()


@dataclass(frozen=True)
class Issued:
    """One server certificate with its key, both PEM."""

    certificate: str
    key: str = field(repr=False)


class Authority:
    """One CA, made in `folder` on first use and the same for ever: `ca.pem` to give away, `ca.key` (0600) to keep."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    @property
    def pem(self) -> str:
        """The CA's certificate, for whoever verifies a server."""
        self._ensure()
        return (self.folder / "ca.pem").read_text()

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.pem.encode())

    @property
    def thumbprint(self) -> str:
        """SHA-1 of the certificate, in hex, as DescribeCertificates gives it."""
        return self.certificate.fingerprint(hashes.SHA1()).hex()

    def issue(self, names=(), addresses=()) -> Issued:
        """A new key and a certificate for it, good for each of these DNS names and IP addresses."""
        authority = self.certificate
        authority_key = serialization.load_pem_private_key((self.folder / "ca.key").read_bytes(), None)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        now = _now()
        alternatives = [x509.DNSName(name) for name in names]
        alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        common = next(iter(names), None) or str(next(iter(addresses)))
        builder = (
            _builder(key, _subject(common[:64]), authority.subject, now, now + datetime.timedelta(days=SERVER_DAYS))
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True, key_encipherment=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
        )
        signed = builder.sign(authority_key, hashes.SHA256())
        return Issued(signed.public_bytes(serialization.Encoding.PEM).decode(), _private(key))

    def _ensure(self):
        with _making:
            if not (self.folder / "ca.pem").exists():
                self._make()

    def _make(self):
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        now = _now()
        subject = _subject("Hydra local cloud RDS root CA")
        builder = (
            _builder(key, subject, subject, now, now + datetime.timedelta(days=365 * AUTHORITY_YEARS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(key_cert_sign=True, crl_sign=True, digital_signature=True), critical=True)
        )
        signed = builder.sign(key, hashes.SHA256())
        # The certificate comes last: where it stands, its key does too, whenever we were killed.
        write_private(self.folder / "ca.key", _private(key))
        write_private(self.folder / "ca.pem", signed.public_bytes(serialization.Encoding.PEM).decode(), 0o644)


def write_private(path: Path, text: str, mode=0o600) -> None:
    """Write a file whole or not at all; nobody else can read it for a moment, unless `mode` lets them."""
    scratch = path.with_name(path.name + ".new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
    scratch.chmod(mode)
    scratch.replace(path)


def expires_soon(pem: str, days=30) -> bool:
    """Whether this certificate ends within so many days."""
    end = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
    return end - _now() < datetime.timedelta(days=days)


def _now():
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def _subject(common):
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Hydra"), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


def _builder(key, subject, issuer, start, end):
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - datetime.timedelta(minutes=5))  # a client's clock may be a little behind
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(**granted):
    every = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign"
        " encipher_only decipher_only"
    )
    return x509.KeyUsage(**{name: granted.get(name, False) for name in every.split()})


def _private(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()

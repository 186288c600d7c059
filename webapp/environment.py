"""What the application must be told, by environment variables and systemd credentials, with types and limits."""

import os
import re
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import Field, FilePath, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent

MAIL_PORTS = {"smtp": 587, "smtps": 465}  # TLS begun by STARTTLS, and TLS from the first byte
LOOPBACK = ("localhost", "127.0.0.1", "::1")  # a mail server on this machine needs no TLS

WORDS = {"missing": "missing", "string_pattern_mismatch": "it is not in the form that is shown there"}

Words = Annotated[tuple[str, ...], NoDecode]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode]


@dataclass(frozen=True)
class Mail:
    """How mail is sent, in the words of Django's settings; what a backend does not use is empty."""

    backend: str
    folder: str = ""
    host: str = ""
    port: int = 0
    user: str = ""
    starttls: bool = False
    tls: bool = False


class Part(BaseSettings):
    """Fields that belong together: each is an environment variable of the same name in capitals.

    A secret may instead be a file of that name in $CREDENTIALS_DIRECTORY, where systemd puts a unit's credentials.
    A variable wins over a file; an empty variable counts as missing.
    """

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True)

    @classmethod
    def found(cls, **given) -> Self:
        """What this process is told; what is `given` wins. Raises pydantic's ValidationError."""
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        return cls(_secrets_dir=credentials if credentials and Path(credentials).is_dir() else None, **given)


class RedisPart(Part):
    """How Redis is reached."""

    redis_url: str
    redis_password: SecretStr = SecretStr("")

    @field_validator("redis_url")
    @classmethod
    def _no_password_inside(cls, value: str) -> str:
        url = urlsplit(value)
        sane = has_sane_port(url) and re.fullmatch(r"/?\d*", url.path)
        if url.scheme not in ("redis", "rediss") or not url.hostname or not sane:
            raise ValueError("write it as redis://HOST:6379/0, or rediss:// for TLS")
        if url.password:
            raise ValueError("leave the password out: it belongs into REDIS_PASSWORD")
        return value


class AccountsPart(Part):
    """Where the accounts are."""

    aws_region: str = Field(pattern=r"^[a-z0-9-]+$")
    user_domains: str = Field(pattern=r"^[a-zA-Z0-9_.-]{1,252}$")
    user_shards: int = Field(16, ge=1, le=256)


class ProxiesPart(Part):
    """What stands before us."""

    trusted_proxies: int = Field(0, ge=0, le=8)


class Environment(RedisPart, AccountsPart, ProxiesPart):
    """All of it; `environment.example` describes each. Another project that uses our sessions needs a part alone."""

    secret_key: SecretStr = Field(min_length=50)
    secret_key_fallbacks: Secrets = ()
    public_url: str
    allow_http: bool = False
    allowed_hosts: Words = ()
    static_root: Path = ROOT / "build" / "static"

    mysql_host: str
    mysql_port: int = Field(3306, ge=1, le=65535)
    mysql_database: str
    mysql_user: str
    mysql_password: SecretStr
    mysql_ca: FilePath
    mysql_max_age: int = Field(60, ge=0, le=3600)  # seconds

    redis_password: SecretStr  # here it is no choice

    exact_names: bool = True

    email_url: str = "console:"
    email_password: SecretStr = SecretStr("")
    email_from: str = Field("", pattern=r"^([^\r\n]+@[^\r\n]+)?$")

    bind: str = "127.0.0.1:8000"
    workers: int = Field(2, ge=1, le=64)

    @field_validator("allowed_hosts", "secret_key_fallbacks", mode="before")
    @classmethod
    def _split(cls, value):
        return value.replace(",", " ").split() if isinstance(value, str) else value

    @field_validator("public_url")
    @classmethod
    def _whole_url(cls, value: str) -> str:
        url = urlsplit(value)
        more = url.path.strip("/") or url.query or url.fragment or "@" in url.netloc
        if url.scheme not in ("http", "https") or not url.hostname or more or not has_sane_port(url):
            raise ValueError("write it as https://www.example.org, with no path")
        return f"{url.scheme}://{url.netloc}"

    @field_validator("mysql_ca")
    @classmethod
    def _certificates_inside(cls, value: Path) -> Path:
        try:
            ssl.create_default_context(cafile=value)
        except ssl.SSLError:
            raise ValueError("there is no certificate in this file") from None
        except OSError as error:
            raise ValueError(f"the file cannot be read: {error.strerror}") from None
        return value

    @field_validator("email_url")
    @classmethod
    def _known_way_to_send(cls, value: str) -> str:
        url = urlsplit(value)
        if url.password:
            raise ValueError("leave the password out: it belongs into EMAIL_PASSWORD")
        if not (
            value == "console:"
            or (url.scheme == "file" and not url.netloc and url.path.startswith("/"))
            or (url.scheme in MAIL_PORTS and url.hostname and not url.path.strip("/") and has_sane_port(url))
        ):
            raise ValueError("write it as smtp://USER@HOST:587, smtps://USER@HOST:465, file:///FOLDER or console:")
        return value

    @model_validator(mode="after")
    def _http_only_on_purpose(self) -> Self:
        if not self.https and not self.allow_http:
            raise ValueError("PUBLIC_URL is not https://; for a stage on this machine alone set ALLOW_HTTP=true")
        return self

    @property
    def https(self) -> bool:
        """True when browsers reach us by TLS; everything about cookies and redirects follows from it."""
        return self.public_url.startswith("https://")

    @property
    def hosts(self) -> list[str]:
        """The host names we answer to: the public one and any others that were named."""
        return [urlsplit(self.public_url).hostname, *self.allowed_hosts]

    @property
    def secrets(self) -> list[str]:
        """Every secret, for whoever has to see to it that none is shown."""
        one = [self.secret_key, self.mysql_password, self.redis_password, self.email_password]
        return [secret.get_secret_value() for secret in [*one, *self.secret_key_fallbacks] if secret]

    @property
    def mail(self) -> Mail:
        """How mail is sent."""
        url = urlsplit(self.email_url)
        if url.scheme not in MAIL_PORTS:
            kind = {"console": "console", "file": "filebased"}[url.scheme]
            return Mail(f"django.core.mail.backends.{kind}.EmailBackend", folder=url.path)
        return Mail(
            backend="webapp.mail.BackgroundSMTP",
            host=url.hostname,
            port=url.port or MAIL_PORTS[url.scheme],
            user=unquote(url.username or ""),
            starttls=url.scheme == "smtp" and url.hostname not in LOOPBACK,
            tls=url.scheme == "smtps",
        )

    @classmethod
    def read(cls) -> Self:
        """The environment of this process; ends the process with one message naming all that is wrong with it."""
        try:
            return cls.found()
        except ValidationError as error:
            sys.exit(explain(error, "The application cannot start; its environment needs:"))


def has_sane_port(url: SplitResult) -> bool:
    """Whether the port of this URL is a number that a port can have, or not said."""
    try:
        return url.port != 0
    except ValueError:
        return False


def explain(error: ValidationError, opening: str) -> str:
    """One line for each name that is missing or wrong, never with its value."""
    lines = [opening]
    for problem in error.errors(include_input=False, include_url=False):
        name = "_".join(str(part) for part in problem["loc"][:1]).upper()
        words = WORDS.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
        lines.append(f"  {name}: {words}" if name else f"  {words}")
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and not Path(credentials).is_dir():
        lines.append(f"  CREDENTIALS_DIRECTORY: there is no folder {credentials}")
    lines.append(f"{Path(__file__).with_name('environment.example')} describes every name.")
    return "\n".join(lines)

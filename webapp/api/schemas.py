"""What clients send and get."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field, SecretStr, StringConstraints

from webapp.api.models import DEVICE_LENGTH
from webapp.api.tokens import DAYS, MOST_DAYS
from webapp.users.names import NAME_LENGTH

Password = Annotated[SecretStr, Field(max_length=4096)]
# What the form says of these, which it says with all else that is wrong, is told here and left to it.
LEAST = 10  # characters of a password
NEW_PASSWORD = {"minLength": LEAST}
NEW_NAME = {"minLength": 1, "maxLength": NAME_LENGTH}
Device = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=DEVICE_LENGTH, pattern=r"^[^\x00-\x1f\x7f]+$"),
]


class Sent(Schema):
    """A body; a field that does not exist is a mistake and not ignored."""

    model_config = ConfigDict(extra="forbid")


class NewAccount(Sent):
    name: str = Field(
        max_length=1024,
        json_schema_extra=NEW_NAME,
        description=f"At most {NAME_LENGTH} letters, digits and @ . + - _",
    )
    password: Password = Field(
        json_schema_extra=NEW_PASSWORD,
        description=f"At least {LEAST} characters; none too common or like the name",
    )
    email: str = Field("", max_length=1024, description="Without one a forgotten password cannot be replaced")


class NewToken(Sent):
    name: str = Field(max_length=1024, description="As at sign-up")
    password: Password
    device: Device = Field(description="What its owner will know it by: `Zoë's phone`")
    days: int = Field(DAYS, ge=1, le=MOST_DAYS, description="How long it counts")


class NewEmail(Sent):
    email: str = Field(max_length=1024, description="Empty for none")
    password: Password


class NewPassword(Sent):
    password: Password = Field(description="The present one")
    new_password: Password = Field(json_schema_extra=NEW_PASSWORD, description="As at sign-up")


class Confirmation(Sent):
    password: Password


class AccountOut(Schema):
    name: str
    email: str
    created: datetime
    last_sign_in: datetime | None = Field(description="To within the hour")


class TokenOut(Schema):
    id: UUID
    device: str
    created: datetime
    expires: datetime
    last_used: datetime | None = Field(description="To within five minutes")
    current: bool = Field(description="Whether it is the one this was asked with")


class TokenMade(Schema):
    id: UUID
    token: str = Field(description="Shown this once; send it as `Authorization: Bearer TOKEN`")
    device: str
    created: datetime
    expires: datetime

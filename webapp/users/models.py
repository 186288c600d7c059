"""The user's row in MySQL: what other tables point to. Who he is and his password are in SimpleDB."""

from contextlib import suppress
from datetime import datetime

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import PermissionsMixin
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.core.validators import validate_email
from django.db import DatabaseError, models, transaction
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

from webapp.users import accounts
from webapp.users.account import Account, moment, timestamp
from webapp.users.fields import AccountField
from webapp.users.lookups import UserQuerySet
from webapp.users.names import check_address_free, check_free, check_name
from webapp.users.shards import InvalidName
from webapp.users.store import Changed, StoreError

COLUMN_LENGTH = 255  # characters; other clients of SimpleDB may give longer names than we do


class UserManager(DjangoUserManager.from_queryset(UserQuerySet)):
    """Finds and makes rows; a user made here gets his account in SimpleDB first.

    `create_user` and its kin raise NameTaken, EmailTaken, InvalidName, Unavailable. Without a password nobody can sign
    in.
    """

    use_in_migrations = False

    # In an error report Django's own would show the password that they are given.
    create_user = sensitive_variables()(DjangoUserManager.create_user)
    acreate_user = sensitive_variables()(DjangoUserManager.acreate_user)
    create_superuser = sensitive_variables()(DjangoUserManager.create_superuser)
    acreate_superuser = sensitive_variables()(DjangoUserManager.acreate_superuser)
    _create_user = sensitive_variables()(DjangoUserManager._create_user)
    _acreate_user = sensitive_variables()(DjangoUserManager._acreate_user)

    @sensitive_variables()
    def _create_user_object(self, username, email, password, **fields):
        if not username:
            raise InvalidName("a name must not be empty")
        name = self.model.normalize_username(username)
        user = self.model(username=name, email=self.normalize_email(email), **fields)
        user.set_password(password)
        return user

    def for_account(self, account: Account) -> "User | None":
        """The row of this account, made now if he is here for the first time; None for a name no row can hold."""
        if len(account.name) > COLUMN_LENGTH:
            return None
        user = self.filter(account_id=account.id).first() or self._first_seen(account)
        user.account = account
        return user

    def _first_seen(self, account: Account) -> "User":
        with transaction.atomic(using=self.db):
            self.free_name(account)
            return self.get_or_create(account_id=account.id, defaults={"username": account.name})[0]

    def free_name(self, account: Account) -> None:
        """Take the name from the row of an earlier account that had it; inside a transaction."""
        namesake = self.select_for_update().filter(username=account.name).exclude(account_id=account.id).first()
        if namesake:
            namesake.retire()

    def get_by_natural_key(self, username):
        """The user of exactly this name. A text that can be nobody's name is asked of no database."""
        if not accounts.is_text(username):
            raise self.model.DoesNotExist
        return super().get_by_natural_key(username)

    async def aget_by_natural_key(self, username):
        """As get_by_natural_key."""
        return await sync_to_async(self.get_by_natural_key)(username)


class RowManager(UserManager):
    """What Django uses where it names no manager: ModelBackend asks it for a row to check a password, and a row knows
    none. Without this each sign-in that our own backend refused would be tried, read and hashed a second time.
    """

    def get_by_natural_key(self, username):
        """The row alone, which no password opens."""
        user = super().get_by_natural_key(username)
        user.row_alone = True
        return user


class User(AbstractBaseUser, PermissionsMixin):
    """One user of this application. `password`, `email` and `last_login` are his account's, read when asked for.

    Setting them and `save`, Django's way, writes to the account; nothing of it is stored here. `is_active` locks him
    out of this application only, the account's own flag locks him out everywhere. `delete` deletes the account too.
    """

    # Compared byte for byte, as SimpleDB does: MySQL's usual collations take `alice`, `ALICE` and `alicé` for one.
    username = models.CharField(max_length=COLUMN_LENGTH, unique=True, db_collation="utf8mb4_bin")
    account_id = models.CharField(max_length=32, unique=True, editable=False)
    is_active = models.BooleanField("active here", default=True)
    is_staff = models.BooleanField("staff", default=False)
    first_seen = models.DateTimeField(auto_now_add=True)

    rows = RowManager()  # the first is Django's default
    objects = UserManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["email"]

    row_alone = False
    _encoded = None
    _email = None
    _last_login = None
    _stored_name = None
    _stored_active = None

    @classmethod
    def from_db(cls, *args):
        """A user as his row says; the name is remembered, since it is not to change."""
        user = super().from_db(*args)
        user._stored_name = user.__dict__.get("username")
        user._stored_active = user.__dict__.get("is_active")
        return user

    @property
    def account(self) -> Account | None:
        """The account behind this row as it was when first asked for, or None when it has been deleted."""
        if "account" not in self.__dict__:
            self.__dict__["account"] = self._read_account() if self.account_id else None
        return self.__dict__["account"]

    @account.setter
    def account(self, account: Account) -> None:
        self.__dict__["account"] = account

    def _read_account(self) -> Account | None:
        found = accounts.find(self._stored_name or self.username)
        return found if found and found.id == self.account_id else None

    @sensitive_variables()
    def _read_password(self) -> str:
        if self._password is not None and self._encoded is None:
            self._encoded = make_password(self._password)
        if self._encoded is not None:
            return self._encoded
        return self.account.password if self.account else "!"

    def _note_password(self, encoded: str) -> None:
        self._password, self._encoded = None, encoded

    def _read_email(self) -> str:
        if self._email is not None:
            return self._email
        return self.account.email if self.account else ""

    def _note_email(self, email: str | None) -> None:
        self._email = email or ""

    def _read_last_login(self) -> datetime | None:
        if self._last_login is not None:
            return self._last_login
        return moment(self.account.last_login) if self.account else None

    def _note_last_login(self, at: datetime | None) -> None:
        self._last_login = at

    # The encoded hash, and an unusable one when there is no account; what is set here is stored by `save`.
    password = AccountField("password", property(_read_password, _note_password), max_length=128)
    email = AccountField(
        "e-mail address",
        property(_read_email, _note_email),
        max_length=254,
        blank=True,
        validators=[validate_email],
    )
    # When he last signed in, to within the hour, or None.
    last_login = AccountField("last sign-in", property(_read_last_login, _note_last_login), max_length=32, blank=True)

    @sensitive_variables()
    def set_password(self, raw_password: str | None) -> None:
        """Remember what `save` shall store; None for a password that nobody can enter.

        Hashed only when the hash is asked for: ModelBackend sets a password on an empty user for each unknown name,
        and one run of the hasher was spent on that name already.
        """
        self._password = raw_password
        self._encoded = None if raw_password is not None else make_password(None)

    def set_unusable_password(self) -> None:
        """What `save` shall store is a hash that no password has."""
        self.set_password(None)

    @sensitive_variables()
    def check_password(self, raw_password: str | None) -> bool:
        """Whether this is his password now; one read and one run of the hasher."""
        if self._password is not None or self._encoded is not None:
            return check_password(raw_password, self.password)
        if self.row_alone:
            return False
        account = self._read_account()
        if account is None:
            return False
        proven = accounts.verify(account, raw_password)
        if proven:
            self.account = proven
        return proven is not None

    @sensitive_variables()
    async def acheck_password(self, raw_password: str | None) -> bool:
        """As check_password; the hash is computed in a thread, never on the event loop."""

        @sensitive_variables()
        def check():  # without an argument, which asgiref's frames would show in an error report
            return self.check_password(raw_password)

        return await sync_to_async(check, thread_sensitive=False)()

    def email_user(self, subject, message, from_email=None, **options):
        """Send him a mail."""
        send_mail(subject, message, from_email, [self.email], **options)

    @sensitive_variables()
    def save(self, *args, **kwargs):
        """Write a new password or address to the account, then the row.

        Raises NameTaken, EmailTaken, InvalidName, Changed, Unavailable; nothing is forgotten then, and `save` may be
        called again. A row that is not saved has no account yet: it gets one.
        """
        if kwargs.get("update_fields") is not None:
            kept = {"password", "email", "last_login"}
            kwargs["update_fields"] = [name for name in kwargs["update_fields"] if name not in kept]
        if self.account_id:
            self._change_account()
            super().save(*args, **kwargs)
        else:
            self._make_account()
            try:
                with transaction.atomic(using=kwargs.get("using")):
                    type(self).objects.db_manager(kwargs.get("using")).free_name(self.account)
                    super().save(*args, **kwargs)
            except DatabaseError:
                self._unmake_account()
                raise
            self._encoded = self._email = None
        self._stored_name = self.username

    def _make_account(self) -> None:
        if len(self.username) > COLUMN_LENGTH:
            raise InvalidName(f"a name must not be longer than {COLUMN_LENGTH} characters")
        encoded = make_password(None) if self._password is None and self._encoded is None else self.password
        self.account = accounts.store().create(self.username, encoded, self._email or "")
        self.account_id = self.account.id

    def _unmake_account(self) -> None:
        """Without a row the name is free again: whoever was told that it failed shall not find his own name taken."""
        with suppress(StoreError):
            accounts.store().delete(self.account)
        self.account, self.account_id = None, ""

    def _change_account(self) -> None:
        if self._stored_name not in (None, self.username):
            raise InvalidName("a name cannot be changed: the account in SimpleDB and its domain go by it")
        changes = self._changes()
        if changes and self.account is None:
            raise Changed(f"the account of {self.username} was deleted")
        encoded = changes.pop("password", None)
        if encoded is not None:
            self.account = accounts.store().change_password(self.account, encoded)
            self._encoded = None
        if any(getattr(self.account, name) != value for name, value in changes.items()):
            self.account = accounts.store().change(self.account, **changes)
        self._email = self._last_login = None

    def _changes(self) -> dict[str, str]:
        """What was set and is not stored yet. Django's own `save` forgets the password that was set, later."""
        changes = {}
        if self._password is not None or self._encoded is not None:
            changes["password"] = self.password
        if self._email is not None:
            changes["email"] = self._email
        if self._last_login is not None:
            changes["last_login"] = timestamp(self._last_login)
        return changes

    def refresh_from_db(self, *args, **kwargs):
        """Read the row again, and forget the account that was read and what was set and not saved."""
        self.__dict__.pop("account", None)
        self._password = self._encoded = self._email = self._last_login = None
        super().refresh_from_db(*args, **kwargs)

    def retire(self) -> None:
        """Give the name free: its account was deleted and somebody else has registered it, who inherits nothing."""
        self.username = self._stored_name = f"{self.account_id} (gone)"
        self.is_active = False
        self.save(update_fields=["username", "is_active"])

    def clean_fields(self, exclude=None):
        """As Django's, which forms call; a name that nobody can be given here is refused beside the field."""
        super().clean_fields(exclude)
        if not self.account_id:
            beside("username", exclude, check_name, self.username)

    def validate_unique(self, exclude=None):
        """As Django's; a new name must be free in SimpleDB, in whatever spelling, and a new address too."""
        super().validate_unique(exclude)
        if not self.account_id:
            beside("username", exclude, check_free, self.username)
        if self._email:
            beside("email", exclude, check_address_free, self._email, self.account_id)

    def get_session_auth_hash(self) -> str:
        """What a session keeps to tell whether the password has changed since.

        Made from the account's stamp and not from the hash: a stronger hash of the same password ends no session.
        """
        return self._stamp_hash(None)

    def get_session_auth_fallback_hash(self):
        """The same under each of the earlier keys."""
        return (self._stamp_hash(key) for key in settings.SECRET_KEY_FALLBACKS)

    def _stamp_hash(self, secret: str | None) -> str:
        stamp = f"{self.account_id}:{self.account.stamp if self.account else ''}"
        return salted_hmac("webapp.users.session", stamp, secret=secret, algorithm="sha256").hexdigest()


def beside(field: str, exclude, check, *arguments) -> None:
    """Run a check, whose ValidationError shall stand beside this field, unless the field is excluded from them."""
    if field in (exclude or ()):
        return
    try:
        check(*arguments)
    except ValidationError as error:
        raise ValidationError({field: error.error_list}) from error

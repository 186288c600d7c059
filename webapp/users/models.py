"""The user's row in MySQL: what other tables point to. Who he is and his password are in SimpleDB."""

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import PermissionsMixin
from django.db import models, transaction
from django.utils.crypto import constant_time_compare, salted_hmac
from django.views.decorators.debug import sensitive_variables

from webapp.users import accounts
from webapp.users.account import Account, moment
from webapp.users.fields import AccountField
from webapp.users.shards import InvalidName
from webapp.users.store import Changed

NAME_LENGTH = 150  # characters, for a name given here
COLUMN_LENGTH = 255  # characters; other clients of SimpleDB may give longer names than we do


class UserManager(BaseUserManager):
    """Finds and makes rows; a user made here gets his account in SimpleDB first."""

    @sensitive_variables("password")
    def create_user(self, username: str, email: str = "", password: str | None = None, **fields) -> "User":
        """A new account and its row. Without a password nobody can sign in. Raises NameTaken, InvalidName."""
        name = self.model.normalize_username(username)
        user = self.model(username=name, email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    @sensitive_variables("password")
    def create_superuser(self, username: str, email: str = "", password: str | None = None, **fields) -> "User":
        """A new account whose row may do everything here."""
        return self.create_user(username, email, password, **{"is_staff": True, "is_superuser": True, **fields})

    def for_account(self, account: Account) -> "User":
        """The row of this account, made now if he is here for the first time."""
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
        """The row alone: ModelBackend asks for it to check a password, and a row knows none."""
        if not accounts.is_text(username):
            raise self.model.DoesNotExist
        user = super().get_by_natural_key(username)
        user.row_alone = True
        return user

    async def aget_by_natural_key(self, username):
        """As get_by_natural_key."""
        return await sync_to_async(self.get_by_natural_key)(username)


class User(AbstractBaseUser, PermissionsMixin):
    """One user of this application. `password`, `email` and `last_login` are read from his account, when asked for.

    `set_password` followed by `save`, Django's way of changing a password, writes to the account; nothing of it is
    stored here. `is_active` locks him out of this application only, the account's own flag locks him out everywhere.
    """

    # Compared byte for byte, as SimpleDB does: MySQL's usual collations take `alice`, `ALICE` and `alicé` for one.
    username = models.CharField(max_length=COLUMN_LENGTH, unique=True, db_collation="utf8mb4_bin")
    account_id = models.CharField(max_length=32, unique=True, editable=False)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    first_seen = models.DateTimeField(auto_now_add=True)

    objects = UserManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["email"]

    row_alone = False
    _encoded = None
    _email = None

    @property
    def account(self) -> Account | None:
        """The account behind this row as it was when first asked for, or None when it has been deleted."""
        if "account" not in self.__dict__:
            found = accounts.find(self.username) if self.account_id else None
            self.__dict__["account"] = found if found and found.id == self.account_id else None
        return self.__dict__["account"]

    @account.setter
    def account(self, account: Account) -> None:
        self.__dict__["account"] = account

    def _read_password(self) -> str:
        return self.account.password if self.account else "!"

    def _note_password(self, encoded: str) -> None:
        self._encoded = encoded

    def _read_email(self) -> str:
        if self._email is not None:
            return self._email
        return self.account.email if self.account else ""

    def _note_email(self, email: str) -> None:
        self._email = email

    # The encoded hash, and an unusable one when there is no account; what is set here is stored by `save`.
    password = AccountField("password", property(_read_password, _note_password), max_length=128)
    email = AccountField("e-mail address", property(_read_email, _note_email), max_length=254, blank=True)

    @property
    def last_login(self):
        """When he last signed in, to within the hour, or None."""
        return moment(self.account.last_login) if self.account else None

    def set_password(self, raw_password: str | None) -> None:
        """Remember what `save` shall hash and store; None for a password that nobody can enter."""
        self._password = raw_password
        self._encoded = None if raw_password is not None else make_password(None)

    def set_unusable_password(self) -> None:
        """What `save` shall store is a hash that no password has."""
        self.set_password(None)

    @sensitive_variables()
    def check_password(self, raw_password: str | None) -> bool:
        """Whether this is his password now; one read and one run of the hasher."""
        if self._password is not None:
            return constant_time_compare(raw_password, self._password)
        if self.row_alone:
            return False
        account = accounts.find(self.username)
        if account is None or account.id != self.account_id:
            return False
        proven = accounts.verify(account, raw_password)
        if proven:
            self.account = proven
        return proven is not None

    async def acheck_password(self, raw_password: str | None) -> bool:
        """As check_password; the hash is computed in a thread, never on the event loop."""
        return await sync_to_async(self.check_password, thread_sensitive=False)(raw_password)

    def save(self, *args, **kwargs):
        """Write a new password or address to the account, then the row.

        Raises NameTaken, InvalidName, Changed, Unavailable. A row that is not saved has no account yet: it gets one.
        """
        if kwargs.get("update_fields") is not None:
            kwargs["update_fields"] = [name for name in kwargs["update_fields"] if name not in ("password", "email")]
        if self.account_id:
            self._change_account()
            super().save(*args, **kwargs)
            return
        if len(self.username) > COLUMN_LENGTH:
            raise InvalidName(f"a name must not be longer than {COLUMN_LENGTH} characters")
        self.account = accounts.store().create(self.username, self._new_hash() or make_password(None), self.email)
        self.account_id = self.account.id
        with transaction.atomic(using=kwargs.get("using")):
            type(self).objects.db_manager(kwargs.get("using")).free_name(self.account)
            super().save(*args, **kwargs)

    @sensitive_variables("encoded")
    def _change_account(self) -> None:
        encoded = self._new_hash()
        if encoded is None and self._email is None:
            return
        if self.account is None:
            raise Changed(f"the account of {self.username} was deleted")
        if encoded is not None:
            self.account = accounts.store().change_password(self.account, encoded)
        if self._email not in (None, self.account.email):
            self.account = accounts.store().change(self.account, email=self._email)
        self._email = None

    def _new_hash(self) -> str | None:
        """The hash of a password that was set and is not stored yet; Django's `save` forgets the password itself."""
        encoded, self._encoded = self._encoded, None
        return encoded if self._password is None else make_password(self._password)

    def refresh_from_db(self, *args, **kwargs):
        """Read the row again, and forget the account that was read."""
        self.__dict__.pop("account", None)
        super().refresh_from_db(*args, **kwargs)

    def retire(self) -> None:
        """Give the name free: its account was deleted and somebody else has registered it, who inherits nothing."""
        self.username = f"{self.account_id} (gone)"
        self.is_active = False
        self.save(update_fields=["username", "is_active"])

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

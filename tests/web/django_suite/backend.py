"""Our backend for users who are rows: before it is asked, SimpleDB is made to hold what the row says."""

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.db import connection

from webapp.users import accounts
from webapp.users.backend import SimpleDBBackend
from webapp.users.shards import InvalidName


class MirroringBackend(SimpleDBBackend, ModelBackend):
    """Who gets in is decided by SimpleDBBackend on SimpleDB alone; permissions are ModelBackend's.

    Django's tests make users as rows, change them by queries and roll them back; signals would miss the last two.
    """

    def authenticate(self, request, username=None, password=None, **credentials):
        name = credentials.get(get_user_model().USERNAME_FIELD) if username is None else username
        if name is not None and password is not None:
            mirror(name)
        return super().authenticate(request, username, password, **credentials)

    async def aauthenticate(self, request, username=None, password=None, **credentials):
        name = credentials.get(get_user_model().USERNAME_FIELD) if username is None else username
        if name is not None and password is not None:
            await sync_to_async(mirror)(name)
        return await super().aauthenticate(request, username, password, **credentials)

    def get_user(self, user_id):
        row = read(["pk", get_user_model().USERNAME_FIELD], pk=user_id)
        if row:
            mirror(row[1])
        return super().get_user(user_id)


def mirror(name: str) -> None:
    """Make SimpleDB's account of this name what the row says, or nothing where there is no row."""
    store = accounts.store()
    try:
        account = accounts.find(name)
        row = read(["password"], **{get_user_model().USERNAME_FIELD: name})
        if account and (row is None or account.name != name):
            store.delete(account)
            account = None
        if row and account is None:
            store.create(name, row[0])
        elif row and row[0] != account.password:
            store.change_password(account, row[0])
    except InvalidName:
        pass


def read(columns: list[str], **wanted) -> tuple | None:
    """These columns of one row of the user model, past Django's count of queries."""
    try:
        query = get_user_model()._default_manager.filter(**wanted).values_list(*columns)[:1].query
    except (TypeError, ValueError):
        return None
    sql, parameters = query.sql_with_params()
    connection.ensure_connection()
    return connection.connection.cursor().execute(sql.replace("%s", "?"), parameters).fetchone()

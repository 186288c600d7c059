"""A table as Django's auth_user as a source of rows, read page by page in constant memory."""

from collections.abc import Iterator
from typing import Self

from webapp.users.bulk.sources import Malformed

PAGE = 2000  # rows read at once
COLUMNS = ("id", "username", "password", "email", "is_active", "date_joined", "last_login")


class Table:
    """The rows of a table by their ids. Users who are added meanwhile are read too."""

    unit = "id"

    def __init__(self, connection, table: str):
        """`connection` is one of Django's. Raises Malformed for a table that is not there or has other columns."""
        self._connection, self.name = connection, table
        with connection.cursor() as cursor:
            if table not in connection.introspection.table_names(cursor):
                raise Malformed(f"the database has no table {table}: name the one that holds the users")
            there = {column.name for column in connection.introspection.get_table_description(cursor, table)}
        if missing := [column for column in COLUMNS if column not in there]:
            raise Malformed(f"the table {table} has no column {missing[0]}: it is not one of Django's users")

    @property
    def key(self) -> str:
        """What tells this table from others: where it is, since its content goes on changing."""
        settings = self._connection.settings_dict
        place = [str(settings.get(part, "")) for part in ("HOST", "PORT", "NAME")]
        return "-".join(["table", *(part.replace("/", "_") for part in place), self.name])

    def records(self, after: int = 0) -> Iterator[tuple[int, dict]]:
        """(id, record) of each row with an id above `after`, ascending.

        Pages by the primary key: a cursor held open for hours would end with the connection, or keep MySQL from
        forgetting old rows.
        """
        quote = self._connection.ops.quote_name
        columns = ", ".join(map(quote, COLUMNS))
        asked = f"SELECT {columns} FROM {quote(self.name)} WHERE {quote('id')} > %s ORDER BY {quote('id')} LIMIT {PAGE}"
        while True:
            with self._connection.cursor() as cursor:
                cursor.execute(asked, [after])
                rows = cursor.fetchall()
            for row in rows:
                yield row[0], dict(zip(COLUMNS, row, strict=True))
            if len(rows) < PAGE:
                return
            after = rows[-1][0]

    def again(self) -> Self:
        """The same table from its beginning."""
        return self

    def close(self) -> None:
        """The connection is Django's."""

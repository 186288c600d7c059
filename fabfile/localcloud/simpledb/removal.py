"""Deleted domains: out of sight at once, their items taken away a few at a time. A large one takes minutes."""

NOWHERE = ""  # the region of a deleted domain; no request can name it
_AT_ONCE = 30  # items; some hundred pages of the file, a few milliseconds


def hide(connection, domain):
    """Take the domain of this id out of its region, within the transaction that the connection is in."""
    connection.execute("UPDATE domains SET region = ?, name = ? WHERE id = ?", (NOWHERE, str(domain), domain))


def is_any_left(connection):
    """Whether there are deleted domains whose data is still there."""
    return connection.execute("SELECT 1 FROM domains WHERE region = ?", (NOWHERE,)).fetchone() is not None


def remove_some(connection):
    """Take a few items of a deleted domain away, within the transaction; whether any may be left."""
    found = connection.execute("SELECT id FROM domains WHERE region = ? LIMIT 1", (NOWHERE,)).fetchone()
    if found is None:
        return False
    items = connection.execute("SELECT id FROM items WHERE domain = ? LIMIT ?", (*found, _AT_ONCE)).fetchall()
    connection.executemany("DELETE FROM pairs WHERE item = ?", items)
    connection.executemany("DELETE FROM items WHERE id = ?", items)
    if not items:
        connection.execute("DELETE FROM several WHERE domain = ?", found)
        connection.execute("DELETE FROM domains WHERE id = ?", found)
    return True

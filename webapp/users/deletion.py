"""The account goes with its row."""

from webapp.users import accounts
from webapp.users.store import Changed

ATTEMPTS = 3


def delete_account(sender, instance, **_):
    """Receiver of post_delete, inside its transaction: a store out of reach raises, and the row stays too.

    Otherwise who was deleted could sign in again, and would be here for the first time.
    """
    for attempt in range(ATTEMPTS):
        account = accounts.find(instance.username)
        if account is None or account.id != instance.account_id:
            return
        try:
            return accounts.store().delete(account)
        except Changed:  # by somebody who did not know that he was to be deleted
            if attempt == ATTEMPTS - 1:
                raise

"""The account goes with its row."""

from webapp.users import accounts


def delete_account(sender, instance, **_):
    """Receiver of post_delete, inside its transaction: a store out of reach raises, and the row stays too.

    Otherwise who was deleted could sign in again, and would be here for the first time.
    """
    account = accounts.find(instance.username)
    if account is not None and account.id == instance.account_id:
        accounts.store().delete(account)

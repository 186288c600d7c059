"""The time of the last sign-in, kept with the account."""

import logging
from datetime import UTC, datetime, timedelta

from webapp.users import accounts, tokens
from webapp.users.account import moment
from webapp.users.store import StoreError

# SimpleDB takes some tens of writes a second in one domain; a time to within the hour is good enough for people.
GRAIN = timedelta(hours=1)

log = logging.getLogger(__name__)


def note(sender, user, **_):
    """Receiver of user_logged_in. A sign-in does not fail because it could not be noted."""
    account = getattr(user, "account", None)
    if account is None:
        return
    last = moment(account.last_login)
    if last and datetime.now(UTC) - last < GRAIN and not tokens.outstanding(account):
        return
    try:
        user.account = accounts.store().touch(account)
    except StoreError as error:
        log.warning("the sign-in of account %s was not noted: %s", account.id, error)

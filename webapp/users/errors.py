"""What the account store and the mail server say when they could not do what they were asked.

StoreError
  NameTaken      somebody has this name, perhaps in another spelling
  EmailTaken     somebody has this e-mail address
  Changed        the item is not what it was when it was read; read again and decide anew
  Unavailable    SimpleDB could not be reached, was throttled beyond the retries, or refused us
    NoDomain     the domain is not there
MailAway         the mail server took no mail
"""


class StoreError(Exception):
    """The account store could not do what it was asked."""


class NameTaken(StoreError):
    """An account with this name exists."""


class EmailTaken(StoreError):
    """An account with this e-mail address exists."""


class Changed(StoreError):
    """Another client changed or deleted the item since it was read. `tries` is how often the write was sent."""

    def __init__(self, message: str, tries: int = 1):
        super().__init__(message)
        self.tries = tries


class Unavailable(StoreError):
    """SimpleDB did not answer in time, or not with what was asked; nothing is known about the account."""


class NoDomain(Unavailable):
    """The domain that should hold the item does not exist."""


class MailAway(Exception):
    """No mail was sent. Says what kind of error it was, and no address."""

"""Mail by SMTP that no page waits for."""

import logging
from concurrent.futures import ThreadPoolExecutor
from smtplib import SMTPException

from django.core.mail.backends.smtp import EmailBackend

# One after the other: a mail server that hangs holds up mails, and no more than one thread.
_postman = ThreadPoolExecutor(1, thread_name_prefix="mail")

log = logging.getLogger(__name__)


class BackgroundSMTP(EmailBackend):
    """Django's SMTP backend, in a thread: how long an answer takes does not tell whether a mail was sent.

    A mail that cannot be sent is in the log by its kind of failure, and lost. A process that is told to stop sends what
    it has first.
    """

    def send_messages(self, email_messages):
        """Put the mails in the post; returns their number."""
        messages = list(email_messages)
        if messages:
            _postman.submit(self._deliver, messages)
        return len(messages)

    def _deliver(self, messages):
        try:
            super().send_messages(messages)
        except (SMTPException, OSError, ValueError) as error:
            log.error("%d mails could not be sent by %s: %s: %s", len(messages), self.host, type(error).__name__, error)

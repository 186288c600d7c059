"""What the owner of an account is told by mail: that its address or its password is another now.

Whoever took over an account would begin with these; its owner shall hear of it while he can do something.
"""

import logging
from smtplib import SMTPException

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import send_mail
from django.template.loader import render_to_string

from webapp.users import accounts, address_links
from webapp.users.errors import EmailTaken, MailAway
from webapp.users.models import User
from webapp.users.shards import claim

log = logging.getLogger(__name__)


def ask_for_email(user: User, email: str) -> bool:
    """Mail a link to another address, which is his once it is followed: True. None, or the same in other capitals, is
    stored at once: False. Whoever mistypes his address gives nobody his account.

    Raises EmailTaken, InvalidName, Changed, Unavailable and MailAway.
    """
    email = User.objects.normalize_email(email)
    if not email or (user.email and claim(email) == claim(user.email)):
        change_email(user, email)
        return False
    owner = accounts.store().by_email(email)
    if owner is not None:
        raise EmailTaken(f"the e-mail address {email} is taken")
    subject = f"A new e-mail address for {user.username}"
    send(user, email, subject, "users/confirm_mail.txt", link=address_links.link(user, email))
    return True


def change_email(user: User, email: str) -> None:
    """Store another address, or none if it is empty; the old one is told. Raises EmailTaken, InvalidName, Changed,
    Unavailable.
    """
    old = user.email
    user.email = User.objects.normalize_email(email)
    user.save()
    tell_of_address(user, old)


def tell_of_address(user: User, old: str) -> None:
    """Tell the address that an account had before, if it has another or none now."""
    if old and old.casefold() != user.email.casefold():
        tell(user, old, f"Another e-mail address for {user.username}", "users/address_mail.txt")


def tell_of_password(user: User) -> None:
    """Tell the owner that his password was changed a moment ago, if he has an address."""
    if user.email:
        tell(user, user.email, f"The password of {user.username} was changed", "users/password_mail.txt")


def tell(user: User, address: str, subject: str, template: str) -> None:
    """Send the mail. What it tells of is done: that it cannot be sent is in the log, and nobody's error."""
    try:
        send(user, address, subject, template)
    except MailAway as error:
        log.error("a mail to the owner of account %s could not be sent: %s", user.account_id, error)


def send(user: User, address: str, subject: str, template: str, **more) -> None:
    """Send the mail that a template makes of the user, the site's address and `more`. Raises MailAway."""
    text = render_to_string(template, {"user": user, "site": settings.ENVIRONMENT.public_url, **more})
    try:
        send_mail(subject, text, None, [address])
    except (SMTPException, OSError, ValueError, ImproperlyConfigured) as error:
        raise MailAway(type(error).__name__) from error

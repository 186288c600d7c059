"""Another e-mail address for an account, of which the old one is told."""

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string

from webapp.users.models import User


def change_email(user: User, email: str) -> None:
    """Store another address, or none if it is empty. Raises EmailTaken, InvalidName, Changed, Unavailable.

    Whoever took over an account would begin with its address; its owner shall hear of it while he can do something.
    """
    old = user.email
    user.email = User.objects.normalize_email(email)
    user.save()
    if old and old.casefold() != user.email.casefold():
        told = {"user": user, "site": settings.ENVIRONMENT.public_url}
        text = render_to_string("users/address_mail.txt", told)
        # The address is changed; that its old owner cannot be told is in the log of who sends.
        send_mail(f"Another e-mail address for {user.username}", text, None, [old], fail_silently=True)

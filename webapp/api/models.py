"""A token that opens the API for one device of a user."""

from uuid import uuid4

from django.conf import settings
from django.db import models

DEVICE_LENGTH = 100  # characters


class ApiToken(models.Model):
    """What is kept of a token: a digest, which opens nothing. In MySQL, since what Redis holds may be lost.

    `stamp` is that of the account when the token was made: a new password, set by whichever client, ends the token.
    """

    # Random, so that it tells nobody how many tokens there are.
    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    stamp = models.CharField(max_length=64, editable=False)
    device = models.CharField(max_length=DEVICE_LENGTH)
    created = models.DateTimeField()
    expires = models.DateTimeField()
    last_used = models.DateTimeField(null=True)  # to within minutes

    class Meta:
        verbose_name = "API token"
        indexes = [models.Index(fields=["expires"], name="api_token_expires")]

    def __str__(self):
        return self.device

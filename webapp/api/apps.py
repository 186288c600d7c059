"""The app of the JSON API and its tokens."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """Tokens are rows in MySQL; all else that the API gives is in other apps."""

    name = "webapp.api"
    verbose_name = "API"

"""Making a link, and ending one."""

from datetime import UTC, datetime

from django import forms
from django.conf import settings
from django.core.validators import MinValueValidator
from django.utils import timezone

from webapp.links.targets import LENGTH, WrongTarget, checked

FORMAT = "%Y-%m-%dT%H:%M"


def ends_field() -> forms.DateTimeField:
    """A moment in UTC; empty for never."""
    return forms.DateTimeField(
        label="Ends at (UTC)",
        required=False,
        input_formats=[FORMAT, f"{FORMAT}:%S", "%Y-%m-%d %H:%M"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=FORMAT),
        help_text="Leave it empty for a link without an end.",
        error_messages={"invalid": "Write it as 2030-12-31 23:59."},
        # What is before it no database and no clock agrees about.
        validators=[MinValueValidator(datetime(1970, 1, 1, tzinfo=UTC), "Choose a moment after 1970.")],
    )


class NewLinkForm(forms.Form):
    """A target and perhaps an end."""

    target = forms.CharField(
        label="Long address",
        max_length=LENGTH,
        widget=forms.URLInput(attrs={"autocomplete": "off", "placeholder": "https://", "spellcheck": "false"}),
        help_text="Where the link leads. This cannot be changed later.",
    )
    ends = ends_field()

    def clean_target(self):
        """The target as it is stored."""
        try:
            return checked(self.cleaned_data["target"], settings.ALLOWED_HOSTS)
        except WrongTarget as error:
            raise forms.ValidationError(str(error)) from error

    def clean_ends(self):
        """A moment to come."""
        ends = self.cleaned_data["ends"]
        if ends and ends.astimezone(UTC) <= timezone.now():
            raise forms.ValidationError("This moment has passed; choose a later one, or leave it empty.")
        return ends


class ChangeLinkForm(forms.Form):
    """When a link ends, and whether it works until then; a moment that has passed ends it now."""

    ends = ends_field()
    disabled = forms.BooleanField(
        label="Switched off",
        required=False,
        help_text="Whoever follows it is told that it has ended. You can switch it on again.",
    )

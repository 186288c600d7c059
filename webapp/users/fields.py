"""A model field without a column, for what Django asks a user for and SimpleDB keeps."""

from django.core.exceptions import FieldError
from django.db import models


class AccountField(models.CharField):
    """Django's commands, forms and checks find it among the model's fields; its value comes and goes by the property
    given.
    """

    def __init__(self, verbose_name: str, access: property, **options):
        super().__init__(verbose_name, **options)
        self.access = access

    def get_col(self, alias, output_field=None):
        """What a query would ask the table for."""
        raise FieldError(f"{self.name!r} is kept in SimpleDB: no query can ask for it; ask each user")

    def get_attname_column(self):
        """No column: neither queries nor migrations see this field."""
        return self.name, None

    def contribute_to_class(self, cls, name, private_only=False):
        """Beside the table's fields, as Django keeps its own virtual ones."""
        super().contribute_to_class(cls, name, private_only=True)
        setattr(cls, name, self.access)

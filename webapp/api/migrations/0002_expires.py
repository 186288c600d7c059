"""Finds the tokens that have expired without reading all."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("api", "0001_tokens")]

    operations = [
        migrations.AddIndex(
            model_name="apitoken",
            index=models.Index(fields=["expires"], name="api_token_expires"),
        ),
    ]

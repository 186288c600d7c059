"""A link can be stopped by whoever runs the site."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("links", "0001_links")]

    operations = [
        migrations.AddField("link", "stopped", models.BooleanField(db_default=False, default=False)),
    ]

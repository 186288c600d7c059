"""Words for people, and the manager that Django uses where it names none; the table stays as it is."""

import django.db.models.manager
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("users", "0001_users"),
    ]

    operations = [
        migrations.AlterModelManagers(
            name="user",
            managers=[
                ("rows", django.db.models.manager.Manager()),
            ],
        ),
        migrations.AlterField(
            model_name="user",
            name="is_active",
            field=models.BooleanField(default=True, verbose_name="active here"),
        ),
        migrations.AlterField(
            model_name="user",
            name="is_staff",
            field=models.BooleanField(default=False, verbose_name="staff"),
        ),
    ]

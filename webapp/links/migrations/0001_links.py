"""The tables of links and of what is counted of them."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="LateClick",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("link_id", models.BigIntegerField(db_index=True)),
                ("at", models.DateTimeField()),
                ("family", models.CharField(max_length=20)),
                ("visitor", models.CharField(max_length=32)),
            ],
        ),
        migrations.CreateModel(
            name="Link",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("slug", models.CharField(db_collation="utf8mb4_bin", max_length=10, unique=True)),
                ("target", models.CharField(max_length=2048)),
                ("created", models.DateTimeField(auto_now_add=True)),
                ("ends", models.DateTimeField(blank=True, null=True)),
                ("disabled", models.BooleanField(default=False)),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="links", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Total",
            fields=[
                (
                    "link",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="total",
                        serialize=False,
                        to="links.link",
                    ),
                ),
                ("clicks", models.PositiveBigIntegerField(default=0)),
                ("visitors", models.PositiveBigIntegerField(default=0)),
                ("sketch", models.BinaryField(default=b"")),
            ],
        ),
        migrations.CreateModel(
            name="Rollup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("batch", models.CharField(db_collation="utf8mb4_bin", max_length=40)),
                ("part", models.PositiveIntegerField()),
                ("first_link", models.BigIntegerField()),
                ("last_link", models.BigIntegerField()),
                ("made", models.DateTimeField(auto_now_add=True, db_index=True)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("batch", "part"), name="links_rollup_once")],
            },
        ),
        migrations.CreateModel(
            name="Day",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField()),
                ("clicks", models.PositiveBigIntegerField(default=0)),
                ("visitors", models.PositiveBigIntegerField(default=0)),
                ("sketch", models.BinaryField(default=b"")),
                (
                    "link",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="days",
                        to="links.link",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("link", "day"), name="links_day_once")],
            },
        ),
        migrations.CreateModel(
            name="Minute",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField(db_index=True)),
                ("clicks", models.PositiveIntegerField(default=0)),
                (
                    "link",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="minutes",
                        to="links.link",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("link", "at"), name="links_minute_once")],
            },
        ),
        migrations.CreateModel(
            name="Source",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("family", models.CharField(db_collation="utf8mb4_bin", max_length=20)),
                ("clicks", models.PositiveBigIntegerField(default=0)),
                (
                    "link",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="sources",
                        to="links.link",
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("link", "family"), name="links_source_once")],
            },
        ),
    ]

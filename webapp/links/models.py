"""Links, and what is counted of them once a minute has passed; what was counted since is in Redis."""

from datetime import datetime

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.urls import reverse
from django.utils import timezone

from webapp.links import counter
from webapp.links.slugs import LENGTH as SLUG_LENGTH
from webapp.links.slugs import new_slug
from webapp.links.targets import LENGTH as TARGET_LENGTH

ATTEMPTS = 5  # at a slug that nobody has; the second has never been needed
SEARCHED = 200  # characters of what somebody looks for


class LinkQuerySet(models.QuerySet):
    """Links, to be searched."""

    def having(self, wanted: str) -> "LinkQuerySet":
        """Those with this part in their target, or with this slug or short address; all of them for an empty text."""
        wanted = wanted.strip().replace("\0", "")[:SEARCHED]
        if not wanted:
            return self
        return self.filter(target__icontains=wanted) | self.filter(slug=wanted.rpartition("/")[2][:20])


class LinkManager(models.Manager.from_queryset(LinkQuerySet)):
    """Makes links with slugs of their own."""

    def make(self, owner, target: str, ends: datetime | None = None) -> "Link":
        """A new link to a target that was checked."""
        for attempt in range(ATTEMPTS):
            try:
                with transaction.atomic():
                    return self.create(owner=owner, target=target, ends=ends, slug=new_slug())
            except IntegrityError:
                if attempt == ATTEMPTS - 1:
                    raise


class Link(models.Model):
    """A short address. Where it leads is decided once: a link that people have passed on shall not turn on them.

    It goes when its owner goes, with all that was counted, for it is his data; its slug is never given again.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="links")
    slug = models.CharField(max_length=SLUG_LENGTH, unique=True, db_collation="utf8mb4_bin")
    target = models.CharField(max_length=TARGET_LENGTH)
    created = models.DateTimeField(auto_now_add=True)
    ends = models.DateTimeField(null=True, blank=True)
    disabled = models.BooleanField(default=False)
    # By whoever runs this site; its owner cannot undo it. The default is MySQL's too, so that the release before this
    # one can make links while both are at work.
    stopped = models.BooleanField(default=False, db_default=False)

    objects = LinkManager()

    def __str__(self):
        return self.slug

    @property
    def short(self) -> str:
        """The whole short address."""
        return settings.ENVIRONMENT.public_url + reverse("follow", args=[self.slug])

    @property
    def ended(self) -> bool:
        """Whether its time is over."""
        return self.ends is not None and self.ends <= timezone.now()

    @property
    def state(self) -> str:
        """In one word what its owner is told: stopped, disabled, ended, or on."""
        if self.stopped:
            return "stopped"
        return "disabled" if self.disabled else "ended" if self.ended else "on"

    @property
    def entry(self) -> str:
        """The link as Redis remembers it; one that leads nowhere, or whose owner is locked out here, ended long ago."""
        over = self.disabled or self.stopped or not self.owner.is_active
        ends = 1 if over else max(1, int(self.ends.timestamp())) if self.ends else 0
        return f"{self.pk} {ends} {self.target}"

    def change(self, **fields) -> None:
        """Store `ends`, `disabled` or `stopped`, and see that no click goes by what was before.

        Raises SessionsUnavailable; nothing is changed.
        """
        with transaction.atomic():
            counter.hold(self.slug)
            Link.objects.filter(pk=self.pk).update(**fields)
        for name, value in fields.items():
            setattr(self, name, value)


# What is counted of a link goes with it by one statement a table (`deletion.py`). By Django's own cascade the
# administration would read and list a row for each minute before it asks whether to delete.


class Total(models.Model):
    """All clicks of a link, and its visitors as a HyperLogLog sketch of Redis."""

    link = models.OneToOneField(Link, on_delete=models.DO_NOTHING, primary_key=True, related_name="total")
    clicks = models.PositiveBigIntegerField(default=0)
    visitors = models.PositiveBigIntegerField(default=0)
    sketch = models.BinaryField(default=b"")


class Day(models.Model):
    """The clicks and visitors of a link on one day (UTC)."""

    link = models.ForeignKey(Link, on_delete=models.DO_NOTHING, related_name="days", db_index=False)
    day = models.DateField()
    clicks = models.PositiveBigIntegerField(default=0)
    visitors = models.PositiveBigIntegerField(default=0)
    sketch = models.BinaryField(default=b"")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["link", "day"], name="links_day_once")]


class Minute(models.Model):
    """The clicks of a link in one minute, for ninety days."""

    link = models.ForeignKey(Link, on_delete=models.DO_NOTHING, related_name="minutes", db_index=False)
    at = models.DateTimeField(db_index=True)
    clicks = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["link", "at"], name="links_minute_once")]


class Source(models.Model):
    """The clicks of a link that came from one family of pages."""

    link = models.ForeignKey(Link, on_delete=models.DO_NOTHING, related_name="sources", db_index=False)
    family = models.CharField(max_length=20, db_collation="utf8mb4_bin")
    clicks = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["link", "family"], name="links_source_once")]


class Rollup(models.Model):
    """One part of a batch that is in the tables above: the row is written with them or not at all."""

    batch = models.CharField(max_length=40, db_collation="utf8mb4_bin")
    part = models.PositiveIntegerField()
    first_link = models.BigIntegerField()
    last_link = models.BigIntegerField()
    made = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "part"], name="links_rollup_once")]


class LateClick(models.Model):
    """A click that Redis could not count, until the worker takes it.

    No foreign key, so that no click waits for whoever has locked its link.
    """

    link_id = models.BigIntegerField(db_index=True)
    at = models.DateTimeField()
    family = models.CharField(max_length=20)
    visitor = models.CharField(max_length=32)

"""The change feed: from where on it is complete."""

from django.db import models


class ChangeFeed(models.Model):
    """The tenant's one feed of changes; the row is made when it is first needed.

    Up to `floor` deletions may be missing: their tombstones were pruned, or records were purged
    without any. Whoever stands below has to begin again.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    floor = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="change_feed_is_one_row")
        ]

    def __str__(self) -> str:
        return f"complete from change {self.floor} on"

"""Questions about a tenant's tables. They return objects, never HTTP, messages or jobs."""

from typing import TYPE_CHECKING

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db import models

if TYPE_CHECKING:
    from integrations.models import (  # noqa: F401  named as text
        Connection,
        DeletionReview,
        IdentityGroup,
        Record,
        ShadowDiff,
        SyncRun,
    )


class ConnectionQuerySet(models.QuerySet["Connection"]):
    def active(self) -> "ConnectionQuerySet":
        """Those that may sync."""
        return self.filter(status__in=("active", "limited"))

    def present(self) -> "ConnectionQuerySet":
        """Those that have not been disconnected."""
        return self.exclude(status="disconnected")


class SyncRunQuerySet(models.QuerySet["SyncRun"]):
    def open(self) -> "SyncRunQuerySet":
        return self.filter(state__in=("queued", "running"))


class RecordQuerySet(models.QuerySet["Record"]):
    def present(self) -> "RecordQuerySet":
        """Those that the provider still has."""
        return self.filter(deleted_at=None)

    def search(self, words: str) -> "RecordQuerySet":
        """Those whose title holds every word, or whose source id is exactly `words`."""
        title = SearchVector("title", config="simple")
        query = SearchQuery(words, config="simple", search_type="websearch")
        matches = models.Q(title_words=query) | models.Q(source_id=words)
        found: RecordQuerySet = self.annotate(title_words=title).filter(matches)
        return found


class IdentityGroupQuerySet(models.QuerySet["IdentityGroup"]):
    def candidates(self) -> "IdentityGroupQuerySet":
        """Those about which nobody has decided."""
        return self.filter(state="candidate")

    def with_records(self) -> "IdentityGroupQuerySet":
        """Their members and records too, in one statement more."""
        from_members = self.model._meta.get_field("members").related_model
        rows = from_members._default_manager.select_related("record").defer("record__raw")
        return self.prefetch_related(models.Prefetch("members", rows.order_by("id")))


class DeletionReviewQuerySet(models.QuerySet["DeletionReview"]):
    def pending(self) -> "DeletionReviewQuerySet":
        """Those that wait for a person."""
        return self.filter(state="pending")


class ShadowDiffQuerySet(models.QuerySet["ShadowDiff"]):
    def open(self) -> "ShadowDiffQuerySet":
        return self.filter(state__in=("queued", "running"))

    def for_list(self) -> "ShadowDiffQuerySet":
        """With the connection, and without what is only needed on their own page."""
        return self.select_related("connection").defer("samples", "positions")


ConnectionManager = models.Manager.from_queryset(ConnectionQuerySet)
SyncRunManager = models.Manager.from_queryset(SyncRunQuerySet)
RecordManager = models.Manager.from_queryset(RecordQuerySet)
IdentityGroupManager = models.Manager.from_queryset(IdentityGroupQuerySet)
DeletionReviewManager = models.Manager.from_queryset(DeletionReviewQuerySet)
ShadowDiffManager = models.Manager.from_queryset(ShadowDiffQuerySet)

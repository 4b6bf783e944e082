"""Questions about a tenant's tables. They return objects, never HTTP, messages or jobs."""

from typing import TYPE_CHECKING

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db import models

if TYPE_CHECKING:
    from integrations.models import (  # noqa: F401  named as text
        Connection,
        DeletionReview,
        Record,
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


class DeletionReviewQuerySet(models.QuerySet["DeletionReview"]):
    def pending(self) -> "DeletionReviewQuerySet":
        """Those that wait for a person."""
        return self.filter(state="pending")


ConnectionManager = models.Manager.from_queryset(ConnectionQuerySet)
SyncRunManager = models.Manager.from_queryset(SyncRunQuerySet)
RecordManager = models.Manager.from_queryset(RecordQuerySet)
DeletionReviewManager = models.Manager.from_queryset(DeletionReviewQuerySet)

"""Deletion reviews inside a tenant: what would be deleted, why it waits, and the decision."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from hub import display, sites
from hub.audit.admin import CappedPaginator, Question, service_action
from integrations.admin.base import ConnectionFilter, address_of, link_to
from integrations.connectors.registry import get_connector
from integrations.models import DeletionReview, SyncRun
from integrations.services.deletions import decide_deletions, doomed, titles_of_parents
from tenants.admin.base import TenantModelAdmin

RECORDS_SHOWN = 200
WAITING_FIRST = models.Case(
    models.When(state=DeletionReview.State.PENDING, then=0),
    default=1,
    output_field=models.IntegerField(),
)
WHY = {
    DeletionReview.Cause.ABSENCE: "A full read of the list no longer found them. More than 10 % and"
    " at least 25, or more than 1,000 at once, are not deleted without asking.",
    DeletionReview.Cause.SIGNAL: "The provider reports them as deleted. More than half of all"
    " records of a type are not deleted without asking.",
}
DELETE = Question(
    "Delete these records?",
    "They are marked as deleted here and in every destination. What has changed since the review "
    "was found is there again and stays. At the provider nothing changes.",
    "Delete",
)
KEEP = Question(
    "Keep these records?",
    "They stay as they are, though the provider no longer has them, and are not asked about again.",
    "Keep them",
)


@admin.register(DeletionReview, site=sites.tenant)
class DeletionReviewAdmin(TenantModelAdmin):
    """Deletions that were held back. Found by the engine, decided by a person."""

    place = 25
    nothing_yet = "No deletion waits. So many at once that somebody should look would stand here."
    paginator = CappedPaginator
    list_display = ("what", "connection_link", "share", "state_shown", "found", "decided")
    list_display_links = ("what",)
    list_filter = ("state", "cause", ConnectionFilter)
    list_select_related = ("connection",)
    search_fields = ("entity_type", "connection__name")
    search_help_text = "Entity type or connection."
    ordering = (WAITING_FIRST, "-found_at")
    sortable_by = ()
    actions = ("approve", "refuse")
    change_form_template = "admin/deletion_review.html"
    fields = ("state_shown", "share", "why")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        return super().get_queryset(request).defer("record_ids").select_related("connection")

    # Columns

    @admin.display(description="would be deleted")
    def what(self, review: DeletionReview) -> str:
        return str(review)

    @admin.display(description="connection")
    def connection_link(self, review: DeletionReview) -> str:
        return link_to(review.connection)

    @admin.display(description="share")
    def share(self, review: DeletionReview) -> str:
        return display.share(review.held, review.present)

    @admin.display(description="state")
    def state_shown(self, review: DeletionReview) -> str:
        return display.badge(review.state, review.get_state_display())

    @admin.display(description="why")
    def why(self, review: DeletionReview) -> str:
        cause = DeletionReview.Cause(review.cause)
        return display.with_note(cause.label, WHY[cause])

    @admin.display(description="found")
    def found(self, review: DeletionReview) -> str:
        return display.ago(review.found_at)

    @admin.display(description="decided")
    def decided(self, review: DeletionReview) -> str:
        when = display.ago(review.decided_at)
        return display.with_note(when, review.decided_by) if review.decided_by else when

    # Actions

    def fits(self, action: str, row: DeletionReview) -> bool:
        return row.is_pending

    def button_for(self, action: str, row: DeletionReview) -> str:
        return f"Delete these {row.held:,} records" if action == "approve" else "Keep them"

    approve = service_action(
        "Delete the records",
        lambda review, actor: decide_deletions(review=review, approve=True, actor=actor),
        done="decided: the records are deleted",
        ask=DELETE,
    )

    refuse = service_action(
        "Keep the records",
        lambda review, actor: decide_deletions(review=review, approve=False, actor=actor),
        done="decided: the records stay",
        ask=KEEP,
    )

    # Pages

    def detail_of(self, request: HttpRequest, review: DeletionReview) -> dict[str, Any]:
        return {"facts": self._facts(review), **_records_of(review)}

    def _facts(self, review: DeletionReview) -> list[tuple[str, object]]:
        run = SyncRun.objects.filter(pk=review.run_id).first()
        return [
            ("Connection", link_to(review.connection)),
            ("Found by", link_to(run) if run else review.run_id),
            ("Found", display.ago(review.found_at)),
            ("Decided", self.decided(review)),
        ]


def waiting(reviews: Iterable[DeletionReview]) -> list[tuple[str, str]]:
    """One sentence per review that waits, and the address of its page."""
    return [
        (
            f"{review} of {review.connection} would be deleted."
            if review.cause == DeletionReview.Cause.ABSENCE
            else f"{review} of {review.connection} are reported deleted.",
            address_of(DeletionReview, review.pk),
        )
        for review in reviews
    ]


def _records_of(review: DeletionReview) -> dict[str, Any]:
    """The first records, each with where it stood and whether it would go."""
    records = doomed(review, at_most=RECORDS_SHOWN)
    parents = titles_of_parents(review.connection, records)
    declared = {each.name: each for each in get_connector(review.connection.provider).entity_types}
    above = declared[review.entity_type].parent if review.entity_type in declared else None
    head = ["Record", "Type", "Source id", *([above.capitalize()] if above else []), "Changed"]
    rows = []
    for record in records:
        place = [parents.get(record.scope, record.scope) or display.NONE] if above else []
        changed = display.ago(record.source_changed_at or record.changed_at)
        kind = record.record_type.replace("_", " ").capitalize()
        row = [link_to(record), kind, record.source_id, *place, changed]
        if review.is_pending and record.changed_at > review.found_at:
            row[-1] = display.together(changed, display.badge("done", "Is back, stays"))
        rows.append(row)
    return {
        "records": display.table(head, rows),
        "count": display.number(review.held),
        "shown": len(records),
        "is_cut": len(records) < review.held,
    }

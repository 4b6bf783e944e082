"""Identities inside a tenant: records that look like one, side by side, and deciding about them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from hub import display, sites
from hub.audit.admin import CappedPaginator, Question, service_action
from integrations.admin.base import link_to
from integrations.admin.labels import RecordTypeFilter, plain_label
from integrations.models import IdentityGroup, IdentityMember
from integrations.services.identities import confirm_identity, forbid_identity, split_identity
from integrations.services.identity_runs import last_look, request_identities
from tenants.admin.base import TenantModelAdmin

GONE = "not here any more"
State = IdentityGroup.State
CONFIRM = Question(
    "Are these one each?",
    "The records of a group count as one person or company from now on, in the view “identity” and "
    "in the API. The records themselves stay as they are; splitting the group undoes it.",
    "Confirm",
)
SPLIT = Question(
    "Who is somebody else?",
    "The record you choose never comes into one group with the others again.",
    "Split",
)
NEVER = Question(
    "Are these all different?",
    "No two records of a group are the same. They are never shown as one again.",
    "Never show again",
)


class StateFilter(admin.SimpleListFilter):
    """Those that wait for a decision, unless asked otherwise."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [("confirmed", "Confirmed"), ("refused", "Not the same"), ("all", "All")]

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        yield {**first, "display": "Waiting"}
        yield from others

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[IdentityGroup]
    ) -> models.QuerySet[IdentityGroup]:
        if self.value() == "all":
            return queryset
        return queryset.filter(state=self.value() or State.CANDIDATE)


@admin.register(IdentityGroup, site=sites.tenant)
class IdentityGroupAdmin(TenantModelAdmin):
    """Groups of records, the surest first. A group is knowledge about records; none is merged."""

    place = 35
    nothing_yet = "No group waits for a decision."
    paginator = CappedPaginator
    change_list_template = "admin/identities.html"
    list_display = ("label", "kind", "sureness", "why", "state_shown", "found")
    list_filter = (StateFilter, RecordTypeFilter)
    search_fields = ("label",)
    search_help_text = "A name."
    ordering = ("-confidence", "id")
    sortable_by = ()
    actions = ("confirm", "split", "never")
    change_form_template = "admin/identity_group.html"
    fields = ("state_shown", "sureness", "reasons_shown", "found_at")
    readonly_fields = fields

    @admin.display(description="record type")
    def kind(self, group: IdentityGroup) -> str:
        return plain_label(group.record_type)

    @admin.display(description="how sure")
    def sureness(self, group: IdentityGroup) -> str:
        return f"{group.percent} %"

    @admin.display(description="why")
    def why(self, group: IdentityGroup) -> str:
        return "; ".join(dict.fromkeys(why["reason"] for why in group.reasons)).capitalize()

    @admin.display(description="state")
    def state_shown(self, group: IdentityGroup) -> str:
        if group.decided_at is None:
            return _badge(group)
        said = display.together("by", group.decided_by, display.ago(group.decided_at))
        return display.with_note(_badge(group), said)

    @admin.display(description="found")
    def found(self, group: IdentityGroup) -> str:
        return display.ago(group.found_at)

    @admin.display(description="why")
    def reasons_shown(self, group: IdentityGroup) -> str:
        names = {member.record_id: member for member in _members(group)}
        return display.table(
            ("One", "Other", "Why", "Sure"),
            [
                (
                    _title(names.get(why["left"])),
                    _title(names.get(why["right"])),
                    why["reason"],
                    f"{round(100 * why['confidence'])} %",
                )
                for why in group.reasons
            ],
        )

    # Pages

    def get_urls(self) -> list[URLPattern]:
        look = require_POST(self.admin_site.admin_view(self.look_view))
        return [path("look/", look, name="integrations_identitygroup_look"), *super().get_urls()]

    def look_view(self, request: HttpRequest) -> HttpResponse:
        """Have a worker look for identities; what it finds waits for people."""
        if not self.has_operate_permission(request):
            raise PermissionDenied("Operators ask for this.")
        request_identities(actor=self.actor_of(request))
        said = "Asked for; a worker begins within seconds. What it finds waits for your decision."
        self.message_user(request, said, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:integrations_identitygroup_changelist"))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        look = last_look()
        shown = {
            "last_look": look,
            "last_look_at": display.ago(look.at),
            "compared": display.number(look.records),
            "may_look": self.has_operate_permission(request),
        }
        return super().changelist_view(request, {**shown, **(extra_context or {})})

    def detail_of(self, request: HttpRequest, group: IdentityGroup) -> dict[str, Any]:
        return {"side_by_side": _side_by_side(_members(group))}

    def fits(self, action: str, row: IdentityGroup) -> bool:
        if action == "confirm":
            return row.state == State.CANDIDATE
        return row.state != State.REFUSED

    confirm = service_action(
        "Confirm: they are one",
        lambda group, actor: confirm_identity(group=group, actor=actor),
        done="confirmed",
        ask=CONFIRM,
    )

    @admin.action(description="Split: one is somebody else", permissions=["operate"])
    def split(
        self, request: HttpRequest, queryset: models.QuerySet[IdentityGroup]
    ) -> HttpResponse | None:
        groups = list(queryset[:2])
        if len(groups) != 1:
            self.message_user(request, "Choose one group to split.", messages.WARNING)
            return None
        members = [(str(m.record_id), f"{_title(m)} ({m})") for m in _members(groups[0])]
        return self.act(
            request,
            groups,
            lambda group, actor: split_identity(
                group=group, record_ids=[int(request.POST["option"])], actor=actor
            ),
            done="split",
            ask=replace(SPLIT, options=members),
        )

    never = service_action(
        "Never: all are different",
        lambda group, actor: forbid_identity(group=group, actor=actor),
        done="refused",
        ask=NEVER,
    )


def _badge(group: IdentityGroup) -> str:
    tones = {State.CANDIDATE: "pending", State.CONFIRMED: "done", State.REFUSED: "refused"}
    return display.badge(tones[State(group.state)], group.get_state_display())


def _members(group: IdentityGroup) -> list[IdentityMember]:
    return list(group.members.select_related("record").defer("record__raw"))


def _title(member: IdentityMember | None) -> str:
    return str(member.record) if member is not None and member.record else GONE


def _side_by_side(members: Sequence[IdentityMember]) -> str:
    """A column per record, a line per field that any of them has; where they come from first."""
    shown = [dict(display.flat(member.record.data)) if member.record else {} for member in members]
    fields = dict.fromkeys(name for data in shown for name in data)
    heads = ["", *(str(number) for number, _ in enumerate(members, 1))]
    rows: list[tuple[object, ...]] = [
        ("record", *(link_to(m.record) if m.record else GONE for m in members)),
        ("source", *(m.source_system for m in members)),
        ("entity type", *(m.entity_type for m in members)),
        ("changed", *(display.ago(m.record.changed_at if m.record else None) for m in members)),
    ]
    rows += [(name, *(data.get(name, display.NONE) for data in shown)) for name in fields]
    return display.table(heads, rows)

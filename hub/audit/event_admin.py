"""The audit log as people read it."""

from functools import cache
from typing import Any, ClassVar

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.views.main import PAGE_VAR
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode

from hub import display
from hub.audit.admin import CappedPaginator, ReadOnlyAdmin
from hub.audit.models import AuditAction, AuditEvent, Outcome

NOBODY = "unknown"
# What one looks for, and the objects (the first word of an action) that belong to it.
ABOUT = {
    "access": ("Sign-in and access", ("login", "token", "access")),
    "people": ("Tenants and people", ("tenant", "user", "group", "membership", "api_key")),
    "connecting": ("Connecting", ("connect", "provider_app")),
    "connections": ("Connections", ("connection",)),
    "keys": ("Credentials and keys", ("credentials", "keys")),
    "syncs": (
        "Syncs and records",
        ("sync", "deletions", "record", "circuit", "budget", "entity_type", "work"),
    ),
    "destinations": ("Destinations and BI", ("destination", "route", "bi_access")),
    "identities": ("Identities", ("identities", "identity")),
}

# What comes with every sync and every consent: most events, and not what somebody looks for who
# asks what people did. What failed is none of it.
ROUTINE = models.Q(
    action__in=(AuditAction.CREDENTIALS_READ, AuditAction.CREDENTIALS_REFRESHED),
    outcome=Outcome.SUCCEEDED,
)
LEFT_OUT = (
    f"Left out: “{AuditAction.CREDENTIALS_READ.label}” and "
    f"“{AuditAction.CREDENTIALS_REFRESHED.label}”, which come with every sync."
)
NARROWED = ("q", "about", "by", "action__exact")  # whoever asks by these gets all there is


def leaves_out_routine(request: HttpRequest) -> bool:
    """Whether the list says less than there is; then it says so."""
    asked = (RoutineFilter.parameter_name, *NARROWED)
    return not any(request.GET.get(name) for name in asked)


class RoutineFilter(admin.SimpleListFilter):
    """Without routine, unless it is asked for; not offered to whoever asks for something else."""

    title = "routine"
    parameter_name = "routine"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        is_narrowed = any(request.GET.get(name) for name in NARROWED)
        return [] if is_narrowed else [("shown", "Shown")]

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        yield {**first, "display": "Left out"}
        yield from others

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[AuditEvent]
    ) -> models.QuerySet[AuditEvent]:
        return queryset.exclude(ROUTINE) if leaves_out_routine(request) else queryset


class AboutFilter(admin.SimpleListFilter):
    """Events about one kind of thing; of all actions there are too many to choose from."""

    title = "about"
    parameter_name = "about"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(slug, label) for slug, (label, _) in ABOUT.items()]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[AuditEvent]
    ) -> models.QuerySet[AuditEvent]:
        if self.value() is None:
            return queryset
        _, objects = ABOUT.get(self.value() or "", ("", ()))
        wanted = [action for action in AuditAction if action.partition(".")[0] in objects]
        return queryset.filter(action__in=wanted)


class ByFilter(admin.SimpleListFilter):
    """By whom: what the hub does by itself is the most, and seldom what one looks for."""

    title = "by"
    parameter_name = "by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("others", "People and programs"), ("hub", "The hub itself")]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[AuditEvent]
    ) -> models.QuerySet[AuditEvent]:
        if self.value() is None:
            return queryset
        own = models.Q(actor_kind="system")
        return queryset.filter(own if self.value() == "hub" else ~own)


class AuditEventAdmin(ReadOnlyAdmin):
    """The audit log. Rows are only ever added, and only by services."""

    paginator = CappedPaginator
    list_display: Any = (
        "when",
        "actor_label",
        "what",
        "how",
        "on",
    )
    list_filter: ClassVar[Any] = (AboutFilter, ByFilter, "outcome", RoutineFilter)
    search_fields = ("target_label", "=target_id", "actor_label", "=request_id")
    search_help_text = "Object, its id, actor, what was done, or request id."
    date_hierarchy = "at"
    list_select_related = True
    fields: ClassVar[Any] = (
        "at",
        "what_link",
        "how",
        "actor",
        "target",
        "detail_shown",
        "request_id",
        "client_address",
    )

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        """Django's, and the events of actions whose name holds the words."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        words = search_term.strip().lower()
        named = [action for action in AuditAction if words and words in action.label.lower()]
        return (found | queryset.filter(action__in=named) if named else found), may_repeat

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, with a sentence about what it leaves out and the way to it."""
        if leaves_out_routine(request):
            asked = request.GET.copy()
            asked.pop(PAGE_VAR, None)
            asked[RoutineFilter.parameter_name] = "shown"
            shown = {"left_out": LEFT_OUT, "with_left_out": f"?{asked.urlencode()}"}
            extra_context = {**shown, **(extra_context or {})}
        return super().changelist_view(request, extra_context)

    @admin.display(description="when", ordering="at")
    def when(self, event: AuditEvent) -> str:
        return display.ago(event.at)

    @admin.display(description="action", ordering="action")
    def what(self, event: AuditEvent) -> str:
        return event.get_action_display()

    @admin.display(description="action")
    def what_link(self, event: AuditEvent) -> str:
        """The action, and the way to all events of its kind."""
        page = reverse("admin:audit_auditevent_changelist")
        all_of_them = f"{page}?{urlencode({'action__exact': event.action})}"
        return display.together(
            event.get_action_display(), display.link(all_of_them, "all of these")
        )

    @admin.display(description="outcome", ordering="outcome")
    def how(self, event: AuditEvent) -> str:
        return display.badge(event.outcome, event.get_outcome_display())

    @admin.display(description="object", ordering="target_label")
    def on(self, event: AuditEvent) -> str:
        if not event.target_kind:
            return display.NONE
        return display.with_note(event.target_label, kind_label(event.target_kind))

    @admin.display(description="actor")
    def actor(self, event: AuditEvent) -> str:
        return f"{event.actor_label or NOBODY} ({event.actor_kind.replace('_', ' ')})"

    @admin.display(description="object")
    def target(self, event: AuditEvent) -> str:
        if not event.target_kind:
            return display.NONE
        model = _models().get(event.target_kind)
        label: object = event.target_label
        if event.target_id and model is not None and self.admin_site.is_registered(model):
            page = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
            label = display.link(reverse(page, args=[event.target_id]), event.target_label)
        return display.together(label, f"({kind_label(event.target_kind)} {event.target_id})")

    @admin.display(description="detail")
    def detail_shown(self, event: AuditEvent) -> str:
        return display.fields_table(event.detail)


def kind_label(kind: str) -> str:
    """ "provider app" for "providerapp", and "BI access" stays what it is."""
    model = _models().get(kind)
    return str(model._meta.verbose_name) if model else kind.replace("_", " ")


@cache
def _models() -> dict[str, type[models.Model]]:
    return {model._meta.model_name or "": model for model in apps.get_models()}

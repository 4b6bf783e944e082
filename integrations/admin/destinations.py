"""Destinations inside a tenant: how each does, its routes, its runs, and what it refused."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode

from hub import display, sites
from hub.audit.admin import Question, service_action
from hub.fleet.models import DestinationStatus
from integrations.admin.base import ids_asked_for, link_to
from integrations.admin.destination_tables import (
    PROGRESS,
    behind_text,
    for_script,
    refused_table,
    routes_table,
    runs_table,
)
from integrations.admin.labels import DestinationTypeFilter
from integrations.destinations.registry import all_destination_types, get_destination_type
from integrations.destinations.tables import TableDestination
from integrations.errors import HubError
from integrations.models import Connection, Destination, DestinationRun
from integrations.services.destinations import (
    change_destination,
    create_destination,
    delete_destination,
    pause_destination,
    resume_destination,
    rewrite_destination,
)
from integrations.sync.changes import lag_behind
from integrations.types import Field
from tenants.admin.base import AddedByService, TenantModelAdmin
from tenants.roles import Role

KEEP, FORGET = "keep", "forget"
TABLES = (
    (KEEP, "Write into the tables that are there."),
    (FORGET, "Make tables and columns anew that somebody removed there."),
)
REWRITE = Question(
    "Write everything again?",
    "Every row is sent again, which can take long. Rows are found by their key, so none is made "
    "twice; what somebody typed over in our columns is replaced.",
    "Write everything again",
    options=TABLES,
)
REMOVE = Question(
    "Remove destinations?",
    "Their routes and what is known of their rows go with them. The rows themselves stay where "
    "they are, and are kept in step no more.",
    "Remove",
)


class AccessForm(forms.Form):
    """How the destination is signed in to; only secret fields of its type."""

    connection = forms.ModelChoiceField(
        queryset=Connection.objects.none(),
        required=False,
        empty_label="An access of its own, entered below",
        help_text="A connection can lend its access, if it may write.",
    )

    def __init__(
        self, *args: Any, kinds: Sequence[type[TableDestination]] = (), **options: Any
    ) -> None:
        super().__init__(*args, **options)
        kinds = kinds or all_destination_types()
        lenders = Connection.objects.active().filter(provider__in=[k.provider for k in kinds])
        self.fields["connection"].queryset = lenders  # type: ignore[attr-defined]
        for field in (field for kind in kinds for field in kind.fields if self.asks(field)):
            widget = (
                forms.PasswordInput(attrs={"autocomplete": "new-password"})
                if field.secret
                else forms.TextInput(attrs={"class": "vTextField"})
            )
            self.fields[field.name] = forms.CharField(
                label=field.label, help_text=field.help, required=False, widget=widget
            )

    def asks(self, field: Field) -> bool:
        return field.secret


class DestinationForm(AccessForm):
    """What every type asks for; fields of other types than the chosen one stay empty."""

    type = forms.ChoiceField(
        choices=lambda: [(kind.slug, kind.label) for kind in all_destination_types()]
    )
    name = forms.CharField(max_length=200, help_text="What people here call it.")

    field_order = ("type", "name", "connection")

    def asks(self, field: Field) -> bool:
        return True


@admin.register(Destination, site=sites.tenant)
class DestinationAdmin(AddedByService, TenantModelAdmin):
    """Where else records are written. An access that was entered is on no page."""

    place = 14
    nothing_yet = "None yet: records stay in the tenant's own tables. Add one."
    add_role = Role.ADMIN
    change_role = Role.ADMIN
    actions = ("look_again", "rewrite", "pause", "remove")
    list_display = ("called", "state", "behind", "row_count", "rejected_count", "caught_up")
    list_filter = ("status", DestinationTypeFilter)
    search_fields = ("name", "type")
    search_help_text = "Name or type."
    ordering = ("name",)
    change_form_template = "admin/destination.html"

    class Media:
        js = ("hub/progress.js",)

    service_form = DestinationForm
    service_title = "Add a destination"
    service_button = "Add"
    service_hint = (
        "It writes nothing until it has a route. What an access may do is seen when it is used."
    )
    fields = ("name", "what", "state", "behind_now", "caught_up", "lent_by", "created_at", "id")
    readonly_fields = ("what", "state", "behind_now", "caught_up", "lent_by", "created_at", "id")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        seen = DestinationStatus.objects.filter(destination_id=models.OuterRef("pk"))
        names = ("behind", "behind_since", "rows", "rejected")
        counted = {f"{name}_seen": models.Subquery(seen.values(name)[:1]) for name in names}
        rows = super().get_queryset(request).defer("credentials", "schema")
        return rows.select_related("connection").annotate(**counted)

    # Columns

    @admin.display(description="destination", ordering="name")
    def called(self, row: Destination) -> str:
        return display.with_note(row.name, self.what(row))

    @admin.display(description="writes to")
    def what(self, row: Destination) -> str:
        kind = get_destination_type(row.type)
        return f"{kind.label} · {row.settings.get(kind.place, display.NONE)}"

    @admin.display(description="status", ordering="status")
    def state(self, row: Destination) -> str:
        return display.state_with_reason(row.status, row.get_status_display(), row.error)

    @admin.display(description="behind")
    def behind(self, row: Any) -> str:
        return behind_text(row.behind_seen or 0, row.behind_since_seen)

    @admin.display(description="behind")
    def behind_now(self, row: Destination) -> str:
        lag = lag_behind(row.checkpoint)
        return behind_text(lag.changes, lag.since)

    @admin.display(description="rows")
    def row_count(self, row: Any) -> str:
        return display.number(row.rows_seen or 0)

    @admin.display(description="rejected")
    def rejected_count(self, row: Any) -> str:
        return display.number(row.rejected_seen or 0)

    @admin.display(description="in step", ordering="caught_up_at")
    def caught_up(self, row: Destination) -> str:
        return display.ago(row.caught_up_at)

    @admin.display(description="access")
    def lent_by(self, row: Destination) -> str:
        return link_to(row.connection) if row.connection else "its own, sealed"

    # What people do

    def add_through_service(self, request: HttpRequest, values: dict[str, Any]) -> str:
        kind = get_destination_type(values["type"])
        entered = {field.name: values[field.name] for field in kind.fields if values[field.name]}
        secret = {field.name for field in kind.fields if field.secret}
        made = create_destination(
            type=kind.slug,
            name=values["name"],
            settings={name: text for name, text in entered.items() if name not in secret},
            secrets={name: text for name, text in entered.items() if name in secret},
            connection=values["connection"],
            actor=self.actor_of(request),
        )
        return f"{made} is added. Give it a route, so that it writes."

    def save_model(self, request: HttpRequest, obj: Destination, form: Any, change: bool) -> None:
        if "name" in form.changed_data:
            change_destination(destination=obj, name=obj.name, actor=self.actor_of(request))

    def button_for(self, action: str, row: Destination) -> str:
        if action != "look_again":
            return ""
        return "Resume" if row.is_paused else "Look again now"

    def fits(self, action: str, row: Destination) -> bool:
        return action != "pause" or not row.is_paused

    look_again = service_action(
        "Resume or look again",
        lambda row, actor: resume_destination(destination=row, actor=actor),
        done="due now; a worker begins within seconds",
    )

    @admin.action(description="Write everything again", permissions=["operate"])
    def rewrite(
        self, request: HttpRequest, queryset: models.QuerySet[Destination]
    ) -> TemplateResponse | None:
        return self.act(
            request,
            queryset,
            lambda row, actor: rewrite_destination(
                destination=row, forget_tables=request.POST["option"] == FORGET, actor=actor
            ),
            done="due now; every row is written again",
            ask=REWRITE,
        )

    pause = service_action(
        "Pause",
        lambda row, actor: pause_destination(destination=row, actor=actor),
        done="paused; its checkpoint stays",
    )

    remove = service_action(
        "Remove",
        lambda row, actor: delete_destination(destination=row, actor=actor),
        done="removed; the rows stay where they are",
        ask=REMOVE,
        permission="manage",
    )

    # The pages

    def get_urls(self) -> list[URLPattern]:
        access = self.admin_site.admin_view(self.access_view)
        progress = self.admin_site.admin_view(self.progress_view)
        name = "integrations_destination_access"
        return [
            path("<path:object_id>/access/", access, name=name),
            path("progress/", progress, name=PROGRESS),
            *super().get_urls(),
        ]

    def progress_view(self, request: HttpRequest) -> JsonResponse:
        """How far the destinations' runs asked for have come, in the shape of a sync's."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        runs = DestinationRun.objects.filter(pk__in=ids_asked_for(request))
        return JsonResponse({"runs": [for_script(run) for run in runs]})

    def access_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Enter another access, for instance because the present one was withdrawn."""
        destination = self.get_object(request, object_id)
        if destination is None:
            return self._gone(request, object_id)
        if not self.has_change_permission(request, destination):
            raise PermissionDenied
        kind = get_destination_type(destination.type)
        form = AccessForm(request.POST or None, kinds=[kind])
        if form.is_valid():
            given = form.cleaned_data
            lender = given.pop("connection")
            try:
                change_destination(
                    destination=destination,
                    secrets={name: text for name, text in given.items() if text},
                    connection=lender,
                    actor=self.actor_of(request),
                )
            except HubError as refusal:
                form.add_error(None, str(refusal))
            else:
                self.message_user(request, "The access is changed; a worker tries it now.")
                page = reverse("admin:integrations_destination_change", args=[destination.pk])
                return HttpResponseRedirect(page)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Another access for {destination}",
            "opts": self.opts,
            "form": form,
            "button": "Save",
            "hint": "What was entered before is replaced.",
        }
        return TemplateResponse(request, "admin/service_form.html", context)

    def detail_of(self, request: HttpRequest, destination: Destination) -> dict[str, Any]:
        query = urlencode({"destination": destination.pk})
        return {
            "destination": destination,
            "may_route": self.has_operate_permission(request),
            "may_change": self.has_change_permission(request),
            "add_route": f"{reverse('admin:integrations_route_add')}?{query}",
            "routes": routes_table(destination),
            "runs": runs_table(destination),
            "is_at_work": destination.runs.filter(state=DestinationRun.State.RUNNING).exists(),
            "refused": refused_table(destination),
        }

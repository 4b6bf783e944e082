"""Routes inside a tenant: a form with lines for columns and filter, and a preview below it."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from hub import display, sites
from hub.audit.admin import Question, service_action
from integrations.admin.base import link_to
from integrations.admin.labels import RecordTypeFilter
from integrations.admin.route_text import filter_from, filter_text, mapping_from, mapping_text
from integrations.destinations.columns import default_columns, table_for
from integrations.destinations.conditions import OPS
from integrations.errors import HubError, InvalidInputError
from integrations.models import Connection, Destination, Route
from integrations.records import RECORD_TYPES, shape_of
from integrations.services.routes import (
    PreviewRow,
    change_route,
    create_route,
    delete_route,
    preview_route,
)
from tenants.admin.base import TenantModelAdmin
from tenants.roles import Role

REMOVE = Question(
    "Remove routes?",
    "What they wrote stays at the destination and is kept in step no more.",
    "Remove",
)
LINES = {"rows": 8, "class": "vLargeTextField lines", "spellcheck": "false"}


class RouteForm(forms.Form):
    destination = forms.ModelChoiceField(queryset=Destination.objects.none(), empty_label=None)
    connection = forms.ModelChoiceField(
        queryset=Connection.objects.none(), required=False, empty_label="All connections"
    )
    record_type = forms.ChoiceField(
        choices=[(slug, table_for(slug)) for slug in RECORD_TYPES], label="Records"
    )
    entity_type = forms.CharField(
        max_length=60,
        required=False,
        label="Only entity type",
        help_text="As the provider calls it, such as companies. Empty: whatever becomes such "
        "records.",
    )
    table = forms.CharField(
        max_length=100, required=False, help_text="Empty: named after the records."
    )
    name = forms.CharField(max_length=200, required=False, help_text="What people here call it.")
    mapping = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs=LINES),
        label="Columns",
        help_text="One on each line: City = address.city, or Write to = emails.0 as email, or "
        'Origin = "CRM". Empty: every field, under a name people read.',
    )
    filter = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={**LINES, "rows": 4}),
        label="Only where",
        help_text=f"One on each line, all must hold: status is won. There are {', '.join(OPS)}.",
    )
    is_active = forms.BooleanField(required=False, initial=True, label="Active")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["destination"].queryset = Destination.objects.all()  # type: ignore[attr-defined]
        self.fields["connection"].queryset = Connection.objects.present()  # type: ignore[attr-defined]
        for name in ("entity_type", "table", "name"):
            self.fields[name].widget.attrs["class"] = "vTextField"


@admin.register(Route, site=sites.tenant)
class RouteAdmin(TenantModelAdmin):
    """Which records go to which table, with a look at real records before it is saved."""

    place = 16
    nothing_yet = "No route yet. A destination writes what its routes say: add one to begin."
    add_role = Role.OPERATOR
    change_role = Role.OPERATOR
    actions = ("switch_on", "switch_off", "remove")
    list_display = ("name", "destination_link", "records", "table", "columns", "state")
    list_filter = ("is_active", "destination", RecordTypeFilter)
    list_select_related = ("destination", "connection")
    search_fields = ("name", "table", "record_type", "entity_type")
    search_help_text = "Name, table, record type or entity type."
    ordering = ("destination__name", "name")

    @admin.display(description="destination", ordering="destination__name")
    def destination_link(self, route: Route) -> str:
        return link_to(route.destination)

    @admin.display(description="records", ordering="record_type")
    def records(self, route: Route) -> str:
        what = route.entity_type or table_for(route.record_type)
        return display.with_note(what, route.connection or "all connections")

    @admin.display(description="columns")
    def columns(self, route: Route) -> str:
        return display.number(len(route.mapping)) if route.mapping else "every field"

    @admin.display(description="state", ordering="is_active")
    def state(self, route: Route) -> str:
        return display.badge("active") if route.is_active else display.badge("off")

    # Actions

    def fits(self, action: str, row: Route) -> bool:
        return action == "remove" or (action == "switch_off") == row.is_active

    switch_on = service_action(
        "Switch on",
        lambda route, actor: change_route(route=route, changes={"is_active": True}, actor=actor),
        done="switched on; what it takes is compared",
    )

    switch_off = service_action(
        "Switch off",
        lambda route, actor: change_route(route=route, changes={"is_active": False}, actor=actor),
        done="switched off; their rows stay as they are",
    )

    remove = service_action(
        "Remove",
        lambda route, actor: delete_route(route=route, actor=actor),
        done="removed; what they wrote stays",
        ask=REMOVE,
    )

    # The form

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        asked = {"destination": _id(request.GET.get("destination", "")), "is_active": True}
        return self._form_view(request, None, RouteForm(request.POST or None, initial=asked))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        route = self.get_object(request, object_id)
        if route is None:
            return self._gone(request, object_id)
        if not self.has_view_or_change_permission(request, route):
            raise PermissionDenied
        form = RouteForm(request.POST or None, initial=_typed(route))
        form.fields["destination"].disabled = True
        if not self.has_change_permission(request, route):
            if request.method == "POST":
                raise PermissionDenied
            for field in form.fields.values():
                field.disabled = True
        return self._form_view(request, route, form)

    def _form_view(
        self, request: HttpRequest, route: Route | None, form: RouteForm
    ) -> HttpResponse:
        """Save, or show the form with what the route would write."""
        preview: SafeString | str = ""
        record_type = route.record_type if route else "person"
        try:
            if request.method == "POST" and form.is_valid():
                values = _read(form.cleaned_data)
                record_type = values["record_type"]
                if "save" in request.POST:
                    return self._saved(request, route, values)
                preview = preview_table(preview_route(Route(**values)))
            elif route is not None and request.method != "POST":
                preview = preview_table(preview_route(route))
        except HubError as refusal:
            _tell(form, refusal)
        opts = self.opts
        context = {
            **self.admin_site.each_context(request),
            "title": str(route) if route else "Add a route",
            "opts": opts,
            "form": form,
            "original": route,
            "may_save": route is None or self.has_change_permission(request, route),
            "preview": preview,
            "fields_there": fields_table(record_type),
            "record_type": record_type,
            "act_url": reverse("admin:integrations_route_act", args=[route.pk]) if route else "",
            "act_buttons": self._buttons(request, route) if route else [],
        }
        return TemplateResponse(request, "admin/route_form.html", context)

    def _buttons(self, request: HttpRequest, route: Route) -> list[tuple[str, str]]:
        offered: dict[str, Any] = self.get_actions(request)
        return [(name, said) for name, (_, _, said) in offered.items() if self.fits(name, route)]

    def _saved(
        self, request: HttpRequest, route: Route | None, values: dict[str, Any]
    ) -> HttpResponse:
        actor = self.actor_of(request)
        if route is None:
            route = create_route(**values, actor=actor)
        else:
            changes = {name: value for name, value in values.items() if name != "destination"}
            route = change_route(route=route, changes=changes, actor=actor)
        said = f"{route} is saved; what it takes is compared with what is there."
        self.message_user(request, said, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:integrations_route_change", args=[route.pk]))


def preview_table(rows: list[PreviewRow]) -> SafeString | str:
    """One line per record: what happens to it, then its cells."""
    names = list(dict.fromkeys(name for row in rows for name in row.cells))
    return display.table(
        ("Record", "What happens", *names),
        [
            (
                row.title,
                display.state_with_reason(row.verdict, row.verdict.capitalize(), row.reason),
                *(_cell(row.cells.get(name)) for name in names),
            )
            for row in rows
        ],
    )


def fields_table(record_type: str) -> SafeString | str:
    """What a column can be made from."""
    kinds = {column.source: column.kind for column in default_columns(record_type)}
    return display.table(
        ("Field", "Holds", "Usually written as"),
        [(s.name, s.kind, kinds[s.name]) for s in shape_of(RECORD_TYPES[record_type])],
    )


def _cell(value: Any) -> str:
    if value in (None, ""):
        return display.NONE
    if isinstance(value, bool):
        return "✓" if value else "–"
    text = str(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _typed(route: Route) -> dict[str, Any]:
    """The route as the form shows it."""
    named = ("record_type", "entity_type", "table", "name", "is_active")
    return {
        **{name: getattr(route, name) for name in named},
        "destination": route.destination_id,
        "connection": route.connection_id,
        "mapping": mapping_text(route.mapping),
        "filter": filter_text(route.filter),
    }


def _read(cleaned: dict[str, Any]) -> dict[str, Any]:
    """What the form says, as the services take it."""
    return {
        **cleaned,
        "mapping": mapping_from(cleaned["mapping"]),
        "filter": filter_from(cleaned["filter"]),
    }


def _tell(form: RouteForm, refusal: HubError) -> None:
    fields = refusal.errors if isinstance(refusal, InvalidInputError) else {}
    known = {name: said for name, said in fields.items() if name in form.fields}
    form.full_clean()
    for name, sentences in known.items():
        form.add_error(name, sentences)
    if not known:
        form.add_error(None, str(refusal))


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

"""Connections inside a tenant: how they do, and the buttons for what people do with them."""

from datetime import datetime
from operator import attrgetter
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from hub import display, sites
from hub.fleet.models import Due
from integrations.admin.base import link_to
from integrations.admin.connection_control import INTERVALS, ConnectionControl, control_of
from integrations.admin.deletion_reviews import waiting
from integrations.admin.entity_shapes import drift_of
from integrations.admin.labels import ProviderFilter, as_declared, plain_label, provider_label
from integrations.admin.progress import duration_text, progress_bar
from integrations.admin.through_composio import ThroughComposio
from integrations.errors import HubError, PermissionRefusedError
from integrations.models import Connection, SyncRun
from integrations.services.connect_links import connect_url, create_connect_session
from integrations.services.connections import change_interval, rename_connection
from integrations.sync.health import SCOPES_MISSING
from tenants.admin.base import TenantModelAdmin
from tenants.roles import Role

RECENT_RUNS = 10
SIGN_IN = {
    "oauth2": "Consent of a user (OAuth 2)",
    "api_key": "A key",
    "basic": "User name and password",
    "client_credentials": "Client credentials",
}


@admin.register(Connection, site=sites.tenant)
class ConnectionAdmin(ThroughComposio, ConnectionControl, TenantModelAdmin):
    """The tenant's connections. Their credentials are on no page."""

    class Media:
        js = ("hub/progress.js",)

    place = 10
    nothing_yet = "Nothing is connected yet. Press Connect above to choose a provider."
    change_role = Role.OPERATOR
    list_display = ("called", "state", "last_success", "every")
    list_filter = ("status", ProviderFilter)
    list_select_related = True
    search_fields = ("name", "account_label", "=account_id", "provider")
    search_help_text = "Name, account, account id or provider."
    ordering = ("provider", "name")
    change_form_template = "admin/connection.html"
    change_list_template = "admin/connections.html"
    fieldsets = (
        (None, {"fields": ("name", "provider_shown", "account", "state", "customer_message")}),
        ("Rhythm", {"fields": ("interval_seconds", "next_run", "last_success", "created_at")}),
        (
            "Access",
            {
                "fields": ("signed_in", "granted", "access_expires_at", "source_system"),
                "description": "Credentials are sealed; no page shows them.",
            },
        ),
        ("Details", {"classes": ("collapse",), "fields": ("id", "extra_shown", "settings_shown")}),
    )

    readonly_fields = (
        "provider_shown",
        "account",
        "state",
        "customer_message",
        "next_run",
        "last_success",
        "created_at",
        "signed_in",
        "granted",
        "access_expires_at",
        "source_system",
        "id",
        "extra_shown",
        "settings_shown",
    )

    # Columns

    @admin.display(description="connection", ordering="name")
    def called(self, connection: Connection) -> str:
        about = f"{provider_label(connection.provider)} · {self.account(connection)}"
        if connection.name == about:  # as it is until somebody names it
            return about
        return display.with_note(connection.name, about)

    @admin.display(description="provider", ordering="provider")
    def provider_shown(self, connection: Connection) -> str:
        return provider_label(connection.provider)

    @admin.display(description="account", ordering="account_label")
    def account(self, connection: Connection) -> str:
        return connection.account_label or connection.account_id or display.NONE

    @admin.display(description="status", ordering="status")
    def state(self, connection: Connection) -> str:
        label = connection.get_status_display()
        return display.state_with_reason(connection.status, label, connection.error)

    @admin.display(description="last success", ordering="last_success_at")
    def last_success(self, connection: Connection) -> str:
        return display.ago(connection.last_success_at)

    @admin.display(description="every", ordering="interval_seconds")
    def every(self, connection: Connection) -> str:
        return display.span_text(connection.interval_seconds)

    @admin.display(description="next run")
    def next_run(self, connection: Connection) -> str:
        due = Due.objects.for_object(connection).filter(lane="live").first()
        if due is None:
            return display.NONE
        if due.run_id:
            return "a run is open"
        return display.due(due.due_at)

    @admin.display(description="sign-in")
    def signed_in(self, connection: Connection) -> str:
        return SIGN_IN.get(connection.auth_kind) or plain_label(connection.auth_kind)

    @admin.display(description="granted scopes")
    def granted(self, connection: Connection) -> str:
        return ", ".join(connection.granted_scopes) or display.NONE

    @admin.display(description="provider's own details")
    def extra_shown(self, connection: Connection) -> str:
        return display.pretty_json(connection.extra)

    @admin.display(description="settings")
    def settings_shown(self, connection: Connection) -> str:
        return display.pretty_json(connection.settings)

    # Changes

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any
    ) -> Any:
        """With the usual intervals to choose from, and the one that is set."""
        form = super().get_form(request, obj, change, **options)
        if "interval_seconds" in form.base_fields and obj is not None:
            offered = sorted({*INTERVALS, obj.interval_seconds})
            form.base_fields["interval_seconds"] = forms.TypedChoiceField(
                choices=[(n, f"every {display.span_text(n)}") for n in offered],
                coerce=int,
                label="Read",
            )
        return form

    def save_model(self, request: HttpRequest, obj: Connection, form: Any, change: bool) -> None:
        actor = self.actor_of(request)
        if "name" in form.changed_data:
            rename_connection(connection=obj, name=obj.name, actor=actor)
        if "interval_seconds" in form.changed_data:
            change_interval(connection=obj, seconds=obj.interval_seconds, actor=actor)

    # Pages

    def get_urls(self) -> list[URLPattern]:
        connect = self.admin_site.admin_view(self.connect_view)
        return [
            path("connect/", connect, name="integrations_connection_connect"),
            *super().get_urls(),
        ]

    def connect_view(self, request: HttpRequest) -> HttpResponse:
        """Make a connect session, for any provider or to reconnect `id`, and go to its page.

        With `copy` the link is shown instead, for somebody else to open.
        """
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        connection = None
        if wanted := request.POST.get("id"):
            connection = self.get_object(request, wanted)
            if connection is None:
                raise Http404("There is no such connection.")
        try:
            session, token = create_connect_session(
                tenant=request.tenant,  # type: ignore[attr-defined]
                actor=self.actor_of(request),
                connection=connection,
            )
        except PermissionRefusedError as refusal:
            raise PermissionDenied(str(refusal)) from refusal
        except HubError as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:integrations_connection_changelist"))
        if "copy" not in request.POST:
            return HttpResponseRedirect(connect_url(token))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Link to reconnect {connection}" if connection else "Connect link",
            "opts": self.opts,
            "link": connect_url(token),
            "expires_at": display.exact(session.expires_at),
        }
        return TemplateResponse(request, "admin/connect_link.html", context)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        may = {"may_connect": self.has_operate_permission(request)}
        return super().changelist_view(request, {**may, **(extra_context or {})})

    def detail_of(self, request: HttpRequest, connection: Connection) -> dict[str, Any]:
        runs = list(connection.sync_runs.all()[:RECENT_RUNS])
        waits = connection.status in (Connection.Status.NEEDS_REAUTH, Connection.Status.BROKEN)
        lacks_scopes = connection.error_code == SCOPES_MISSING
        may_reconnect = (waits or lacks_scopes) and self.has_operate_permission(request)
        reviews = connection.deletion_reviews.pending().defer("record_ids")
        drift = drift_of(connection)
        return {
            **control_of(connection),
            "may_control": not connection.is_leaving and self.has_operate_permission(request),
            "connection": connection,
            "waiting": waiting(reviews.select_related("connection")),
            "may_reconnect": may_reconnect,
            "more_acts": may_reconnect,
            "disconnection": _steps(connection) if connection.is_leaving else "",
            "entity_types": display.table(
                ("Entity type", "State", "Generation", "Last full read", "Checkpoint", "Fields"),
                [
                    (
                        status.entity_type,
                        status.unavailable_reason
                        or display.badge("done" if status.is_complete else "reading"),
                        status.generation,
                        display.ago(status.full_read_at),
                        display.ago(status.checkpoint_at),
                        drift.get(status.entity_type, display.NONE),
                    )
                    for status in as_declared(
                        connection.provider,
                        connection.entity_type_statuses.all(),
                        attrgetter("entity_type"),
                    )
                ],
            ),
            "checkpoints": display.table(
                ("Entity type", "Scope", "Destination", "Generation", "Position", "Committed"),
                [
                    (
                        checkpoint.entity_type,
                        checkpoint.scope or display.NONE,
                        checkpoint.destination,
                        checkpoint.generation,
                        display.pretty_json(checkpoint.cursor),
                        display.ago(checkpoint.committed_at),
                    )
                    for checkpoint in connection.checkpoints.all()[:50]
                ],
            ),
            "runs": display.table(
                ("Run", "Mode", "State", "Read", "Changed", "Rejected", "Duration", "Error"),
                [_run_row(run) for run in runs],
            ),
        }


def _steps(connection: Connection) -> SafeString | str:
    """How far the last disconnect is, step by step."""
    asked = connection.disconnections.first()
    if asked is None:
        return ""
    return display.table(
        ("Step", "Outcome", "What happened", "When"),
        [
            (
                line["name"].capitalize(),
                display.badge(line["outcome"]),
                line["sentence"],
                display.ago(datetime.fromisoformat(line["at"])),
            )
            for line in asked.lines
        ],
    )


def _run_row(run: SyncRun) -> tuple[object, ...]:
    totals = run.totals
    return (
        link_to(run, display.ago(run.created_at)),
        run.get_mode_display(),
        progress_bar(run) if run.is_open else display.badge(run.state, run.get_state_display()),
        totals["read"],
        totals["inserted"] + totals["updated"] + totals["deleted"],
        totals["rejected"],
        duration_text(run),
        run.error or display.NONE,
    )

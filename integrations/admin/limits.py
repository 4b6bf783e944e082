"""Circuit breakers and rate budgets at operations: what is held back, since when, and by what."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from hub import display, sites
from hub.audit.admin import CappedPaginator, Question, service_action
from hub.connect.models import ProviderApp
from hub.fleet.limits import Circuit, RateBudget
from hub.fleet.models import ConnectionStatus, DestinationStatus
from integrations.admin.labels import ProviderFilter, provider_label
from integrations.connectors.registry import all_connectors
from integrations.services.budgets import end_pause, pause_budget
from integrations.services.circuits import reset_circuit, trip_circuit, trip_provider
from tenants.admin.base import AddedByService, OpsAdmin, OpsReadOnlyAdmin, TenantFilter
from tenants.models import Tenant

STATES = {
    Circuit.State.CLOSED: ("active", "Closed"),
    Circuit.State.OPEN: ("failed", "Open"),
    Circuit.State.HALF_OPEN: ("running", "One trial"),
}
NAMES_SHOWN = 3
HOLD = Question(
    "Hold these circuits open?",
    "Their calls fail at once until somebody resets them. Syncs wait, nothing is lost, and what "
    "was synced stays readable.",
    "Hold open",
)

PAUSE = Question(
    "Pause these budgets?",
    "Nothing is asked from them until the time is over. Syncs wait, nothing is lost, and what was "
    "synced stays readable.",
    "Pause",
    options=(
        ("900", "For 15 minutes."),
        ("3600", "For an hour."),
        ("21600", "For six hours."),
        ("86400", "For a day."),
    ),
)
ASK_AGAIN = Question(
    "Ask again now?",
    "The pause is over for everybody. What was used still counts, and a provider that asked for "
    "the pause may refuse. The connections named as waiting go on at once; others come back when "
    "they were told to.",
    "Ask again now",
)


class NamedList(ChangeList):
    """A list whose rows know the names of what they belong to, in three statements."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: Any = named(self.result_list)


class NamedRows(OpsAdmin):
    """Rows shown with the names of what they belong to, see `named`."""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return NamedList

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        return named([found])[0] if found else None

    def act(
        self,
        request: HttpRequest,
        rows: Iterable[Any],
        call: Callable[[Any, Any], Any],
        **how: Any,
    ) -> TemplateResponse | None:
        return super().act(request, named(rows), call, **how)

    def title_of(self, obj: Any) -> str:
        return " · ".join(filter(None, (obj.label, obj.note)))

    @admin.display(description="tenant", ordering="tenant_id")
    def tenant(self, row: Any) -> str:
        return row.tenant_name or display.NONE


class TenantIdFilter(TenantFilter):
    column = "tenant_id"


class CircuitForm(forms.Form):
    provider = forms.ChoiceField(
        choices=lambda: [(each.provider.slug, each.provider.label) for each in all_connectors()]
    )
    reason = forms.CharField(
        max_length=200, label="Why", help_text="Shown to whoever looks, and kept in the audit log."
    )


@admin.register(Circuit, site=sites.ops)
class CircuitAdmin(AddedByService, NamedRows):
    """Breakers that have seen a failure; a provider without trouble has none."""

    place = 40
    nothing_yet = "No circuit has seen a failure. To stop all calls to a provider, add a hold."
    paginator = CappedPaginator
    list_display = ("what", "tenant", "held", "failures", "since", "next_trial")
    list_filter = ("state", "scope", ProviderFilter, TenantIdFilter)
    search_fields = ("provider", "owner", "reason")
    search_help_text = "Provider, connection id or reason."
    ordering = ("-state", "-changed_at", "id")  # open, one trial, closed
    fields = ("what", "tenant", "held", "failures", "since", "next_trial", "updated_at", "name")
    actions = ("trip", "reset")
    service_form = CircuitForm
    service_title = "Hold a provider's calls"
    service_button = "Hold"
    service_hint = (
        "Every call to the provider fails at once until somebody resets the circuits. Syncs wait, "
        "nothing is lost, and what was synced stays readable."
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def fits(self, action: str, row: Any) -> bool:
        if action == "reset":
            return not row.is_closed or row.failures > 0
        return not row.is_tripped

    @admin.display(description="circuit", ordering="provider")
    def what(self, circuit: Any) -> str:
        return display.with_note(circuit.label, circuit.note)

    @admin.display(description="state", ordering="state")
    def held(self, circuit: Circuit) -> str:
        tone, word = STATES[Circuit.State(circuit.state)]
        if circuit.is_tripped:
            word = "Held open"
        return display.state_with_reason(tone, word, circuit.reason)

    @admin.display(description="since", ordering="changed_at")
    def since(self, circuit: Circuit) -> str:
        return display.ago(circuit.changed_at)

    @admin.display(description="next trial", ordering="retry_at")
    def next_trial(self, circuit: Circuit) -> str:
        if circuit.is_closed:
            return display.NONE
        return "when reset" if circuit.is_tripped else display.ago(circuit.retry_at)

    def add_through_service(self, request: HttpRequest, values: dict[str, Any]) -> str:
        count = trip_provider(**values, actor=self.actor_of(request))
        return f"Held: {count} circuit{'s' if count != 1 else ''}."

    trip = service_action(
        "Hold open",
        lambda circuit, actor: trip_circuit(circuit=circuit, reason="Held open", actor=actor),
        done="held open",
        ask=HOLD,
    )

    reset = service_action(
        "Reset",
        lambda circuit, actor: reset_circuit(circuit=circuit, actor=actor),
        done="reset; calls pass from the next second on",
    )


@admin.register(RateBudget, site=sites.ops)
class RateBudgetAdmin(NamedRows, OpsReadOnlyAdmin):
    """What may be asked of providers, how much of it is used, and who waits.

    Counted and paused by the engine; a person may pause one too, or end its pause.
    """

    place = 50
    nothing_yet = "No call was made yet; budgets appear with the first one."
    paginator = CappedPaginator
    list_display = ("what", "tenant", "allowance", "use", "waits")
    list_filter = ("scope", "kind", ProviderFilter, TenantIdFilter)
    search_fields = ("provider", "owner")
    search_help_text = "Provider, account, host or connection id."
    ordering = ("-updated_at", "id")
    fields = ("what", "tenant", "allowance", "use", "waits", "last_used", "name")
    actions = ("pause", "ask_again")

    def fits(self, action: str, row: Any) -> bool:
        if action == "ask_again":
            return row.paused_until is not None
        return bool(row.kind == RateBudget.Kind.BUDGET)

    @admin.display(description="budget of", ordering="provider")
    def what(self, budget: Any) -> str:
        return display.with_note(budget.label, budget.note)

    @admin.display(description="limit", ordering="requests")
    def allowance(self, budget: RateBudget) -> str:
        if budget.kind == RateBudget.Kind.SLOTS:
            return f"{budget.allowed} at one time"
        text = f"{budget.requests:,} in {display.span_text(budget.per_seconds)}"
        return text if budget.path == "*" else display.with_note(text, budget.path)

    @admin.display(description="used now")
    def use(self, budget: RateBudget) -> str:
        used = min(budget.used, budget.allowed)
        bar = meter(used, budget.allowed)
        if until := budget.paused_until:
            return display.together(
                bar, display.badge("limited", "Paused"), "ends", display.ago(until)
            )
        return bar

    @admin.display(description="waiting")
    def waits(self, budget: Any) -> str:
        names = budget.waiter_names
        if not names:
            return display.NONE
        more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        return f"{', '.join(names[:NAMES_SHOWN])}{more}"

    @admin.display(description="last used", ordering="updated_at")
    def last_used(self, budget: RateBudget) -> str:
        return display.ago(budget.updated_at)

    @admin.action(description="Pause", permissions=["operate"])
    def pause(
        self, request: HttpRequest, queryset: models.QuerySet[RateBudget]
    ) -> TemplateResponse | None:
        return self.act(
            request,
            queryset,
            lambda budget, actor: pause_budget(
                budget=budget, seconds=int(request.POST["option"]), actor=actor
            ),
            done="paused",
            ask=PAUSE,
        )

    ask_again = service_action(
        "Ask again now",
        lambda budget, actor: end_pause(budget=budget, actor=actor),
        done="asked again from the next call on",
        ask=ASK_AGAIN,
    )


def meter(used: int, allowed: int) -> SafeString:
    """A bar of how much is used, and the figures."""
    return format_html(
        '<span class="run-progress"><meter value="{}" max="{}" high="{}"></meter>'
        ' <span class="run-text">{} of {}</span></span>',
        used,
        max(allowed, 1),
        round(0.9 * allowed, 1),
        f"{used:,}",
        f"{allowed:,}",
    )


def named(rows: Iterable[Any]) -> list[Any]:
    """The rows, each with `label`, `note`, `tenant_name` and, if it has waiters, their names."""
    found = list(rows)
    callers = _callers(found)
    tenants = dict(Tenant.objects.filter(pk__in=_ids(found, "tenant_id")).values_list("pk", "name"))
    apps = _apps(found)
    for row in found:
        row.tenant_name = tenants.get(row.tenant_id, "")
        provider = provider_label(row.provider)
        owner = callers.get(row.owner, apps.get(row.owner, row.owner))
        row.note = row.get_scope_display()
        if row.scope == "tenant":
            row.label, row.note = row.tenant_name or row.owner, "All calls of the tenant"
        elif row.scope == "app":
            row.label, row.note = provider, owner or "All connections by key"
        else:
            row.label = provider
            row.note = f"{row.get_scope_display()} {owner}"
        waiting = getattr(row, "waiting", [])
        row.waiter_names = [callers.get(one, one) for one in dict.fromkeys(waiting)]
    return found


def _callers(rows: list[Any]) -> dict[str, str]:
    """{id: name} of the connections and destinations that rows belong to or wait for."""
    asked = [row.owner for row in rows if row.scope == "connection"]
    for row in rows:
        asked += getattr(row, "waiting", [])
    ids = _uuids(asked)
    known = [
        *ConnectionStatus.objects.filter(pk__in=ids).values_list("pk", "account_label"),
        *DestinationStatus.objects.filter(pk__in=ids).values_list("pk", "name"),
    ]
    return {str(pk): name for pk, name in known if name}


def _apps(rows: list[Any]) -> dict[str, str]:
    asked = _uuids(row.owner for row in rows if row.scope == "app")
    apps = ProviderApp.objects.filter(pk__in=asked).select_related("tenant")
    return {
        str(app.pk): f"App of {app.tenant}" if app.tenant else "App for all tenants" for app in apps
    }


def _ids(rows: list[Any], name: str) -> list[UUID]:
    return [value for row in rows if (value := getattr(row, name))]


def _uuids(texts: Iterable[str]) -> list[UUID]:
    """Those that are ids; an account's or a host's name is none."""
    found = []
    for text in texts:
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found

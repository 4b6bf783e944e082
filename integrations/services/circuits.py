"""What operators do with circuit breakers: hold a provider's calls, and let them go again."""

from hub.connect.models import ProviderApp
from hub.fleet.limits import Circuit as CircuitRow
from integrations.connectors.registry import get_connector
from integrations.errors import InvalidInputError, RefusedError
from integrations.resilience.circuit import Circuit
from integrations.resilience.store import Document, Documents, Scope, Subject
from integrations.sync.guards import app_circuit
from integrations.sync.shared import store_of_settings
from tenants.actor import Actor
from tenants.decorators import requires_role
from tenants.roles import Role


@requires_role(Role.ADMIN)
def trip_circuit(*, circuit: CircuitRow, reason: str, actor: Actor) -> None:
    """Open the circuit until somebody resets it; calls fail at once from the next second on.

    Raises:
        RefusedError: a person has opened it already.
    """
    if circuit.is_tripped:
        raise RefusedError(f"{circuit} is held open already.")
    _change([_subject(circuit)], reason, actor)


@requires_role(Role.ADMIN)
def trip_provider(*, provider: str, reason: str, actor: Actor) -> int:
    """Open the circuits of all apps the hub has at a provider; return how many.

    Whoever connects with a key shares one. Safe to call twice.

    Raises:
        UnknownProviderError, InvalidInputError: there is no such provider, or no reason is given.
    """
    slug = get_connector(provider).provider.slug
    if not reason.strip():
        raise InvalidInputError("Say why.", {"reason": ["Say why; the audit log keeps it."]})
    apps = ProviderApp.objects.filter(provider=slug).values_list("pk", flat=True)
    subjects = [app_circuit(slug, owner) for owner in ("", *(str(pk) for pk in apps))]
    _change(subjects, reason, actor)
    return len(subjects)


@requires_role(Role.ADMIN)
def reset_circuit(*, circuit: CircuitRow, actor: Actor) -> None:
    """Close the circuit, as if nothing had failed.

    Raises:
        RefusedError: it is closed, and nothing has failed.
    """
    if circuit.is_closed and not circuit.failures:
        raise RefusedError(f"{circuit} is closed already.")

    def change(documents: Documents, now: float) -> dict[str, Document]:
        return {
            name: Circuit.of_document(kept).reset(now).as_document()
            for name, kept in documents.items()
        }

    store_of_settings(actor=actor).change([_subject(circuit)], change)


def _change(subjects: list[Subject], reason: str, actor: Actor) -> None:
    said = f"{reason.strip() or 'Held'} ({actor.label})"

    def change(documents: Documents, now: float) -> dict[str, Document]:
        return {
            name: Circuit.of_document(kept).tripped(now, said).as_document()
            for name, kept in documents.items()
        }

    store_of_settings(actor=actor).change(subjects, change)


def _subject(circuit: CircuitRow) -> Subject:
    tenant_id = str(circuit.tenant_id or "")
    scope: Scope = "app" if circuit.scope == CircuitRow.Scope.APP else "connection"
    return Subject("circuit", scope, circuit.owner, circuit.provider, tenant_id)

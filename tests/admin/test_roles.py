"""What each role may do inside a tenant: one line per model, and nothing that is not listed."""

import pytest
from django.test import RequestFactory

from hub import sites
from tenants.roles import Role

V, O, A = Role.VIEWER, Role.OPERATOR, Role.ADMIN  # noqa: E741
SYNC = {"sync_now": O, "full_sync": O, "pause": O, "resume": O, "disconnect": A}
LOOK_FIRST = {"preflight": O, "shadow": O, "shadow_full": O}

# Per model the least role that views, adds, changes and deletes (None: nobody), and per action.
TABLE = {
    "connection": (V, None, O, None, {**SYNC, **LOOK_FIRST}),
    "syncrun": (V, None, None, None, {"cancel": O}),
    "shadowdiff": (V, None, None, None, {"cancel": O}),
    "deletionreview": (V, None, None, None, {"approve": O, "refuse": O}),
    "destination": (V, A, A, None, {"look_again": O, "rewrite": O, "pause": O, "remove": A}),
    "route": (V, O, O, None, {"switch_on": O, "switch_off": O, "remove": O}),
    "record": (V, None, None, None, {}),
    "identitygroup": (V, None, None, None, {"confirm": O, "split": O, "never": O}),
    "rejectedrecord": (V, None, None, None, {"replay": O}),
    "entityshape": (V, None, None, None, {}),
    "auditevent": (V, None, None, None, {}),
    "allowedaddress": (V, A, None, None, {}),
    "membership": (A, A, A, A, {}),
    "apikey": (A, A, None, None, {"revoke": A}),
}
MODELS = {model._meta.model_name: admin for model, admin in sites.tenant._registry.items()}


def test_every_model_of_the_tenant_s_admin_is_in_the_table():
    assert set(MODELS) == set(TABLE)


@pytest.mark.parametrize("role", [None, *Role])
@pytest.mark.parametrize("model", TABLE)
def test_a_role_may_do_exactly_what_the_table_says(model, role, rf: RequestFactory):
    admin, request = MODELS[model], rf.get("/")
    request.role = role
    *needed, actions = TABLE[model]

    def allowed(needs: Role | None) -> bool:
        return needs is not None and role is not None and role.includes(needs)

    may = (
        admin.has_view_permission(request),
        admin.has_add_permission(request),
        admin.has_change_permission(request),
        admin.has_delete_permission(request),
    )
    assert may == tuple(allowed(needs) for needs in needed)
    assert set(admin.get_actions(request)) == {
        name for name, needs in actions.items() if allowed(needs)
    }
    assert admin.has_module_permission(request) == allowed(needed[0])

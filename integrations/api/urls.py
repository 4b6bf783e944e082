"""Version 1 of the API. What is here stays as it is; what must change incompatibly goes to v2."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from integrations.api.changes import ChangesView
from integrations.api.composio import ComposioConnectionView, ComposioLinkView
from integrations.api.connect_sessions import ConnectSessionView
from integrations.api.connect_settings import ConnectSettingsView
from integrations.api.connections import ConnectionViewSet
from integrations.api.deletion_reviews import DeletionReviewViewSet
from integrations.api.destinations import (
    DestinationRunViewSet,
    DestinationViewSet,
    RejectedRowViewSet,
)
from integrations.api.identity_groups import IdentityGroupViewSet
from integrations.api.providers import ProviderViewSet
from integrations.api.records import RecordViewSet
from integrations.api.routes import RouteViewSet
from integrations.api.shadow_diffs import ShadowDiffViewSet
from integrations.api.sync_runs import SyncRunViewSet
from integrations.api.token import TokenView

router = SimpleRouter(use_regex_path=False)
router.register("providers", ProviderViewSet, "provider")
router.register("connections", ConnectionViewSet, "connection")
router.register("connections/<uuid:connection_id>/sync-runs", SyncRunViewSet, "sync-run")
router.register("connections/<uuid:connection_id>/shadow-diffs", ShadowDiffViewSet, "shadow-diff")
router.register("records", RecordViewSet, "record")
router.register("identity-groups", IdentityGroupViewSet, "identity-group")
router.register("deletion-reviews", DeletionReviewViewSet, "deletion-review")
router.register("destinations", DestinationViewSet, "destination")
router.register("destinations/<uuid:destination_id>/routes", RouteViewSet, "route")
router.register("destinations/<uuid:destination_id>/runs", DestinationRunViewSet, "destination-run")
router.register("destinations/<uuid:destination_id>/rejected", RejectedRowViewSet, "rejected-row")

urlpatterns = [
    path("token/", TokenView.as_view(), name="token"),
    path("changes/", ChangesView.as_view(), name="changes"),
    path("connect-sessions/", ConnectSessionView.as_view(), name="connect-session"),
    path("connect-settings/", ConnectSettingsView.as_view(), name="connect-settings"),
    path("composio/links/", ComposioLinkView.as_view(), name="composio-link"),
    path("composio/connections/", ComposioConnectionView.as_view(), name="composio-connection"),
    *router.urls,
]

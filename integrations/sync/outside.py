"""How this installation reaches the outside, as its settings say."""

from django.conf import settings

from integrations.http.composio import Gateway
from integrations.http.egress import Egress


def egress_of_settings() -> Egress:
    """Return the door out that HUB_PROVIDER_ADDRESSES and HUB_EGRESS_… describe."""
    return Egress(
        addresses=settings.HUB_PROVIDER_ADDRESSES,
        proxy=settings.HUB_EGRESS_PROXY,
        ca_bundle=settings.HUB_EGRESS_CA_BUNDLE,
        allow=tuple(settings.HUB_EGRESS_ALLOW),
    )


def gateway_of_settings(api_key: str) -> Gateway:
    """Return the project at Composio that this key opens, where HUB_COMPOSIO_URL has it."""
    return Gateway(api_key, settings.HUB_COMPOSIO_URL)

"""The one Egress of this process, made from the settings."""

from functools import cache

from django.conf import settings

from integrations.http.egress import Egress


@cache
def egress() -> Egress:
    """How this installation reaches the outside: addresses replaced, proxy, CA bundle, allowed."""
    return Egress(
        addresses=settings.HUB_PROVIDER_ADDRESSES,
        proxy=settings.HUB_EGRESS_PROXY,
        ca_bundle=settings.HUB_EGRESS_CA_BUNDLE,
        allow=tuple(settings.HUB_EGRESS_ALLOW),
    )

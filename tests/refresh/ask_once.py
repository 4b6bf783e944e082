"""A process that asks for access once: `python -m tests.refresh.ask_once <connection>`.

The access is let end in a second first. Prints {"token": …} or {"error": …}.
"""

import json
import sys
from datetime import timedelta

import django

django.setup()

from django.utils import timezone  # noqa: E402

from integrations.errors import HubError  # noqa: E402
from integrations.models import Connection  # noqa: E402
from integrations.sync.credentials import access_for  # noqa: E402
from tenants.actor import Actor  # noqa: E402
from tenants.context import get_tenant, in_tenant  # noqa: E402

with in_tenant(get_tenant("acme")):
    soon = timezone.now() + timedelta(seconds=1)
    Connection.objects.filter(pk=sys.argv[1]).update(access_expires_at=soon)
    row = Connection.objects.get(pk=sys.argv[1])
    try:
        found = access_for(row, actor=Actor.system("worker"), reason="sync")
        print(json.dumps({"token": found.access_token}))
    except HubError as exc:
        print(json.dumps({"error": exc.code}))

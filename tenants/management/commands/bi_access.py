"""`manage.py bi_access --tenant acme`: a login for BI tools, and how to connect with it."""

from argparse import ArgumentParser
from typing import Any
from urllib.parse import quote

from django.core.management.base import BaseCommand, CommandError

from integrations.errors import HubError
from tenants.actor import Actor
from tenants.bi_access import (
    CONNECTIONS,
    SETTINGS,
    Login,
    open_bi_access,
    revoke_bi_access,
    rotate_bi_access,
)
from tenants.context import get_tenant
from tenants.views import views_of

ACTOR = Actor.system("bi_access")


class Command(BaseCommand):
    help = "Make, rotate or revoke the login with which BI tools read a tenant's views."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tenant", required=True, help="its name in addresses, such as acme")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--rotate", action="store_true", help="give the login a new password")
        what.add_argument("--revoke", action="store_true", help="end the login and its sessions")

    def handle(self, *args: Any, tenant: str, rotate: bool, revoke: bool, **options: Any) -> None:
        try:
            found = get_tenant(tenant)
            if revoke:
                revoke_bi_access(tenant=found, actor=ACTOR)
                self.stdout.write(f"Nobody reads {tenant} with a BI tool any more.")
                return
            make = rotate_bi_access if rotate else open_bi_access
            login = make(tenant=found, actor=ACTOR)
        except HubError as exc:
            raise CommandError(str(exc)) from exc
        self.stdout.write(instructions(login, views_of(found.schema_name)))


def instructions(login: Login, views: list[str]) -> str:
    """What to enter in a BI tool, with examples; the only place where the password is shown."""
    host = quote(login.host, safe="")
    place = f"?host={host}&port={login.port}" if login.is_local else f"?sslmode={login.sslmode}"
    server = "" if login.is_local else f"{login.host}:{login.port}"
    address = f"{login.user}:{login.password}@{server}/{quote(login.database)}{place}"
    rows = {
        "host": login.host,
        "port": login.port,
        "database": login.database,
        "user": login.user,
        "password": login.password,
        "schema": login.schema,
        "sslmode": "not used: a socket of this machine" if login.is_local else login.sslmode,
    }
    lines = [
        *(f"{name:<10}{value}" for name, value in rows.items()),
        "",
        "The password is shown this once; --rotate makes a new one, --revoke ends the login.",
        f"It reads these views: {', '.join(views)}.",
        f"At most {CONNECTIONS} connections; a statement may take {SETTINGS['statement_timeout']}.",
        "",
        f"psql        psql 'postgresql://{address}'",
        f"SQLAlchemy  create_engine('postgresql+psycopg://{address}')",
        "Metabase    Add a PostgreSQL database with the rows above; of its schemas only this one",
        "",
        "To begin with: SELECT name, amount, currency, stage, company FROM deal LIMIT 10",
    ]
    if login.is_local:
        lines += [
            "",
            "This database was reached through a socket, which answers on this machine only. For a",
            "BI tool elsewhere, run the hub on a PostgreSQL server with an address (DATABASE_URL).",
        ]
    elif login.sslmode == "disable":
        lines += [
            "",
            "The server speaks no TLS: switch it on before anybody connects from outside.",
        ]
    for what in login.left_open:
        lines += ["", f"Left open: like everybody in this database, it may {what}; see docs/bi.md."]
    return "\n".join(lines)

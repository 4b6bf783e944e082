"""Signing in and out leaves a trace, and so does trying to."""

import json

import pytest
from django.test import Client

from hub.audit.models import AuditAction, AuditEvent, Outcome
from tests.factories import MembershipFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.public]


def test_signing_in_to_operations_and_out_again_is_audited():
    person = UserFactory(staff=True)
    client = Client()

    client.post("/admin/login/", {"username": person.email, "password": "correct horse"})
    client.post("/admin/logout/")

    events = AuditEvent.objects.order_by("at")
    assert [(event.action, event.actor_label) for event in events] == [
        (AuditAction.LOGIN, person.email),
        (AuditAction.LOGOUT, person.email),
    ]


def test_signing_in_to_a_tenant_is_audited_for_that_tenant(acme):
    member = MembershipFactory(tenant=acme).user

    Client().post("/t/acme/admin/login/", {"username": member.email, "password": "correct horse"})

    assert AuditEvent.objects.get(action=AuditAction.LOGIN).tenant_id == acme.pk


def test_a_failed_sign_in_keeps_the_e_mail_that_was_tried_and_never_the_password(db):
    Client().post("/admin/login/", {"username": "eve@example.com", "password": "open sesame"})

    event = AuditEvent.objects.get()
    assert (event.action, event.outcome) == (AuditAction.LOGIN_FAILED, Outcome.FAILED)
    assert event.detail == {"email": "eve@example.com"}
    assert event.client_address == "127.0.0.1"
    assert "open sesame" not in json.dumps(event.detail) + event.actor_label

"""People: users and groups at operations, members inside a tenant."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import admin as auth_admin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group
from django.db import models
from django.http import HttpRequest

from hub import display, sites
from hub.audit.models import AuditAction, AuditEvent
from hub.audit.record import record_event
from integrations.errors import InvalidInputError
from tenants.admin.base import AddedByService, OpsAdmin, TenantModelAdmin
from tenants.models import Membership, User
from tenants.roles import Role
from tenants.services import remove_membership, set_membership


class NewUserForm(AdminUserCreationForm):
    class Meta:
        model = User
        fields = ("email", "name")
        field_classes: dict[str, Any] = {}

    def clean_email(self) -> str:
        """Lower case, as people are looked up; sign-in does the same."""
        return str(self.cleaned_data["email"]).lower()


class UserForm(UserChangeForm):
    class Meta:
        model = User
        fields = "__all__"
        field_classes: dict[str, Any] = {}

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


@admin.register(User, site=sites.ops)
class UserAdmin(OpsAdmin, auth_admin.UserAdmin):
    """People who sign in. Nobody is deleted: who left is made inactive, audit still names them."""

    place = 20
    form = UserForm
    add_form = NewUserForm
    ordering = ("email",)
    list_display = ("email", "name", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("email", "name")
    search_help_text = "E-mail or name."
    readonly_fields = ("last_login", "created_at")
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        (
            "Operations",
            {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")},
        ),
        ("History", {"fields": ("last_login", "created_at")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("email", "name", "usable_password", "password1", "password2"),
            },
        ),
    )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Only a superuser hands out rights; otherwise whoever edits users could take them all."""
        fixed = tuple(super().get_readonly_fields(request, obj))
        if request.user.is_superuser:
            return fixed
        return (*fixed, "is_staff", "is_superuser", "groups", "user_permissions")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A superuser's password is not set by anybody below."""
        may = super().has_change_permission(request, obj)
        return may and (obj is None or not obj.is_superuser or request.user.is_superuser)

    def log_addition(self, request: HttpRequest, obj: User, message: Any) -> Any:
        record_event(AuditAction.USER_CREATED, actor=self.actor_of(request), target=obj)

    def log_change(self, request: HttpRequest, obj: User, message: Any) -> Any:
        record_event(
            AuditAction.USER_CHANGED,
            actor=self.actor_of(request),
            target=obj,
            detail={"changed": _changed(message)},
        )


@admin.register(Group, site=sites.ops)
class GroupAdmin(OpsAdmin, auth_admin.GroupAdmin):
    """Sets of permissions for operations staff. Inside tenants they count for nothing."""

    def log_addition(self, request: HttpRequest, obj: Group, message: Any) -> Any:
        self._record(request, obj, {"created": True})

    def log_change(self, request: HttpRequest, obj: Group, message: Any) -> Any:
        self._record(request, obj, {"changed": _changed(message)})

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for group in queryset:
            self._record(request, group, {"deleted": True})

    def _record(self, request: HttpRequest, group: Group, detail: dict[str, Any]) -> None:
        record_event(
            AuditAction.GROUP_CHANGED, actor=self.actor_of(request), target=group, detail=detail
        )


class MembershipInline(admin.TabularInline):
    """A tenant's members, on its page at operations."""

    model = Membership
    fields = ("user", "role", "since")
    readonly_fields = ("since",)
    autocomplete_fields = ("user",)
    extra = 0

    @admin.display(description="since")
    def since(self, membership: Membership) -> str:
        return display.ago(membership.created_at)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Membership]:
        return (
            super().get_queryset(request).select_related("user", "tenant").order_by("user__email")
        )


class MemberForm(forms.Form):
    email = forms.EmailField(label="E-mail", help_text="Of somebody who can sign in already.")
    role = forms.ChoiceField(choices=Role.choices, initial=Role.VIEWER)


@admin.register(Membership, site=sites.tenant)
class MemberAdmin(AddedByService, TenantModelAdmin):
    """Who may do what in this tenant."""

    of_tenant = "tenant_id"
    view_role = add_role = change_role = delete_role = Role.ADMIN
    place = 10
    list_display = ("user", "name", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user", "tenant")
    search_fields = ("user__email", "user__name")
    ordering = ("user__email",)
    fields = ("user", "role", "created_at")
    readonly_fields = ("user", "created_at")
    service_form = MemberForm
    service_title = "Add a member"
    service_button = "Add"
    service_hint = (
        "Viewers read, operators also connect and sync, admins also manage people and keys."
    )

    @admin.display(description="name")
    def name(self, membership: Membership) -> str:
        return membership.user.name

    def history_of(self, request: HttpRequest, obj: Any) -> models.QuerySet[AuditEvent]:
        """Changes of the membership are events of the person, within this tenant."""
        events = AuditEvent.objects.filter(target_kind="user", target_id=str(obj.user_id))
        return events.filter(tenant_id=obj.tenant_id)

    def add_through_service(self, request: HttpRequest, values: dict[str, Any]) -> str:
        user = User.objects.filter(email=values["email"].lower(), is_active=True).first()
        if user is None:
            said = "Nobody signs in with this e-mail; operations create users."
            raise InvalidInputError("The member was not added.", {"email": [said]})
        membership = set_membership(
            tenant=request.tenant,  # type: ignore[attr-defined]
            user=user,
            role=Role(values["role"]),
            actor=self.actor_of(request),
        )
        return f"{membership.user} is {membership.get_role_display().lower()} now."

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        actor = self.actor_of(request)
        set_membership(tenant=obj.tenant, user=obj.user, role=Role(obj.role), actor=actor)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        remove_membership(membership=obj, actor=self.actor_of(request))


def _changed(message: Any) -> Any:
    """Names of the changed fields out of Django's message; a plain sentence stays as it is."""
    if not isinstance(message, list):
        return str(message)
    return [name for part in message for name in part.get("changed", {}).get("fields", [])]

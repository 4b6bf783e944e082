"""What every admin page of the hub has in common, and the audit log as people read it.

`django_admin_log` is never written: it is public and would show one tenant's edits to another.
Services write audit events instead, and "History" shows those.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import cached_property
from django.utils.text import capfirst

from hub import display
from hub.audit.models import AuditAction, AuditEvent, Outcome
from hub.audit.record import record_now
from integrations.errors import HubError

HISTORY_ROWS = 100
COUNTED_ROWS = 10_000
NOBODY = "unknown"


class CappedPaginator(Paginator):
    """Counts at most 10,000 rows, so that a list over millions opens as fast as a small one."""

    @cached_property
    def _counted(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[: COUNTED_ROWS + 1].count())

    @cached_property
    def count(self) -> int:
        return min(self._counted, COUNTED_ROWS)

    @property
    def is_capped(self) -> bool:
        """Whether there are more rows than were counted."""
        return self._counted > COUNTED_ROWS


class HubModelAdmin(admin.ModelAdmin):
    """Base of all: history from audit, refusals that are audited, actions that ask first.

    Every action is also a button: POST `action=<name>` to `<id>/act/`.
    """

    place: ClassVar[int] = 50  # where it stands in the list of models
    label: ClassVar[str] = ""  # what the list is called, if not as the model's plural
    audit_kind: ClassVar[str | None] = None  # the audit events' target kind, if not the model's
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # counting every choice reads the whole table
    list_per_page = 50
    list_max_show_all = 200
    change_form_template = "admin/hub_change_form.html"

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Nothing: the service has written the audit event."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Nothing, as above."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Nothing, as above."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except HubError as refusal:
            return self._told(request, refusal)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except HubError as refusal:
            return self._told(request, refusal)

    def _told(self, request: HttpRequest, refusal: HubError) -> HttpResponse:
        """Say why a service refused, on the page the person came from."""
        if request.method != "POST":
            raise refusal
        self.message_user(request, str(refusal), messages.ERROR)
        return HttpResponseRedirect(request.path)

    # History

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            return self._gone(request, object_id)
        if not self.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {obj}",
            "opts": self.opts,
            "object": obj,
            "module_name": str(self.opts.verbose_name_plural).capitalize(),
            "events": self.history_of(request, obj)[:HISTORY_ROWS],
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/audit_history.html", context)

    def history_of(self, request: HttpRequest, obj: models.Model) -> models.QuerySet[AuditEvent]:
        """The audit events whose target is `obj`, newest first; a tenant sees only its own."""
        kind = self.audit_kind or self.opts.model_name or ""
        events = AuditEvent.objects.filter(target_kind=kind, target_id=str(obj.pk))
        if tenant := getattr(request, "tenant", None):
            events = events.filter(tenant_id=tenant.pk)
        return events

    def _gone(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Django's own answer for a row that is not there: a message on the first page."""
        redirect: Any = getattr(self, "_get_obj_does_not_exist_redirect")  # noqa: B009
        answer: HttpResponse = redirect(request, self.opts, object_id)
        return answer

    # Actions

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_act"
        act = path("<path:object_id>/act/", self.admin_site.admin_view(self.act_view), name=name)
        return [act, *super().get_urls()]

    def act_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Run one action on one object; the button's version of the changelist's menu."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        name = request.POST.get("action", "")
        self.refuse_foreign_action(request, name)
        rows = self.get_queryset(request).filter(pk=unquote(object_id))
        if not rows:
            return self._gone(request, object_id)
        actions: dict[str, Any] = self.get_actions(request)
        answer: HttpResponse | None = actions[name][0](self, request, rows)
        if answer is not None:
            return answer
        if request.POST.get("back") == "index":
            return HttpResponseRedirect(reverse("admin:index"))
        change = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return HttpResponseRedirect(reverse(change, args=[object_id]))

    def fits(self, action: str, row: Any) -> bool:
        """Whether the page of `row` offers `action`; the changelist offers all of them."""
        return True

    def button_for(self, action: str, row: Any) -> str:
        """What the button of `action` says on the page of `row`; '' if what the list says."""
        return ""

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        """Django's page, with a button for every action that fits the object."""
        if obj is not None and not add:
            context["title"], context["subtitle"] = str(obj), None
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_act"
            context["act_url"] = reverse(name, args=[quote(obj.pk)])
            actions: dict[str, Any] = self.get_actions(request)
            context["act_buttons"] = [
                (action, self.button_for(action, obj) or description)
                for action, (_, _, description) in actions.items()
                if self.fits(action, obj)
            ]
        return super().render_change_form(request, context, add, change, form_url, obj)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Django's list, called what it lists; an action that is not offered is refused."""
        if request.method == "POST" and "action" in request.POST:
            self.refuse_foreign_action(request, request.POST["action"])
        title = capfirst(self.label or str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def refuse_foreign_action(self, request: HttpRequest, name: str) -> None:
        """Audit and refuse an action this person is not offered; Django would just ignore it."""
        if name and name not in self.get_actions(request):
            asked_for = f"{self.opts.model_name}.{name}"[:100]
            record_now(
                AuditAction.ACCESS_REFUSED,
                actor=self.actor_of(request),
                outcome=Outcome.REFUSED,
                detail={"asked_for": asked_for},
            )
            raise PermissionDenied(f"You may not run {asked_for}.")

    def actor_of(self, request: HttpRequest) -> Any:
        """Who acts here, as the services want to know it. Each site answers for itself."""
        raise NotImplementedError

    def ask_first(
        self,
        request: HttpRequest,
        rows: models.QuerySet[Any],
        *,
        question: str,
        consequence: str,
        button: str,
        type_to_confirm: str = "",
        options: Sequence[tuple[str, str]] = (),
    ) -> TemplateResponse | None:
        """Return the page that asks, or None once the person has said yes (and typed the word).

        Of `options`, (value, sentence) each, one must be chosen; it comes as POST `option`.
        """
        said_yes = "confirmed" in request.POST
        has_chosen = not options or request.POST.get("option") in dict(options)
        has_typed = request.POST.get("typed", "") == type_to_confirm
        if said_yes and has_typed and has_chosen:
            return None
        if said_yes and not has_chosen:
            self.message_user(request, "Nothing was chosen, so nothing was done.", messages.ERROR)
        elif said_yes:
            self.message_user(request, "The name did not match; nothing was done.", messages.ERROR)
        context = {
            **self.admin_site.each_context(request),
            "title": question,
            "opts": self.opts,
            "rows": rows,
            "consequence": consequence,
            "button": button,
            "type_to_confirm": type_to_confirm,
            "options": options,
            "action": request.POST["action"],
            "back": request.POST.get("back", ""),
            "checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/ask_first.html", context)

    def for_each(
        self, request: HttpRequest, rows: Iterable[Any], call: Callable[[Any], Any], *, done: str
    ) -> None:
        """Call a service for every row; say how many are `done` and why others were refused."""
        count, refused = 0, Counter[str]()
        for row in rows:
            try:
                call(row)
                count += 1
            except HubError as exc:
                refused[str(exc)] += 1
        self.say(request, count, refused, done=done)

    def say(self, request: HttpRequest, count: int, refused: Counter[str], *, done: str) -> None:
        if count:
            self.message_user(request, f"{count} {done}.", messages.SUCCESS)
        for sentence, times in refused.items():
            text = sentence if times == 1 else f"{times} × {sentence}"
            self.message_user(request, text, messages.WARNING)


class ReadOnlyAdmin(HubModelAdmin):
    """Rows nobody edits by hand; what may be done with them are actions."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class AuditEventAdmin(ReadOnlyAdmin):
    """The audit log. Rows are only ever added, and only by services."""

    paginator = CappedPaginator
    list_display: Any = (
        "when",
        "actor_label",
        "what",
        "how",
        "target_kind",
        "target_label",
    )
    list_filter: ClassVar[Any] = ("outcome", "action")
    search_fields = ("target_label", "=target_id", "actor_label", "=request_id")
    search_help_text = "Object, its id, actor, or request id."
    date_hierarchy = "at"
    list_select_related = True
    fields: ClassVar[Any] = (
        "at",
        "what",
        "how",
        "actor",
        "target",
        "detail_shown",
        "request_id",
        "client_address",
    )

    @admin.display(description="when", ordering="at")
    def when(self, event: AuditEvent) -> str:
        return display.ago(event.at)

    @admin.display(description="action", ordering="action")
    def what(self, event: AuditEvent) -> str:
        return event.get_action_display()

    @admin.display(description="outcome", ordering="outcome")
    def how(self, event: AuditEvent) -> str:
        return display.badge(event.outcome, event.get_outcome_display())

    @admin.display(description="actor")
    def actor(self, event: AuditEvent) -> str:
        return f"{event.actor_label or NOBODY} ({event.actor_kind.replace('_', ' ')})"

    @admin.display(description="object")
    def target(self, event: AuditEvent) -> str:
        if not event.target_kind:
            return display.NONE
        return f"{event.target_label} ({event.target_kind} {event.target_id})"

    @admin.display(description="detail")
    def detail_shown(self, event: AuditEvent) -> str:
        return display.pretty_json(event.detail)

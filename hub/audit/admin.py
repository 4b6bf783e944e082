"""What every admin page of the hub has in common.

`django_admin_log` is never written: it is public and would show one tenant's edits to another.
Services write audit events instead, and "History" shows those.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
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
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from hub import display
from hub.audit.models import AuditAction, AuditEvent, Outcome
from hub.audit.record import record_now
from hub.columns import with_times
from integrations.errors import HubError

HISTORY_ROWS = 100
COUNTED_ROWS = 10_000


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


@dataclass(frozen=True)
class Question:
    """What a person answers before an action runs.

    `type_to_confirm` must be typed, and of `options`, (value, sentence) each, one must be chosen;
    it comes as POST `option`.
    """

    text: str
    consequence: str
    button: str
    type_to_confirm: str = ""
    options: Sequence[tuple[str, str]] = ()


def service_action(
    description: str,
    call: Callable[[Any, Any], Any],
    *,
    done: str,
    ask: Question | None = None,
    permission: str = "operate",
) -> Callable[..., TemplateResponse | None]:
    """An action of a `HubModelAdmin` that is one call of a service for each row, see `act`."""

    @admin.action(description=description, permissions=[permission])
    def run(model_admin: Any, request: HttpRequest, rows: Any) -> TemplateResponse | None:
        page: TemplateResponse | None = model_admin.act(request, rows, call, done=done, ask=ask)
        return page

    return run


class HubModelAdmin(admin.ModelAdmin):
    """Base of all: history from audit, refusals that are audited, actions that ask first.

    Every action is also a button: POST `action=<name>` to `<id>/act/`.
    """

    place: ClassVar[int] = 50  # where it stands in the list of models
    label: ClassVar[str] = ""  # what the list is called, if not as the model's plural
    nothing_yet: ClassVar[str] = "There is nothing yet."  # an empty list, and what to do about it
    audit_kind: ClassVar[str | None] = None  # the audit events' target kind, if not the model's
    empty_value_display = display.NONE
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

    # Times: how long ago, with the exact one behind it; on the page of one object beside it

    def get_list_display(self, request: HttpRequest) -> Any:
        return with_times(self.model, super().get_list_display(request), display.ago)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return with_times(self.model, super().get_readonly_fields(request, obj), display.moment)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [
            (name, {**options, "fields": with_times(self.model, options["fields"], display.moment)})
            for name, options in super().get_fieldsets(request, obj)
        ]

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
            "events": _events_table(self.history_of(request, obj)[:HISTORY_ROWS]),
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

    def title_of(self, obj: Any) -> str:
        """What the page of `obj` is called."""
        return str(obj)

    def detail_of(self, request: HttpRequest, obj: Any, /) -> dict[str, Any]:
        """What the page of `obj` shows besides its fields."""
        return {}

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
            context["title"], context["subtitle"] = self.title_of(obj), None
            context["show_save_and_continue"] = context["show_save_and_add_another"] = False
            name = f"admin:{self.opts.app_label}_{self.opts.model_name}_act"
            context.update(self.detail_of(request, obj))
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
        shown = {"title": title, "nothing_yet": self.nothing_yet}
        return super().changelist_view(request, {**shown, **(extra_context or {})})

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

    def act(
        self,
        request: HttpRequest,
        rows: Iterable[Any],
        call: Callable[[Any, Any], Any],
        *,
        done: str,
        ask: Question | None = None,
    ) -> TemplateResponse | None:
        """Call a service with every row and who acts; say how many are `done`, and what refused.

        With `ask`, the page that asks is returned instead until the person has said yes to it.
        """
        if ask is not None and (page := self._asked_first(request, rows, ask)):
            return page
        actor = self.actor_of(request)
        count, refused = self.call_each(rows, lambda row: call(row, actor))
        self.say(request, count, refused, done=done)
        return None

    def call_each(
        self, rows: Iterable[Any], call: Callable[[Any], Any]
    ) -> tuple[int, Counter[str]]:
        """How many calls were done, and how often each sentence refused one."""
        count, refused = 0, Counter[str]()
        for row in rows:
            try:
                call(row)
                count += 1
            except HubError as exc:
                refused[str(exc)] += 1
        return count, refused

    def _asked_first(
        self, request: HttpRequest, rows: Iterable[Any], question: Question
    ) -> TemplateResponse | None:
        """The page that asks, or None once the person has said yes."""
        said_yes = "confirmed" in request.POST
        has_chosen = not question.options or request.POST.get("option") in dict(question.options)
        has_typed = request.POST.get("typed", "") == question.type_to_confirm
        if said_yes and has_typed and has_chosen:
            return None
        if said_yes and not has_chosen:
            self.message_user(request, "Nothing was chosen, so nothing was done.", messages.ERROR)
        elif said_yes:
            self.message_user(request, "The name did not match; nothing was done.", messages.ERROR)
        context = {
            **self.admin_site.each_context(request),
            "title": question.text,
            "question": question,
            "opts": self.opts,
            "rows": [(row.pk, self.title_of(row)) for row in rows],
            "action": request.POST["action"],
            "back": request.POST.get("back", ""),
            "checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/ask_first.html", context)

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


def _events_table(events: Iterable[AuditEvent]) -> SafeString | str:
    return display.table(
        ("When", "Who", "What", "Outcome", "Detail"),
        [
            (
                display.moment(event.at),
                event.actor_label or event.actor_kind,
                event.get_action_display(),
                display.badge(event.outcome, event.get_outcome_display()),
                ", ".join(f"{name}: {value}" for name, value in event.detail.items()),
            )
            for event in events
        ],
    )

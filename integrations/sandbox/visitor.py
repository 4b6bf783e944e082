"""A person without a browser: opens pages, keeps cookies, presses buttons.

For the demo and the tests, which must click through a consent page when nobody is there.
"""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import CookieJar

TIMEOUT_SECONDS = 30.0


@dataclass
class Form:
    """One form of a page: where it goes, what it holds, and its buttons by their text."""

    action: str = ""
    method: str = "get"
    values: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass
class Page:
    """An answer after all redirects."""

    url: str
    status: int
    text: str

    @property
    def forms(self) -> list[Form]:
        reader = _FormReader()
        reader.feed(self.text)
        return reader.forms


class Visitor:
    """Follows redirects and keeps cookies, as a browser would; reads no proxy settings."""

    def __init__(self) -> None:
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(CookieJar())
        )

    def open(self, url: str, data: dict[str, str] | None = None) -> Page:
        body = None if data is None else urllib.parse.urlencode(data).encode()
        request = urllib.request.Request(url, data=body, headers={"Accept": "text/html"})
        if body is not None:
            request.add_header(
                "Origin", "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(url))
            )
            request.add_header("Referer", url)
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return Page(answer.url, answer.status, answer.read().decode())
        except urllib.error.HTTPError as refused:
            return Page(refused.url, refused.code, refused.read().decode(errors="replace"))

    def send_json(self, url: str, text: str) -> Page:
        """POST a JSON document, as for an order to the sandbox."""
        request = urllib.request.Request(url, data=text.encode())
        request.add_header("Content-Type", "application/json")
        with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return Page(answer.url, answer.status, answer.read().decode())

    def press(self, page: Page, button: str, **values: str) -> Page:
        """Press the button with this text, with `values` filled into its form.

        Raises:
            LookupError: the page has no such button; the message names those it has.
        """
        for form in page.forms:
            for text, (name, value) in form.buttons.items():
                if button.lower() in text.lower():
                    data = {**form.values, **values} | ({name: value} if name else {})
                    url = urllib.parse.urljoin(page.url, form.action)
                    if form.method == "post":
                        return self.open(url, data)
                    return self.open(f"{url}?{urllib.parse.urlencode(data)}")
        there_are = [text for form in page.forms for text in form.buttons]
        raise LookupError(f"No button {button!r} at {page.url}; there are {there_are}")


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._button: tuple[str, str] | None = None
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = Form(has.get("action", ""), has.get("method", "get").lower())
            self.forms.append(self._form)
        elif self._form is None:
            return
        elif tag == "button":
            self._button, self._text = (has.get("name", ""), has.get("value", "")), ""
        elif tag == "input":
            self._input(self._form, has)

    def _input(self, form: Form, has: dict[str, str]) -> None:
        kind = has.get("type", "text")
        if kind == "submit":
            form.buttons[has.get("value", "")] = (has.get("name", ""), has.get("value", ""))
        elif kind not in ("radio", "checkbox") or "checked" in has:
            form.values[has.get("name", "")] = has.get("value", "on" if kind == "checkbox" else "")

    def handle_data(self, data: str) -> None:
        if self._button is not None:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "button" and self._form is not None and self._button is not None:
            self._form.buttons[" ".join(self._text.split())] = self._button
            self._button = None
        elif tag == "form":
            self._form = None

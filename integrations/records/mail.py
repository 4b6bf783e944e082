"""Values of e-mail: addresses in headers, and the text of a body in whatever form it came."""

from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping
from email.message import Message
from email.utils import getaddresses
from html.parser import HTMLParser
from typing import Any

_UNSEEN = {"script", "style", "template", "title"}
_LINES = {
    *("address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figure"),
    *("footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav"),
    *("ol", "p", "pre", "section", "table", "tr", "ul"),
}
_CELLS = {"td", "th"}


def addresses(header: str | None) -> tuple[str, ...]:
    """The addresses in a header, each once: '"Doe, Max" <max@firma.example>, …'.

    Names, comments and groups are left out; so is what has no @.
    """
    named = getaddresses([header or ""])
    return tuple(dict.fromkeys(address for _, address in named if "@" in address))


def mime_text(part: Mapping[str, Any] | None) -> str | None:
    """The text of a message part with everything below it; None if there is none.

    Part: {"mimeType": "text/plain", "filename": "", "headers": [{"name", "value"}],
    "body": {"data": base64url}, "parts": [part, …]}. The first plain text counts, else the first
    HTML, made plain. Files are no text. Bytes the charset does not know become U+FFFD.

    Raises:
        ValueError: the data is no base64.
    """
    texts = list(_texts(part or {}))
    for kind in ("text/plain", "text/html"):
        for found in texts:
            if found.get("mimeType", "").lower() == kind:
                text = _decoded(found)
                return html_text(text) if kind == "text/html" else text
    return None


def html_text(html: str | None) -> str:
    """What a reader of the page sees, as lines of text; '' if nothing."""
    reader = _Reader()
    reader.feed(html or "")
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.seen).split("\n"))
    return "\n".join(line for line in lines if line)


def _texts(part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The leaves that hold data and are no files, in order."""
    if (part.get("body") or {}).get("data") and not part.get("filename"):
        yield part
    for below in part.get("parts") or ():
        yield from _texts(below)


def _decoded(part: Mapping[str, Any]) -> str:
    data = part["body"]["data"]
    raw = urlsafe_b64decode(data + "=" * (-len(data) % 4))
    try:
        text = raw.decode(_charset(part), "replace")
    except LookupError:
        text = raw.decode("utf-8", "replace")
    return text.replace("\0", "").replace("\r\n", "\n").strip()


def _charset(part: Mapping[str, Any]) -> str:
    """As its Content-Type says, else UTF-8."""
    message = Message()
    for header in part.get("headers") or ():
        if header["name"].lower() == "content-type":
            message["Content-Type"] = header["value"]
    return message.get_content_charset() or "utf-8"


class _Reader(HTMLParser):
    """Collects visible text in `seen`, with a line break for whatever begins a line."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[str] = []
        self._unseen = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _UNSEEN and not self._unseen:
            self._unseen = tag
        self._part(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag == self._unseen:
            self._unseen = ""
        self._part(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._part(tag)

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.seen.append(data.replace("\0", "").replace("\n", " "))

    def _part(self, tag: str) -> None:
        if tag in _LINES:
            self.seen.append("\n")
        elif tag in _CELLS:
            self.seen.append(" ")

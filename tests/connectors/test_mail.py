"""Values of e-mail, as headers and bodies write them."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import Any

import pytest

from integrations.records import addresses, html_text, mime_text


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (None, ()),
        ("", ()),
        ("ana@firma.example", ("ana@firma.example",)),
        ("Max <max@kunde.example>", ("max@kunde.example",)),
        ('"Doe, M" <m@kunde.example>, a@x.example', ("m@kunde.example", "a@x.example")),
        ("a@x.example, A <a@x.example>", ("a@x.example",)),
        ("Undisclosed recipients:;", ()),
        ("Käthe Großmann <kaethe@firma.example>", ("kaethe@firma.example",)),
        ("nobody", ()),
    ],
)
def test_a_header_gives_its_addresses_each_once(header: str | None, found: tuple[str, ...]) -> None:
    assert addresses(header) == found


def part(kind: str, text: str | bytes = b"", charset: str = "", **more: Any) -> dict[str, Any]:
    raw = text.encode() if isinstance(text, str) else text
    data = urlsafe_b64encode(raw).decode().rstrip("=")
    named = [{"name": "content-type", "value": f"{kind}; charset={charset}"}] if charset else []
    body = {"size": len(raw), "data": data} if raw else {"size": 0}
    return {"mimeType": kind, "filename": "", "headers": named, "body": body, **more}


def test_of_two_forms_of_a_body_the_plain_one_counts() -> None:
    both = [part("text/html", "<p>Hallo <b>Ana</b></p>"), part("text/plain", "Hallo Ana …\r\n")]

    assert mime_text(part("multipart/alternative", parts=both)) == "Hallo Ana …"


def test_html_alone_becomes_plain() -> None:
    assert mime_text(part("text/html", "<p>Hallo <b>Ana</b></p>")) == "Hallo Ana"


def test_a_text_file_is_no_body() -> None:
    file = part("text/plain", "1;2;3", filename="umsatz.csv")

    assert mime_text(part("multipart/mixed", parts=[file])) is None
    assert mime_text(None) is None


def test_bytes_are_read_in_the_charset_they_name() -> None:
    written = "Grüße".encode("latin-1")

    assert mime_text(part("text/plain", written, charset='"iso-8859-1"')) == "Grüße"
    assert mime_text(part("text/plain", "Grüße", charset="x-unknown")) == "Grüße"
    assert mime_text(part("text/plain", written)) == "Gr\ufffd\ufffde"


def test_what_no_database_stores_is_left_out_of_a_body() -> None:
    assert mime_text(part("text/plain", "a\0b")) == "ab"
    assert "\0" not in html_text("a\0b")


def test_what_is_no_base64_is_refused() -> None:
    with pytest.raises(ValueError):
        mime_text({"mimeType": "text/plain", "body": {"data": "A"}})


def test_a_page_becomes_the_lines_one_reads() -> None:
    page = """<!doctype html><html><head><title>x</title><style>p{color:red}</style></head>
    <body><h1>Angebot&nbsp;42</h1><p>Guten Tag,<br>anbei   das
    Angebot &amp; mehr.</p><script>alert("no")</script>
    <table><tr><td>Helm</td><td>69,00</td></tr></table></body></html>"""

    assert html_text(page) == "Angebot 42\nGuten Tag,\nanbei das Angebot & mehr.\nHelm 69,00"
    assert html_text(None) == ""


def test_a_head_that_is_never_closed_hides_nothing() -> None:
    assert html_text("<html><head><title>x</title><body>Hallo") == "Hallo"


def test_broken_html_keeps_its_text() -> None:
    assert html_text("a <b>b <p>c &lt; d &unknown; <") == "a b\nc < d &unknown; <"

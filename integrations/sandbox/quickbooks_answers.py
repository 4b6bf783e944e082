"""Shapes of QuickBooks answers that are not rows: the two kinds of fault, and XML."""

from __future__ import annotations

import time
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import orjson

from integrations.sandbox.business import Organisation
from integrations.sandbox.part import Json, Response, json_response
from integrations.sandbox.quickbooks_rows import stamp_text
from integrations.sandbox.rows import Row, joined

NAMESPACE = "http://schema.intuit.com/finance/v3"
XML = "application/xml;charset=UTF-8"
_ATTRIBUTES = ("domain", "sparse", "status", "startPosition", "maxResults", "totalCount", "name")


def fault(
    code: int, message: str, detail: str, *, kind: str = "ValidationFault", status: int = 400
) -> Response:
    """The ordinary fault, with capital keys."""
    error = {"Message": message, "Detail": detail, "code": str(code), "element": ""}
    body = {"Fault": {"Error": [error], "type": kind}, "time": moment_text(time.time())}
    return json_response(body, status)


def access_fault(status: int, what: str, code: str, detail: str, now: float) -> Response:
    """The fault of the gateway in front of the API, with lower-case keys."""
    kind = {401: "AUTHENTICATION", 403: "AUTHORIZATION"}.get(status, "THROTTLE")
    message = f"message={what}; errorCode={code}; statusCode={status}"
    error = {"message": message, "detail": detail, "code": code.lstrip("0"), "element": None}
    return json_response(
        {
            "warnings": None,
            "intuitObject": None,
            "fault": {"error": [error], "type": kind},
            "report": None,
            "queryResponse": None,
            "batchItemResponse": [],
            "attachableResponse": [],
            "syncErrorResponse": None,
            "requestId": None,
            "time": int(now * 1000),
            "status": None,
            "cdcresponse": [],
        },
        status,
    )


def authentication_xml(moment: str) -> Response:
    """Another company's token: XML even where JSON was asked for."""
    detail = "AuthenticationErrorGeneral: SRV-110-Authentication Failure , statusCode: 401"
    body = (
        f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
        f'<IntuitResponse time="{moment}" xmlns="{NAMESPACE}"><Fault type="AuthenticationFault">'
        f'<Error code="100" element=""><Message>message=AuthenticationFailed; statusCode=401'
        f"</Message><Detail>{detail}</Detail></Error></Fault></IntuitResponse>"
    )
    return Response(401, body.encode(), media_type=XML)


def xml_of(body: bytes) -> bytes:
    """A JSON answer as XML: what callers get who do not ask for JSON."""
    try:
        data = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        data = {}
    moment = data.pop("time", "")
    inner = "".join(_element(name, value) for name, value in data.items())
    return (
        f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
        f'<IntuitResponse xmlns="{NAMESPACE}" time="{moment}">{inner}</IntuitResponse>'
    ).encode()


def moment_text(now: float) -> str:
    """With milliseconds, as in envelopes."""
    text = stamp_text(now)
    return f"{text[:19]}.{int(now * 1000) % 1000:03d}{text[19:]}"


def block_of(entity: str, page: list[Row], start: int) -> bytes:
    """One page of an entity with the counters beside it; maxResults is what is returned."""
    return b'{"%s":%s,"startPosition":%d,"maxResults":%d}' % (
        entity.encode(),
        joined(page),
        start,
        len(page),
    )


def company_info(organisation: Organisation) -> Json:
    return {
        "Id": "1",
        "SyncToken": "4",
        "domain": "QBO",
        "sparse": False,
        "CompanyName": organisation.name,
        "LegalName": organisation.name,
        "Country": organisation.country,
        "Email": {"Address": f"books@{organisation.domain}"},
        "FiscalYearStartMonth": "January",
        "SupportedLanguages": "en",
        "NameValue": [{"Name": "SubscriptionStatus", "Value": "SUBSCRIBED"}],
    }


def _element(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(_element(name, entry) for entry in value)
    if not isinstance(value, dict):
        return f"<{name}>{_text(value)}</{name}>"
    attributes = "".join(
        f" {key}={quoteattr(_text(value[key]))}" for key in _ATTRIBUTES if key in value
    )
    inner = "".join(
        _text(entry) if key == "value" else _element(key, entry)
        for key, entry in value.items()
        if key not in _ATTRIBUTES
    )
    return f"<{name}{attributes}>{inner}</{name}>"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else escape(str(value))

"""QuickBooks in the sandbox: queries, change data capture, faults in both spellings."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sandbox.conftest import Caller


def ask(caller: Caller, token: dict[str, Any], statement: str) -> Any:
    """The QueryResponse of a statement that must succeed."""
    caller.control("set", slug="quickbooks", limits=False)
    answer = caller.quickbooks(token, "query", query=statement, minorversion="75")
    assert answer.status_code == 200, answer.text
    return answer.json()["QueryResponse"]


def since(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).replace(microsecond=0).isoformat()


@pytest.mark.parametrize(
    ("entity", "extra", "count"),
    [
        ("Customer", " WHERE Active IN (true, false)", 250),
        ("Invoice", "", 700),
        ("Payment", "", 500),
        ("Vendor", " WHERE Active IN (true, false)", 60),
        ("Item", " WHERE Active IN (true, false)", 20),
        ("Account", " WHERE Active IN (true, false)", 12),
    ],
)
def test_all_pages_together_are_every_row_once(
    caller: Caller, entity: str, extra: str, count: int
) -> None:
    token, rows = caller.quickbooks_token(), []
    for start in range(1, count + 200, 200):
        order = f"{extra} ORDERBY MetaData.LastUpdatedTime ASC"
        page = ask(
            caller, token, f"SELECT * FROM {entity}{order} STARTPOSITION {start} MAXRESULTS 200"
        )
        rows += page.get(entity, [])

    assert len(rows) == count
    assert {row["Id"] for row in rows} == set(caller.truth("quickbooks", entity))
    stamps = [datetime.fromisoformat(row["MetaData"]["LastUpdatedTime"]) for row in rows]
    assert stamps == sorted(stamps)


def test_a_thousand_rows_fit_on_a_page_and_a_hundred_are_the_default(caller: Caller) -> None:
    token = caller.quickbooks_token()

    page = ask(caller, token, "SELECT * FROM Invoice STARTPOSITION 1 MAXRESULTS 1000")
    assert (len(page["Invoice"]), page["startPosition"], page["maxResults"]) == (700, 1, 700)
    assert len(ask(caller, token, "select * from Invoice")["Invoice"]) == 100


def test_an_empty_page_has_neither_rows_nor_counters(caller: Caller) -> None:
    token = caller.quickbooks_token()

    assert ask(caller, token, "SELECT * FROM Invoice STARTPOSITION 701") == {}
    assert ask(caller, token, "SELECT * FROM Bill") == {}


def test_inactive_rows_are_missing_unless_asked_for(caller: Caller) -> None:
    token = caller.quickbooks_token()

    usual = ask(caller, token, "SELECT * FROM Customer MAXRESULTS 1000")["Customer"]
    inactive = ask(caller, token, "SELECT * FROM Customer WHERE Active = false")["Customer"]

    assert inactive
    assert all(row["Active"] for row in usual)
    assert len(usual) + len(inactive) == 250


def test_rows_can_be_counted(caller: Caller) -> None:
    assert ask(caller, caller.quickbooks_token(), "SELECT COUNT(*) FROM Payment") == {
        "totalCount": 500
    }


def test_conditions_are_added_to_each_other(caller: Caller) -> None:
    token = caller.quickbooks_token()
    whole = ask(caller, token, "SELECT * FROM Invoice MAXRESULTS 1000")["Invoice"]
    customer, floor = whole[0]["CustomerRef"]["value"], "2020-01-01T00:00:00-08:00"

    found = ask(
        caller,
        token,
        f"SELECT * FROM Invoice WHERE CustomerRef = '{customer}' AND Balance > 0 AND "
        f"MetaData.LastUpdatedTime >= '{floor}' ORDER BY TxnDate DESC, Id MAXRESULTS 1000",
    ).get("Invoice", [])

    wanted = {
        row["Id"] for row in whole if row["CustomerRef"]["value"] == customer and row["Balance"] > 0
    }
    assert {row["Id"] for row in found} == wanted
    assert [row["TxnDate"] for row in found] == sorted((r["TxnDate"] for r in found), reverse=True)


def test_a_quote_in_a_value_is_escaped_with_a_backslash(caller: Caller) -> None:
    token = caller.quickbooks_token()
    id = next(iter(caller.truth("quickbooks", "Customer")))
    caller.control(
        "change", slug="quickbooks", entity="Customer", ids=[id], set={"CompanyName": "O'Hara"}
    )

    asked = r"SELECT * FROM Customer WHERE CompanyName = 'O\'Hara' AND Active IN (true, false)"
    assert [row["Id"] for row in ask(caller, token, asked)["Customer"]] == [id]
    like = "SELECT * FROM Customer WHERE CompanyName LIKE 'O%ara' AND Active IN (true, false)"
    assert [row["Id"] for row in ask(caller, token, like)["Customer"]] == [id]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM Customers",
        "SELECT * FROM customer",
        "SELECT * FROM Invoice WHERE Active IN (true, false)",
        "SELECT * FROM Payment WHERE Active = true",
        "SELECT * FROM Customer WHERE ShoeSize = '43'",
        "SELECT * FROM Customer ORDERBY ShoeSize",
        "SELECT * FROM Customer WHERE DisplayName = 'a' OR DisplayName = 'b'",
        "SELECT * FROM Invoice MAXRESULTS 1001",
        "SELECT * FROM Invoice STARTPOSITION 0",
        "SELECT * FROM Invoice WHERE MetaData.LastUpdatedTime >= '2026-05-01T00:00:00 00:00'",
        "SELECT * FROM Invoice WHERE Balance = 'much'",
        "SELECT * FROM Invoice WHERE Balance > ",
        "SELECT * FROM Invoice WHERE DocNumber = 'open",
        "DELETE FROM Invoice",
        "",
    ],
)
def test_a_statement_that_means_nothing_is_a_validation_fault(
    caller: Caller, statement: str
) -> None:
    answer = caller.quickbooks(caller.quickbooks_token(), "query", query=statement)

    assert answer.status_code == 400
    assert answer.json()["Fault"]["type"] == "ValidationFault"
    assert set(answer.json()["Fault"]["Error"][0]) == {"Message", "Detail", "code", "element"}


def test_a_long_query_may_be_posted_as_text(caller: Caller) -> None:
    token = caller.quickbooks_token()
    url = caller.at("https://quickbooks.api.intuit.com", f"/v3/company/{token['realmId']}/query")
    headers = {
        "Authorization": f"Bearer {token['access_token']}",
        "Accept": "application/json",
        "Content-Type": "application/text",
    }

    answer = caller.http.post(url, data=b"SELECT COUNT(*) FROM Invoice", headers=headers)

    assert answer.json()["QueryResponse"] == {"totalCount": 700}


def test_books_balance(caller: Caller) -> None:
    token = caller.quickbooks_token()
    invoices = ask(caller, token, "SELECT * FROM Invoice MAXRESULTS 1000")["Invoice"]
    payments = ask(caller, token, "SELECT * FROM Payment MAXRESULTS 1000")["Payment"]
    customers = caller.truth("quickbooks", "Customer")

    paid: dict[str, int] = {}
    for payment in payments:
        for line in payment["Line"]:
            invoice = line["LinkedTxn"][0]["TxnId"]
            paid[invoice] = paid.get(invoice, 0) + round(line["Amount"] * 100)
    for invoice in invoices:
        cents = [round(invoice[key] * 100) for key in ("TotalAmt", "Balance")]
        assert cents[0] - cents[1] == paid.get(invoice["Id"], 0)
        assert invoice["CustomerRef"]["value"] in customers
    assert any(row.get("PrivateNote") == "Voided" and row["TotalAmt"] == 0 for row in invoices)


def test_changes_come_in_the_order_of_the_entities_asked_for(caller: Caller) -> None:
    token = caller.quickbooks_token()
    start = since(0.001)
    changed = caller.control("change", slug="quickbooks", entity="Customer", count=3)["ids"]
    gone = caller.control("delete", slug="quickbooks", entity="Invoice", count=2)["ids"]

    answer = caller.quickbooks(
        token, "cdc", entities="Payment,Invoice,Customer", changedSince=start
    ).json()
    blocks = answer["CDCResponse"][0]["QueryResponse"]

    assert blocks[0] == {}
    assert {row["Id"] for row in blocks[1]["Invoice"]} == set(gone)
    assert {row["status"] for row in blocks[1]["Invoice"]} == {"Deleted"}
    assert {row["Id"] for row in blocks[2]["Customer"]} == set(changed)


def test_a_deleted_customer_stays_as_an_inactive_one(caller: Caller) -> None:
    token = caller.quickbooks_token()
    [id] = caller.control("delete", slug="quickbooks", entity="Customer")["ids"]

    row = caller.quickbooks(token, f"customer/{id}").json()["Customer"]

    assert row["Active"] is False
    assert row["DisplayName"].endswith(" (deleted)")


def test_changes_are_known_for_thirty_days(caller: Caller) -> None:
    token = caller.quickbooks_token()

    recent = caller.quickbooks(token, "cdc", entities="Invoice", changedSince=since(29.9))
    older = caller.quickbooks(token, "cdc", entities="Invoice", changedSince=since(30.1))

    assert recent.status_code == 200
    assert older.status_code == 400


def test_an_answer_with_changes_ends_at_a_thousand_rows(caller: Caller) -> None:
    token = caller.quickbooks_token()
    caller.control("change", slug="quickbooks", entity="Invoice", count=700)
    caller.control("change", slug="quickbooks", entity="Payment", count=500)

    blocks = caller.quickbooks(
        token, "cdc", entities="Invoice,Payment", changedSince=since(0.01)
    ).json()["CDCResponse"][0]["QueryResponse"]

    assert (len(blocks[0]["Invoice"]), len(blocks[1]["Payment"])) == (700, 300)


def test_an_expired_token_is_refused_in_lower_case(caller: Caller) -> None:
    token = caller.quickbooks_token()
    caller.control("expire_tokens", slug="quickbooks")

    answer = caller.quickbooks(token, "query", query="SELECT * FROM Item")

    assert answer.status_code == 401
    assert answer.json()["fault"]["type"] == "AUTHENTICATION"
    assert answer.json()["fault"]["error"][0]["code"] == "3200"


def test_another_companys_token_is_refused_in_xml(caller: Caller) -> None:
    token = caller.quickbooks_token()
    other = caller.quickbooks_token(1)["realmId"]

    answer = caller.quickbooks({**token, "realmId": other}, "query", query="SELECT * FROM Item")

    assert answer.status_code == 401
    assert answer.headers["Content-Type"].startswith("application/xml")
    assert "AuthenticationFault" in answer.text


def test_who_does_not_ask_for_json_gets_xml(caller: Caller) -> None:
    token = caller.quickbooks_token()

    answer = caller.quickbooks(token, "query", accept="*/*", query="SELECT * FROM Item")

    assert answer.headers["Content-Type"].startswith("application/xml")
    assert answer.text.count("<Item ") == 19


def test_every_answer_has_an_intuit_tid(caller: Caller) -> None:
    token = caller.quickbooks_token()

    assert caller.quickbooks(token, "query", query="nonsense").headers["intuit_tid"]
    assert caller.quickbooks(token, f"companyinfo/{token['realmId']}").headers["intuit_tid"]


def test_company_and_single_rows_can_be_read(caller: Caller) -> None:
    token = caller.quickbooks_token(1)

    company = caller.quickbooks(token, f"companyinfo/{token['realmId']}").json()
    assert company["CompanyInfo"]["CompanyName"] == "Harbour & Vale Ltd"
    missing = caller.quickbooks(token, "invoice/999999")
    assert (missing.status_code, missing.json()["Fault"]["Error"][0]["code"]) == (400, "610")


def test_ten_requests_a_second_are_the_limit(caller: Caller) -> None:
    token = caller.quickbooks_token()
    caller.count_slowly("quickbooks", "second")

    statuses = [
        caller.quickbooks(token, "query", query="SELECT COUNT(*) FROM Item").status_code
        for _ in range(11)
    ]

    assert statuses == [200] * 10 + [429]


def test_a_fault_can_come_with_status_200(caller: Caller) -> None:
    token = caller.quickbooks_token()
    caller.control("fault", slug="quickbooks", path="/query", fault=True)

    first = caller.quickbooks(token, "query", query="SELECT * FROM Item")
    second = caller.quickbooks(token, "query", query="SELECT * FROM Item")

    assert first.status_code == 200
    assert first.json()["Fault"]["Error"][0]["code"] == "10000"
    assert "Item" in second.json()["QueryResponse"]


def test_amounts_are_json_numbers_and_days_are_plain(caller: Caller) -> None:
    answer = caller.quickbooks(
        caller.quickbooks_token(), "query", query="SELECT * FROM Invoice MAXRESULTS 1"
    )

    invoice = json.loads(answer.text, parse_float=str)["QueryResponse"]["Invoice"][0]
    assert len(str(invoice["TotalAmt"]).partition(".")[2]) <= 2
    assert datetime.strptime(invoice["TxnDate"], "%Y-%m-%d")
    assert invoice["MetaData"]["LastUpdatedTime"][-6:] in ("-07:00", "-08:00")

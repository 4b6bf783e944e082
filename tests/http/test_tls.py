"""F19: encrypted connections that can and cannot be trusted, and names that are resolved once."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from integrations.errors import EgressRefusedError, ProviderUnavailableError, TlsFailedError
from integrations.http.client import ProviderClient
from integrations.http.egress import Egress
from integrations.resilience.clock import SystemClock
from integrations.resilience.deadline import Deadline
from integrations.types import ApiKey, AuthContext, Identity, Provider
from tests.http.servers import answer, serving

NOW = datetime.now(UTC)


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
        self.certificate = (
            self._begun(self.name, self.key, timedelta(days=9))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False
            )
            .sign(self.key, hashes.SHA256())
        )
        self.bundle = folder / "ca.pem"
        self.bundle.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def context(self, host: str, ends: timedelta = timedelta(days=1)) -> ssl.SSLContext:
        """What a server needs that calls itself `host`."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = (
            self._begun(subject, key, ends)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        file = self.folder / "server.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _begun(self, subject: x509.Name, key: Any, ends: timedelta) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=3))
            .not_valid_after(NOW + ends)
        )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@contextlib.contextmanager
def listening(context: ssl.SSLContext) -> Iterator[tuple[int, list[str]]]:
    """(port, host names asked for by SNI) of a server that answers [] to everything."""
    asked: list[str] = []
    context.sni_callback = lambda connection, name, _: asked.append(name)  # type: ignore[assignment]
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as made:
                made.recv(65536)
                made.sendall(answer(b"[]", 200, "Connection: close"))

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1], asked
    listener.close()


def send(egress: Egress, url: str, seconds: float = 60) -> bytes:
    with egress.open() as session:
        return session.send("GET", url, deadline=Deadline.after(seconds, SystemClock())).body


def test_a_certificate_of_the_companys_own_authority_is_trusted_when_told_so(
    authority: Authority,
) -> None:
    trusting = Egress(ca_bundle=str(authority.bundle), allow=("localhost",))
    with listening(authority.context("localhost")) as (port, asked):
        assert send(trusting, f"https://localhost:{port}/") == b"[]"
        assert asked == ["localhost"]
        with pytest.raises(TlsFailedError):
            send(Egress(allow=("localhost",)), f"https://localhost:{port}/")


@pytest.mark.parametrize(
    ("host", "ends"),
    [("other.example", timedelta(days=1)), ("localhost", timedelta(days=-1))],
    ids=["wrong name", "expired"],
)
def test_a_certificate_that_does_not_fit_is_refused_and_not_tried_again(
    authority: Authority, host: str, ends: timedelta
) -> None:
    egress = Egress(ca_bundle=str(authority.bundle), allow=("localhost",))
    with listening(authority.context(host, ends)) as (port, _):
        base = f"https://localhost:{port}"
        acme = Provider("acme", "Acme", base, (ApiKey({}),), Identity("/me", "id", "name"))
        client = ProviderClient(acme, AuthContext({}, base), egress=egress)
        with client, pytest.raises(TlsFailedError):
            client.get("/x")

    assert client.calls == 1


def test_a_handshake_nobody_answers_is_over_at_the_deadline() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    began = time.monotonic()

    with pytest.raises(ProviderUnavailableError):
        send(Egress(allow=("localhost",)), f"https://localhost:{port}/", 0.4)

    assert time.monotonic() - began < 60  # without a deadline it would never be over
    listener.close()


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """The resolver answers these, one after the other; returns the names it was asked for."""
    asked: list[str] = []
    left = list(addresses)

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found.split()]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize(
    "addresses", ["127.0.0.1", "10.0.0.1 192.168.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1"]
)
def test_a_name_that_leads_inside_is_not_connected_to(
    monkeypatch: pytest.MonkeyPatch, addresses: str
) -> None:
    """T24."""
    resolving(monkeypatch, addresses)

    with pytest.raises(EgressRefusedError, match="open internet"):
        send(Egress(), "https://rebind.example/")


def test_a_name_is_resolved_once_per_connection_and_stays_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The address that was checked is the one connected to; asking again could give another."""
    with serving(answer(b"[]")) as server:
        port = server.origin.rpartition(":")[2]
        asked = resolving(monkeypatch, "127.0.0.1", "10.0.0.1")
        with Egress(allow=("crm.corp.example",)).open() as session:
            for _ in range(3):
                session.send(
                    "GET",
                    f"http://crm.corp.example:{port}/x",
                    deadline=Deadline.after(60, SystemClock()),
                )

    assert asked == ["crm.corp.example"]
    assert f"Host: crm.corp.example:{port}".encode() in server.requests[2]

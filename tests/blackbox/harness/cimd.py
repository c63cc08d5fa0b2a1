"""A web server with client id metadata documents, over TLS with a CA of its own."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import ssl
import threading
import time
import uuid
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.jwk import ECKey

from .oauth import CALLBACK
from .serving import Server

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass
class Document:
    """What is at an address: a whole answer, or its parts one after the other."""

    body: bytes | list[bytes]
    status: int = 200
    fields: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
    pause: float = 0.0  # seconds before each part


class DocumentServer(Server):
    """Serves `documents` by path and counts who asks; `https://localhost` and `https://127.0.0.1`.

    Its certificate is for `host`, and for 127.0.0.1.
    """

    def __init__(self, folder: Path, host: str = "localhost") -> None:
        self.ca_file = folder / "ca.pem"
        self.documents: dict[str, Document] = {}
        self._asked: list[str] = []
        self._connections = 0
        self._lock = threading.Lock()
        key_file = certify(folder, self.ca_file, host)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(key_file)
        super().__init__(_handler(self))

    @property
    def connections(self) -> int:
        """How many connections were opened, whether TLS came about or not."""
        with self._lock:
            return self._connections

    def fetches(self, path: str) -> int:
        """How often this address was asked for."""
        with self._lock:
            return self._asked.count(path)

    def url(self, path: str, host: str = "localhost") -> str:
        """An address here."""
        return f"https://{host}:{self.port}{path}"

    def client(self, name: str | None = None, **changes: Any) -> str:
        """Publishes a good document but for the changes (None: left out); its client id."""
        path = f"/{name or uuid.uuid4().hex}/client.json"
        metadata = {
            "client_id": self.url(path),
            "client_name": "A published client",
            "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
        } | changes
        metadata = {name: value for name, value in metadata.items() if value is not None}
        self.documents[path] = Document(json.dumps(metadata).encode())
        return self.url(path)

    def _accept(self, plain: socket.socket) -> ssl.SSLSocket:
        with self._lock:
            self._connections += 1
        connection = self._tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        try:
            connection.do_handshake()
        except OSError:
            connection.close()
            raise
        return connection

    def _answer(self, path: str) -> Document:
        with self._lock:
            self._asked.append(path)
        return self.documents.get(path, Document(b"{}", 404))


class Assertions:
    """Makes client assertions (RFC 7523) for a client that has published this key."""

    def __init__(self, client_id: str, audience: str, key: ECKey) -> None:
        self.client_id = client_id
        self.audience = audience
        self.key = key

    def form(self, **changes: Any) -> dict[str, str]:
        """The two fields of a good assertion but for the changes (None: left out)."""
        return {
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self.assertion(**changes),
        }

    def assertion(self, signer: Any = None, algorithm: str = "ES256", **changes: Any) -> str:
        """The assertion alone."""
        now = int(time.time())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience,
            "iat": now,
            "exp": now + 60,
            "jti": uuid.uuid4().hex,
        } | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": algorithm, "kid": self.key.kid}
        return jwt.encode(header, claims, signer or self.key, algorithms=[algorithm])


def certify(folder: Path, ca_file: Path, host: str = "localhost") -> Path:
    """Writes a CA's certificate, and a server's key and certificate; the path of the latter."""
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA of the tests")])
    ca = (
        _certificate(ca_name, ca_name, ca_key)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(ca_key, hashes.SHA256())
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    names = x509.SubjectAlternativeName(
        [x509.DNSName(host), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    )
    certificate = _certificate(name, ca_name, key).add_extension(names, False)
    certificate = certificate.sign(ca_key, hashes.SHA256())
    ca_file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    key_file = folder / "server.pem"
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return key_file


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )


def _handler(server: DocumentServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            self.request = server._accept(self.request)
            super().setup()

        def finish(self) -> None:
            with self.request:
                super().finish()

        def do_GET(self) -> None:
            document = server._answer(self.path)
            self.send_response_only(document.status)
            for name, value in document.fields:
                self.send_header(name, value)
            parts = [document.body] if isinstance(document.body, bytes) else document.body
            self.send_header("content-length", str(sum(map(len, parts))))
            self.send_header("connection", "close")
            self.end_headers()
            for part in parts:
                time.sleep(document.pause)
                self.wfile.write(part)
                self.wfile.flush()

        def log_message(self, *_: object) -> None:
            pass

    return Handler

"""A web server by TLS, with certificates that are as good or bad as a test wants them."""

from __future__ import annotations

import datetime
import ssl
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .serving import Server


class TlsServer(Server):
    """Answers every path with `body` as JSON, as `localhost`, until `days` from now."""

    def __init__(self, folder: Path, days: int) -> None:
        self.body = b"{}"
        self.ca_file = folder / f"ca{days}.pem"
        self._chain = folder / f"server{days}.pem"
        _certify(self.ca_file, self._chain, days)
        super().__init__(_handler(self))

    @property
    def url(self) -> str:
        """Where it is."""
        return f"https://localhost:{self.port}/"

    def open(self) -> None:
        """Listens by TLS."""
        super().open()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._chain)
        listening = self._server.socket
        # The handshake is the connection's own affair; one that fails must not end the server.
        self._server.socket = context.wrap_socket(
            listening, server_side=True, do_handshake_on_connect=False
        )


def _certify(ca_file: Path, chain: Path, days: int) -> None:
    ca_key, own_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A CA of the tests")])
    own_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)

    def certificate(subject: x509.Name, key: ec.EllipticCurvePrivateKey, until: int):
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=400))
            .not_valid_after(now + datetime.timedelta(days=until))
        )

    ca = certificate(ca_name, ca_key, 400).add_extension(x509.BasicConstraints(True, None), True)
    own = (
        certificate(own_name, own_key, days)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    )
    pem = serialization.Encoding.PEM
    ca_file.write_bytes(ca.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    private = own_key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain.write_bytes(own.sign(ca_key, hashes.SHA256()).public_bytes(pem) + private)


def _handler(server: TlsServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(server.body)))
            self.end_headers()
            self.wfile.write(server.body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler

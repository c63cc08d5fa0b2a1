"""`examples/istio` and `examples/envoy-gateway` in a real Envoy with a real sidecar.

How the meshes translate manifests is written down in `harness/mesh.py`; the meshes themselves need
a cluster and are not here.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from harness import client, mesh
from harness.authserver import AuthServer
from harness.backend import Backend, seen
from harness.cimd import Document, DocumentServer
from harness.gateway import eventually
from harness.manifests import OVERLAYS, TOKEN, Examples
from harness.oauth import Site
from harness.tokens import RESOURCE, key, token

HOST = "mcp.example.com"
URL = f"https://{HOST}"
PROVIDER = "tenant.auth0.com"
MAKERS = {"istio": mesh.istio, "envoy-gateway": mesh.envoy_gateway}


@dataclass(frozen=True)
class Around:
    """What is around the gateway: the sidecar, the provider that signs tokens, the MCP server."""

    examples: Examples
    sidecar: AuthServer
    backend: Backend
    provider: DocumentServer
    impostor: DocumentServer  # its certificate is by the same CA, for another name

    def envoy(self, folder: Any, overlay: str, provider: DocumentServer) -> mesh.BootstrapEnvoy:
        """The gateway that an overlay amounts to."""
        places = mesh.Places(
            services={
                "mcp-auth:8081": self.sidecar.port,
                "mcp-auth-internal:8082": self.sidecar.internal_port,
                "mcp-server:9100": self.backend.port,
            },
            hosts={PROVIDER: provider.port},
            ca_file=provider.ca_file,
        )
        make = MAKERS[overlay.partition("/")[0]]
        return mesh.envoy(folder, make(self.examples.built(overlay), places))


@dataclass(frozen=True)
class Mesh:
    """A running gateway."""

    envoy: mesh.BootstrapEnvoy
    around: Around

    def send(self, path: str = "/mcp", token: str | None = None, **how: Any) -> client.Reply:
        """A request to the host of the examples."""
        fields = [
            *how.pop("fields", []),
            *([("authorization", f"Bearer {token}")] if token else []),
        ]
        return client.http1(self.envoy.ports["https"], path=path, fields=fields, host=HOST, **how)

    def call_tool(self, name: str, token: str) -> int:
        """The status of a call of a tool, by a client that says in the body alone what it calls."""
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name}}
        body = json.dumps(message).encode()
        fields = [("content-type", "application/json"), ("mcp-protocol-version", "2025-11-25")]
        return self.send(token=token, method="POST", body=body, fields=fields).status


def provider(folder: Any, host: str) -> DocumentServer:
    """A server of the provider's keys that calls itself so."""
    server = DocumentServer(folder, host)
    keys = json.dumps({"keys": [key().jwk()]}).encode()
    server.documents["/.well-known/jwks.json"] = Document(keys)
    return server


@pytest.fixture(scope="module")
def around(tmp_path_factory, serve) -> Iterator[Around]:
    """One for all meshes."""
    folder = tmp_path_factory.mktemp
    with (
        Backend() as backend,
        provider(folder("provider"), PROVIDER) as known,
        provider(folder("impostor"), "impostor.example.com") as impostor,
    ):
        sidecar = serve(URL, MCP_RESOURCES=RESOURCE, MCP_AUTH_TOKEN=TOKEN)
        yield Around(Examples(folder("manifests")), sidecar, backend, known, impostor)


@pytest.fixture(scope="module", params=OVERLAYS)
def gateway(request, tmp_path_factory, around) -> Iterator[Mesh]:
    """Each overlay's gateway in turn."""
    folder = tmp_path_factory.mktemp("mesh")
    with around.envoy(folder, request.param, around.provider) as envoy:
        yield Mesh(envoy, around)


def test_a_request_without_a_token_is_led_to_the_authorization_server(gateway):
    refused = gateway.send()
    assert refused.status == 401
    document = f"{URL}/.well-known/oauth-protected-resource/mcp"
    assert refused.challenge().params["resource_metadata"] == document
    metadata = gateway.send(document.removeprefix(URL)).json()
    assert metadata["authorization_servers"][0] == URL
    server = gateway.send("/.well-known/oauth-authorization-server").json()
    assert server["issuer"] == URL


def test_a_login_through_the_gateway_reaches_the_mcp_server(gateway):
    places = {
        URL: [gateway.envoy.ports["https"]],
        gateway.around.sidecar.upstream.issuer: [gateway.around.sidecar.upstream.proxy.port],
    }
    site = Site(URL, places, RESOURCE)
    tokens = site.tokens()
    site.http.close()
    reached = seen(gateway.send(token=tokens.access, fields=[("x-user-id", "forged")]))
    assert reached.header("x-user-name") == "user@example.com"
    assert reached.header("x-session-id") == tokens.session_id
    assert reached.values("authorization") == []


def test_the_providers_own_tokens_pass_and_their_sessions_are_recorded(gateway):
    reached = seen(gateway.send(token=token(jti=gateway.envoy.folder.name)))
    session = reached.header("x-session-id")
    recorded = f"/v1/sessions/{session}"
    eventually(lambda: gateway.around.sidecar.call("GET", recorded).status_code == 200)


def test_the_internal_api_cannot_be_reached_through_the_gateway(gateway):
    for path in ("/v1/sessions", "/v1/keys", "/metrics", "/-/internal-api", "/-/identity-provider"):
        assert gateway.send(path, token=token()).status == 404


@pytest.mark.parametrize("mesh_name", MAKERS)
def test_a_provider_with_another_name_in_its_certificate_is_not_believed(
    tmp_path, around, mesh_name
):
    with around.envoy(tmp_path, f"{mesh_name}/base", around.impostor) as envoy:
        assert Mesh(envoy, around).send(token=token()).status == 503
    assert around.impostor.fetches("/.well-known/jwks.json") == 0
    assert around.impostor.connections > 0


@pytest.mark.parametrize("mesh_name", MAKERS)
def test_a_tools_policy_reads_the_body(tmp_path, around, mesh_name):
    with around.envoy(tmp_path, f"{mesh_name}/tools-policy", around.provider) as envoy:
        gateway = Mesh(envoy, around)
        assert gateway.call_tool("list_notes", token()) == 200
        assert gateway.call_tool("delete_note", token()) == 403
        assert gateway.call_tool("delete_note", token(scope="mcp:read mcp:write")) == 200

"""What the authorization server says of itself: RFC 8414, OpenID's alias, keys, CORS."""

import base64
import hashlib
import hmac
import json

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from harness.oauth import Stack, claims_of, direct

METADATA = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
SIGNING_KEY = "00112233445566778899aabbccddeeff" * 2
FOR_SCRIPTS = [METADATA, OPENID, "/jwks.json", "/register", "/token", "/revoke"]
FOR_PEOPLE = ["/authorize", "/consent", "/auth/callback"]


class Face:
    """A server under one of the base URLs that operators choose."""

    def __init__(self, serve, url: str, path: str) -> None:
        self.url = url
        self.path = path  # what is inserted into well-known addresses
        self.server = serve(url, JWT_SIGNING_KEY=SIGNING_KEY)
        self.site = direct(self.server)
        self.origin = "https://auth.example.com"

    def get(self, path: str) -> httpx.Response:
        """A request for an address of the origin."""
        return self.site.http.get(self.origin + path)


@pytest.fixture(
    scope="module",
    params=[
        ("https://auth.example.com", ""),
        ("https://auth.example.com/", ""),
        ("https://auth.example.com/oauth/v1", "/oauth/v1"),
        ("https://auth.example.com/oauth/", "/oauth"),
    ],
    ids=lambda param: param[0].removeprefix("https://"),
)
def face(serve, request):
    return Face(serve, *request.param)


def public_jwk() -> dict:
    """The key that JWT_SIGNING_KEY stands for, as the contract derives it."""
    secret = bytes.fromhex(SIGNING_KEY)
    extracted = hmac.new(bytes(32), secret, hashlib.sha256).digest()
    info = b"mcp-auth es256 v1" + bytes([0])
    scalar = hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()
    numbers = ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1()).public_key()
    point = numbers.public_numbers()
    x, y = (b64(number.to_bytes(32, "big")) for number in (point.x, point.y))
    named = json.dumps({"crv": "P-256", "kty": "EC", "x": x, "y": y}, separators=(",", ":"))
    return {
        "kty": "EC",
        "crv": "P-256",
        "x": x,
        "y": y,
        "kid": b64(hashlib.sha256(named.encode()).digest()),
    }


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


# --- documents


def test_the_issuer_is_the_configured_url_byte_for_byte(face):
    for place in (METADATA, OPENID):
        assert face.get(place + face.path).json()["issuer"] == face.url


def test_metadata_and_openid_alias_agree(face):
    for place in (METADATA, OPENID):
        answer = face.get(place + face.path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].split(";")[0] == "application/json"
    oauth, openid = (face.get(place + face.path).json() for place in (METADATA, OPENID))
    assert oauth.items() <= openid.items()


def test_endpoints_lie_under_the_base_url(face):
    base = face.url.rstrip("/")
    document = face.get(METADATA + face.path).json()
    expected = {
        "authorization_endpoint": "/authorize",
        "token_endpoint": "/token",
        "registration_endpoint": "/register",
        "revocation_endpoint": "/revoke",
        "introspection_endpoint": "/introspect",
        "jwks_uri": "/jwks.json",
    }
    assert {name: document[name] for name in expected} == {
        name: base + path for name, path in expected.items()
    }
    assert face.site.http.get(document["jwks_uri"]).status_code == 200


def test_another_path_has_no_metadata(face):
    assert face.get(f"{METADATA}/other").status_code == 404
    assert face.get(f"/other{METADATA}").status_code == 404
    if face.path:
        assert face.get("/jwks.json").status_code == 404
        assert face.get("/authorize").status_code == 404


def test_what_clients_need_to_know_is_said(face):
    document = face.get(METADATA + face.path).json()
    assert document["response_types_supported"] == ["code"]
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert set(document["grant_types_supported"]) == {"authorization_code", "refresh_token"}
    assert {"none", "private_key_jwt"} <= set(document["token_endpoint_auth_methods_supported"])
    assert document["client_id_metadata_document_supported"] is True
    assert document["authorization_response_iss_parameter_supported"] is True
    assert {"mcp:read", "mcp:write"} <= set(document["scopes_supported"])
    assert "none" in document["revocation_endpoint_auth_methods_supported"]
    algorithms = document["token_endpoint_auth_signing_alg_values_supported"]
    assert "ES256" in algorithms
    assert not [name for name in algorithms if name == "none" or name.startswith("HS")]


def test_tokens_and_redirects_name_the_same_issuer(face):
    app = face.site.app()
    with face.site.agent() as agent:
        grant = app.log_in(agent)
        assert grant.landing.params["iss"] == face.url
        tokens = app.accepted(app.redeem(grant))
    assert claims_of(tokens.access)["iss"] == face.url


def test_introspection_is_not_announced_without_a_token(serve):
    site = direct(serve(MCP_AUTH_TOKEN=None))
    document = site.metadata()
    assert "introspection_endpoint" not in document
    assert site.post("/introspect", {"token": "x"}).status_code == 404


def test_the_filter_names_the_issuer_byte_for_byte(stack):
    answer = stack.call(path="/.well-known/oauth-protected-resource/mcp", host=stack.url[7:])
    document = json.loads(answer.body)
    assert document["resource"] == stack.resource
    assert stack.url in document["authorization_servers"]
    assert stack.site.metadata()["issuer"] == stack.url


def test_a_client_finds_its_way_from_a_refused_request_to_the_token_endpoint(stack: Stack):
    challenge = stack.call(host=stack.url[7:]).challenge()
    assert challenge is not None
    site = stack.site
    resource = site.http.get(challenge.params["resource_metadata"]).json()
    assert resource["resource"] == stack.resource
    server = resource["authorization_servers"][0]
    document = site.http.get(server + METADATA).json()
    registered = site.http.post(
        document["registration_endpoint"], json={"redirect_uris": ["http://127.0.0.1:1/cb"]}
    )
    assert registered.status_code == 201
    assert document["token_endpoint"].startswith(stack.url)


# --- keys


def test_the_published_key_is_derived_as_the_contract_says(face):
    answer = face.site.http.get(f"{face.url.rstrip('/')}/jwks.json")
    (published,) = answer.json()["keys"]
    expected = public_jwk()
    assert {name: published[name] for name in expected} == expected
    assert published.get("use", "sig") == "sig"
    assert published.get("alg", "ES256") == "ES256"
    assert "d" not in published


def test_keys_may_be_cached(face):
    answer = face.site.http.get(f"{face.url.rstrip('/')}/jwks.json")
    assert answer.headers["content-type"].split(";")[0] in (
        "application/json",
        "application/jwk-set+json",
    )
    assert "max-age=" in answer.headers["cache-control"]
    assert "no-store" not in answer.headers["cache-control"]


# --- browsers


@pytest.mark.parametrize("path", FOR_SCRIPTS)
def test_scripts_of_other_origins_may_call(site, path):
    method = "GET" if path.endswith(".json") or path.startswith("/.well-known") else "POST"
    asked = {
        "origin": "https://inspector.example",
        "access-control-request-method": method,
        "access-control-request-headers": "authorization, content-type, mcp-protocol-version",
    }
    preflight = site.http.options(site.url + path, headers=asked)
    assert preflight.status_code in (200, 204), preflight.text
    allowed = preflight.headers["access-control-allow-headers"].lower()
    assert allowed == "*" or all(
        name in allowed for name in ("authorization", "content-type", "mcp-protocol-version")
    )
    # A star does not cover Authorization.
    assert "authorization" in allowed
    assert method in preflight.headers["access-control-allow-methods"].upper()
    answer = site.http.request(method, site.url + path, headers={"origin": asked["origin"]})
    assert answer.headers["access-control-allow-origin"] in ("*", asked["origin"])
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", FOR_PEOPLE)
def test_scripts_of_other_origins_see_no_page(site, path):
    answer = site.http.get(site.url + path, headers={"origin": "https://attacker.example"})
    assert "access-control-allow-origin" not in answer.headers


# --- methods


@pytest.mark.parametrize("path", [METADATA, OPENID, "/jwks.json"])
def test_documents_answer_head(site, path):
    answer = site.http.head(site.url + path)
    assert answer.status_code == 200
    assert answer.content == b""


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", METADATA),
        ("DELETE", "/jwks.json"),
        ("GET", "/register"),
        ("GET", "/token"),
        ("GET", "/revoke"),
        ("GET", "/introspect"),
        ("PUT", "/authorize"),
        ("DELETE", "/consent"),
        ("PUT", "/auth/callback"),
    ],
)
def test_other_methods_are_refused_with_those_that_work(site, method, path):
    answer = site.http.request(method, site.url + path)
    assert answer.status_code == 405
    assert method not in answer.headers["allow"].replace(" ", "").split(",")

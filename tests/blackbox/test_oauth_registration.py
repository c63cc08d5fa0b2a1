"""Dynamic registration (RFC 7591): what is taken, what is refused, and how much of it."""

import json

import httpx
import pytest
from harness.oauth import CALLBACK, assert_oauth_error, direct

GOOD = [
    "https://app.example.com/callback",
    "https://app.example.com/callback?tenant=1&x=%2F",
    "https://app.example.com:8443/cb",
    "https://app.example.com",
    "http://localhost/callback",
    "http://localhost:3000/callback",
    "http://127.0.0.1/cb",
    "http://127.0.0.1:49152/cb",
    "http://[::1]:8080/cb",
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "vscode://vscode.github-authentication/did-authenticate",
    "com.example.app:/oauth2redirect",
]
BAD = {
    "javascript": "javascript:alert(1)",
    "javascript in odd case": "JaVaScRiPt://localhost/%0aalert(1)",
    "javascript after a line end": "java\nscript:alert(1)",
    "javascript after a blank": " javascript:alert(1)",
    "data": "data:text/html,<script>alert(1)</script>",
    "vbscript": "vbscript:msgbox",
    "file": "file:///etc/passwd",
    "blob": "blob:https://app.example.com/1",
    "about": "about:blank",
    "view-source": "view-source:https://app.example.com/",
    "mailto": "mailto:user@example.com",
    "ftp": "ftp://app.example.com/cb",
    "ws": "ws://localhost/cb",
    "wss": "wss://app.example.com/cb",
    "http elsewhere": "http://app.example.com/cb",
    "http on a name that begins like loopback": "http://localhost.attacker.example/cb",
    "http on an address that begins like loopback": "http://127.0.0.1.attacker.example/cb",
    "http on any address": "http://0.0.0.0/cb",
    "http on a private address": "http://192.168.0.1/cb",
    "loopback as user": "http://localhost@attacker.example/cb",
    "userinfo": "https://user:secret@app.example.com/cb",
    "empty userinfo": "https://@app.example.com/cb",
    "fragment": "https://app.example.com/cb#fragment",
    "empty fragment": "https://app.example.com/cb#",
    "wildcard host": "https://*.example.com/cb",
    "wildcard path": "https://app.example.com/*",
    "dot segment": "https://app.example.com/a/../cb",
    "dot segment at the end": "https://app.example.com/a/..",
    "single dot": "https://app.example.com/./cb",
    "escaped dot segment": "https://app.example.com/a/%2e%2E/cb",
    "backslash": "https://app.example.com\\@attacker.example/cb",
    "space": "https://app.example.com/a b",
    "line end": "https://app.example.com/cb\r\nlocation: https://attacker.example/",
    "tab": "https://app.example.com/\tcb",
    "NUL": "https://app.example.com/\0cb",
    "no scheme": "app.example.com/cb",
    "no host": "https:///cb",
    "path alone": "/cb",
    "another's authority": "//attacker.example/cb",
    "empty": "",
    "very long": "https://app.example.com/" + "a" * 10_000,
}


# --- redirect URIs


@pytest.mark.parametrize("uri", GOOD)
def test_a_good_redirect_uri_is_taken_and_kept_as_it_is(site, uri):
    answer = site.register(redirect_uris=[uri])
    assert answer.status_code == 201, answer.text
    assert answer.json()["redirect_uris"] == [uri]


@pytest.mark.parametrize("uri", BAD.values(), ids=BAD.keys())
def test_a_bad_redirect_uri_is_refused(site, uri):
    answer = site.register(redirect_uris=[uri])
    assert_oauth_error(answer, 400, "invalid_redirect_uri")


def test_one_bad_redirect_uri_among_good_ones_is_enough(site):
    answer = site.register(redirect_uris=[CALLBACK, "https://app.example.com/cb#x"])
    assert_oauth_error(answer, 400, "invalid_redirect_uri")


@pytest.mark.parametrize(
    "uris",
    [None, [], "https://app.example.com/cb", [1], [None], [["https://a.example/"]], {"a": "b"}],
    ids=repr,
)
def test_redirect_uris_must_be_a_list_of_strings(site, uris):
    answer = site.register(redirect_uris=uris)
    assert_oauth_error(answer, 400, "invalid_redirect_uri", "invalid_client_metadata")


def test_too_many_redirect_uris_are_refused(site):
    uris = [f"https://app.example.com/{number}" for number in range(300)]
    answer = site.register(redirect_uris=uris)
    assert_oauth_error(answer, 400, "invalid_redirect_uri", "invalid_client_metadata")


@pytest.mark.parametrize(
    "uri", ["http://localhost:3000/cb", "cursor://callback", "com.example:/cb"]
)
def test_a_web_application_gets_https_only(site, uri):
    answer = site.register(redirect_uris=[uri], application_type="web")
    assert_oauth_error(answer, 400, "invalid_redirect_uri")
    answer = site.register(redirect_uris=["https://app.example.com/cb"], application_type="web")
    assert answer.status_code == 201


# --- answers


def test_a_registered_client_is_public(site):
    answer = site.register(client_name="My client", scope="mcp:read mcp:write")
    assert answer.status_code == 201
    body = answer.json()
    assert body["token_endpoint_auth_method"] == "none"
    assert body["client_name"] == "My client"
    assert set(body["grant_types"]) == {"authorization_code", "refresh_token"}
    assert body["response_types"] == ["code"]
    assert isinstance(body["client_id_issued_at"], int)
    assert len(body["client_id"]) >= 16
    assert "client_secret" not in body
    assert "no-store" in answer.headers["cache-control"]


def test_each_registration_is_a_client_of_its_own(site):
    ids = {site.register().json()["client_id"] for _ in range(5)}
    assert len(ids) == 5


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "tls_client_auth"])
def test_no_secret_is_ever_handed_out(site, method):
    answer = site.register(token_endpoint_auth_method=method)
    if answer.status_code == 201:
        assert answer.json()["token_endpoint_auth_method"] == "none"
        assert "client_secret" not in answer.json()
    else:
        assert_oauth_error(answer, 400, "invalid_client_metadata")


@pytest.mark.parametrize(
    "asked",
    [
        {"grant_types": ["client_credentials"]},
        {"grant_types": ["implicit"]},
        {"grant_types": ["password", "authorization_code"]},
        {"response_types": ["token"]},
        {"response_types": ["code", "id_token token"]},
    ],
    ids=repr,
)
def test_no_other_grant_is_registered(site, asked):
    answer = site.register(**asked)
    if answer.status_code == 201:
        body = answer.json()
        assert set(body["grant_types"]) <= {"authorization_code", "refresh_token"}
        assert body["response_types"] == ["code"]
    else:
        assert_oauth_error(answer, 400, "invalid_client_metadata")


def test_unknown_metadata_is_ignored(site):
    answer = site.register(software_id="x", tos_uri="https://a.example/", made_up={"deep": [1, {}]})
    assert answer.status_code == 201
    assert "made_up" not in answer.json()


# --- junk


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"1e999",
        b"\xff\xfe",
        b'{"redirect_uris": ["http://127.0.0.1/cb"]} trailing',
        b"[" * 5000 + b"]" * 5000,
        b'{"redirect_uris": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
    ids=[
        "empty",
        "broken",
        "array",
        "null",
        "string",
        "number",
        "no utf-8",
        "trail",
        "deep",
        "deeper",
    ],
)
def test_junk_is_refused(site, body):
    answer = site.http.post(
        f"{site.base}/register", content=body, headers={"content-type": "application/json"}
    )
    assert_oauth_error(
        answer, 400, "invalid_client_metadata", "invalid_redirect_uri", "invalid_request"
    )


@pytest.mark.parametrize("name", [1, True, ["a"], {"a": 1}], ids=repr)
def test_a_client_name_must_be_a_string(site, name):
    answer = site.register(client_name=name)
    assert_oauth_error(answer, 400, "invalid_client_metadata")


def test_a_client_name_without_end_is_cut_or_refused(site):
    answer = site.register(client_name="n" * 10_000)
    if answer.status_code == 201:
        assert len(answer.json()["client_name"]) <= 200
    else:
        assert_oauth_error(answer, 400, "invalid_client_metadata")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_a_body_that_any_page_could_send_is_refused(site, kind):
    body = json.dumps({"redirect_uris": [CALLBACK]}).encode()
    headers = {"content-type": kind} if kind else {}
    answer = site.http.post(f"{site.base}/register", content=body, headers=headers)
    assert answer.status_code in (400, 415), answer.text
    assert "error" in answer.json()


def test_a_large_body_is_refused(site):
    answer = site.register(software_statement="x" * 1_000_000)
    # Whoever hangs up on a body that still comes may be heard by Envoy or not.
    assert answer.status_code in (413, 503), answer.status_code


def test_a_junk_client_is_not_stored(site):
    site.register(redirect_uris=["javascript:alert(1)"], client_id="chosen-by-the-client")
    answer = site.get("/authorize", params={"client_id": "chosen-by-the-client"})
    assert answer.status_code == 400


def test_a_client_does_not_choose_its_own_id(site):
    body = site.register(client_id="chosen-by-the-client", client_secret="chosen").json()
    assert body["client_id"] != "chosen-by-the-client"
    assert "client_secret" not in body


# --- how many


@pytest.fixture(scope="module")
def limited(serve):
    return serve(MCP_REGISTRATIONS_PER_MINUTE="3")


def from_address(limited, address: str) -> httpx.Response:
    """A registration that came through a proxy in front."""
    site = direct(limited)
    return site.http.post(
        f"{site.base}/register",
        json={"redirect_uris": [CALLBACK]},
        headers={"x-forwarded-for": address},
    )


def test_registrations_are_limited_by_address(limited):
    assert [from_address(limited, "203.0.113.1").status_code for _ in range(3)] == [201] * 3
    refused = from_address(limited, "203.0.113.1")
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert "error" in refused.json()
    assert from_address(limited, "203.0.113.2").status_code == 201


def test_an_address_that_the_client_made_up_does_not_help(limited):
    made_up = (f"198.51.100.{number}, 203.0.113.3" for number in range(4))
    statuses = [from_address(limited, address).status_code for address in made_up]
    assert statuses == [201, 201, 201, 429]


def test_without_trust_in_proxies_the_peer_counts(serve):
    server = serve(MCP_REGISTRATIONS_PER_MINUTE="1", MCP_AUTH_TRUSTED_HOPS="0")
    assert from_address(server, "203.0.113.1").status_code == 201
    assert from_address(server, "203.0.113.2").status_code == 429


def test_zero_is_no_limit(serve):
    server = serve(MCP_REGISTRATIONS_PER_MINUTE="0")
    assert {from_address(server, "203.0.113.1").status_code for _ in range(100)} == {201}

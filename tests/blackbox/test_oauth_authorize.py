"""/authorize: which mistakes are shown on a page, and which are sent back to the client."""

from urllib.parse import urlencode

import pytest
from harness.agent import Landing, Page
from harness.oauth import CALLBACK, challenge, random_verifier

APP_CALLBACK = "https://app.example.com/callback?tenant=1"


def refused_on_a_page(agent, url: str) -> Page:
    """The mistake is told to the user, and the browser is sent nowhere."""
    page = agent.page(url)
    assert page.response.status_code == 400, page.text
    assert page.response.headers["content-type"].startswith("text/html")
    assert "location" not in page.response.headers
    assert page.words
    return page


def refused_by_redirect(agent, app, error: str, **changes: str | None) -> dict[str, str]:
    """The mistake is told to the client."""
    landing = agent.open(app.authorize_url(**changes))
    assert isinstance(landing, Landing), f"a page, not a redirect:\n{landing.words}"
    assert landing.url.startswith(app.redirect_uri)
    params = landing.params
    assert params["error"] == error, params
    assert params["iss"] == app.site.url
    assert "code" not in params
    return params


# --- on a page: the redirect URI cannot be trusted


@pytest.mark.parametrize("client_id", [None, "", "unknown", "x" * 5000, "http://127.0.0.1/"])
def test_an_unknown_client_is_refused_on_a_page(agent, app, client_id):
    refused_on_a_page(agent, app.authorize_url(client_id=client_id))


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example.com/callback",
        "https://app.example.com/callback?tenant=2",
        "https://app.example.com/callback?tenant=1&more=1",
        "https://app.example.com/callback/?tenant=1",
        "https://app.example.com/Callback?tenant=1",
        "https://APP.example.com/callback?tenant=1",
        "https://app.example.com:443/callback?tenant=1",
        "https://app.example.com:8443/callback?tenant=1",
        "https://app.example.com/callback?tenant=%31",
        "https://app.example.com/x/../callback?tenant=1",
        "https://app.example.com/callback?tenant=1#fragment",
        "https://user@app.example.com/callback?tenant=1",
        "https://app.example.com.attacker.example/callback?tenant=1",
        "https://attacker.example/callback?tenant=1",
        "http://app.example.com/callback?tenant=1",
        "javascript:alert(1)",
        "//attacker.example/",
        "/callback",
        " " + APP_CALLBACK,
    ],
)
def test_another_redirect_uri_is_refused_on_a_page(agent, site, uri):
    app = site.app(redirect_uris=[APP_CALLBACK])
    refused_on_a_page(agent, app.authorize_url(redirect_uri=uri))


def test_which_of_two_redirect_uris_must_be_said(agent, site):
    app = site.app(redirect_uris=[APP_CALLBACK, CALLBACK])
    for absent in (None, ""):
        refused_on_a_page(agent, app.authorize_url(redirect_uri=absent))


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_a_doubled_client_or_redirect_uri_is_refused_on_a_page(agent, app, name):
    value = app.request()[name]
    refused_on_a_page(agent, f"{app.authorize_url()}&{urlencode({name: value})}")
    refused_on_a_page(agent, f"{app.authorize_url()}&{urlencode({name: 'https://a.example/'})}")


def test_what_is_quoted_on_a_page_is_escaped(agent, app):
    page = refused_on_a_page(agent, app.authorize_url(client_id='"><script>alert(1)</script>'))
    assert "<script" not in page.text


def test_an_error_page_is_hardened(agent, app):
    headers = refused_on_a_page(agent, app.authorize_url(client_id="unknown")).response.headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "script-src" not in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "no-store" in headers["cache-control"]


# --- redirect URIs on loopback


@pytest.mark.parametrize("port", ["", ":1", ":49152", ":65535"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_on_loopback_any_port_is_taken(agent, site, host, port):
    app = site.app(redirect_uris=[f"http://{host}:7777/cb?x=1"])
    page = agent.page(app.authorize_url(redirect_uri=f"http://{host}{port}/cb?x=1"))
    assert page.response.status_code == 200


@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost:7777/callback",
        "http://127.0.0.2:7777/callback",
        "http://[::1]:7777/callback",
        "https://127.0.0.1:7777/callback",
        "http://127.0.0.1:7777/other",
        "http://127.0.0.1:7777/callback?x",
        "http://127.0.0.1:7777@attacker.example/callback",
        "http://127.0.0.1:7777.attacker.example/callback",
        "http://127.1:7777/callback",
        "http://2130706433:7777/callback",
        "http://127.0.0.1:99999/callback",
        "http://127.0.0.1:port/callback",
        "http://127.0.0.1:7777/callback/../callback",
    ],
)
def test_on_loopback_nothing_else_may_differ(agent, app, uri):
    refused_on_a_page(agent, app.authorize_url(redirect_uri=uri))


# --- by redirect


@pytest.mark.parametrize(
    "kind", ["token", "id_token", "code token", "code id_token", "none", "Code"]
)
def test_another_response_type_is_refused(agent, app, kind):
    refused_by_redirect(agent, app, "unsupported_response_type", response_type=kind)


def test_a_missing_response_type_is_refused(agent, app):
    refused_by_redirect(agent, app, "invalid_request", response_type=None)


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge": None},
        {"code_challenge": ""},
        {"code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": "s256"},
        {"code_challenge_method": "S512"},
        {"code_challenge": "a" * 42},
        {"code_challenge": "a" * 44},
        {"code_challenge": "a" * 129},
        {"code_challenge": "=" * 43},
        {"code_challenge": "ä" * 43},
    ],
    ids=repr,
)
def test_pkce_with_s256_is_required(agent, app, changes):
    refused_by_redirect(agent, app, "invalid_request", **changes)


@pytest.mark.parametrize(
    "resource",
    ["https://other.example.com/mcp", "/mcp", "", "{resource}/x", "{resource}/", "{resource}#x"],
)
def test_a_token_for_somebody_elses_server_is_refused(agent, app, resource):
    wanted = resource.format(resource=app.site.resource)
    refused_by_redirect(agent, app, "invalid_target", resource=wanted)


def test_a_request_must_say_for_which_server(agent, app):
    refused_by_redirect(agent, app, "invalid_target", resource=None)


def test_a_request_for_two_servers_is_refused(agent, stack):
    url = f"{stack.site.app().authorize_url()}&{urlencode({'resource': stack.other_resource})}"
    landing = agent.open(url)
    assert isinstance(landing, Landing)
    assert landing.params["error"] == "invalid_target"


def test_a_scope_that_is_not_ours_is_refused(agent, app):
    for scope in ("admin", "mcp:read admin", "mcp:*", "MCP:READ"):
        refused_by_redirect(agent, app, "invalid_scope", scope=scope)


@pytest.mark.parametrize("name", ["scope", "state", "code_challenge", "response_type"])
def test_a_doubled_parameter_is_refused(agent, app, name):
    url = f"{app.authorize_url()}&{urlencode({name: app.request()[name]})}"
    landing = agent.open(url)
    if isinstance(landing, Page):  # a page is as good: nothing of it is believed
        assert landing.response.status_code == 400
    else:
        assert landing.params["error"] == "invalid_request"


def test_the_state_comes_back_as_it_went(agent, app):
    state = "a b+c&d=e;f/ü€%00%2F\"'<>"
    params = refused_by_redirect(agent, app, "invalid_scope", scope="admin", state=state)
    assert params["state"] == state
    assert app.log_in(agent, state=state).landing.params["state"] == state


def test_without_a_state_none_comes_back(agent, app):
    assert "state" not in refused_by_redirect(
        agent, app, "invalid_scope", scope="admin", state=None
    )
    assert "state" not in app.log_in(agent, state=None).landing.params


def test_a_redirect_uri_keeps_its_own_parameters(agent, site):
    app = site.app(redirect_uris=[APP_CALLBACK])
    params = app.log_in(agent).landing.params
    assert params["tenant"] == "1"
    assert params.keys() == {"tenant", "code", "state", "iss"}


def test_a_state_beyond_all_measure_is_refused(agent, app):
    got = agent.open(app.authorize_url(state="s" * 20_000))
    if isinstance(got, Landing):
        assert got.params["error"] == "invalid_request"
    else:
        assert got.response.status_code in (400, 413, 414, 431)


# --- scopes


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (None, "mcp:read"),
        ("", "mcp:read"),
        ("openid profile email offline_access", "mcp:read"),
        ("mcp:write", "mcp:write"),
        ("openid mcp:write offline_access", "mcp:write"),
        ("mcp:read mcp:write", "mcp:read mcp:write"),
    ],
)
def test_scopes_are_ours_alone(agent, app, asked, granted):
    tokens = app.tokens(agent, scope=asked)
    assert set(tokens.claims["scope"].split()) == set(granted.split())
    assert set(tokens.answer.get("scope", granted).split()) == set(granted.split())


def test_the_token_is_for_the_resource_that_was_asked(agent, stack):
    app = stack.site.app()
    tokens = app.tokens(agent, resource=stack.other_resource, scope="mcp:write")
    assert tokens.claims["aud"] in (stack.other_resource, [stack.other_resource])
    assert stack.passed(tokens.access, "/other").header("x-user-scopes") == "mcp:write"
    assert stack.denied(tokens.access, "/mcp") == "wrong_audience"


# --- more than once


def test_a_second_look_at_the_same_address_does_no_harm(agent, app):
    url = app.authorize_url()
    first, second = agent.page(url), agent.page(url)
    for page in (second, first):
        landing = agent.go_on(page)
        assert app.redeem_code(landing).status_code == 200


def test_a_look_by_head_does_no_harm(site, agent, app):
    url = app.authorize_url()
    assert site.http.head(url).status_code in (200, 302, 303, 405)
    assert "code" in agent.log_in(url).params


def test_a_client_may_log_in_many_times_with_other_verifiers(agent, app):
    for _ in range(3):
        verifier = random_verifier()
        grant = app.log_in(agent, code_challenge=challenge(verifier))
        answer = app.redeem(grant, code_verifier=verifier)
        assert answer.status_code == 200, answer.text

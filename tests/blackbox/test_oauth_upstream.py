"""The leg to the identity provider: what is sent, what is verified, and what its failures cost."""

import json
import time

import pytest
from harness.agent import Landing, Page
from harness.faultproxy import always, changed
from harness.gateway import eventually
from harness.oauth import Grant, assert_oauth_error, direct
from harness.tokens import HmacKey, key
from harness.upstream import AUDIENCE, AUTHORIZE, DISCOVERY, TOKEN, Upstream

PATIENCE = 10  # seconds that the provider is given

OUTAGES = {
    "500": always(500, b"<html>sorry</html>", content_type="text/html"),
    "502": always(502),
    "503": always(503, b'{"error": "server_error"}'),
    "429": always(429, b'{"error": "too_many_requests"}', retry_after="1"),
    "invalid_client": always(401, b'{"error": "invalid_client"}'),
    "invalid_client as 400": always(400, b'{"error": "invalid_client"}'),
    "not JSON": always(200, b"<html>sorry</html>"),
    "empty": always(200),
}


@pytest.fixture
def short_lived(upstream):
    """The provider's tokens are old at once, so that every refresh has to go there."""
    with upstream.settings(accessTokenTTL=2):
        yield


def ends_in_failure(got: Page | Landing, site) -> str:
    """No code comes of it: an error for the client, or a page; its error code, else the status."""
    if isinstance(got, Landing):
        assert "code" not in got.params, got.url
        assert got.params["state"] == "state-of-the-client"
        assert got.params["iss"] == site.url
        return got.params["error"]
    assert got.response.status_code >= 400, got.text
    return str(got.response.status_code)


# --- what is sent


def test_the_provider_is_asked_with_state_nonce_and_pkce_of_its_own(stack, agent, app):
    app.log_in(agent)
    asked = stack.upstream.proxy.exchanges(AUTHORIZE)[-1].request.query
    assert asked["response_type"] == "code"
    assert asked["client_id"] == stack.server.client.client_id
    assert asked["redirect_uri"] == f"{stack.url}/auth/callback"
    assert asked["code_challenge_method"] == "S256"
    assert asked["code_challenge"] not in ("", app.request()["code_challenge"])
    assert len(asked["nonce"]) >= 16
    assert len(asked["state"]) >= 16
    assert "state-of-the-client" not in asked["state"]
    assert asked["nonce"] != asked["state"]
    assert AUDIENCE in (asked.get("audience"), asked.get("resource"))


def test_scopes_are_kept_apart(stack, agent, app):
    tokens = app.tokens(agent, scope="openid offline_access mcp:write")
    asked = stack.upstream.proxy.exchanges(AUTHORIZE)[-1].request.query
    assert set(asked["scope"].split()) == {"openid", "profile", "email", "offline_access"}
    assert tokens.claims["scope"] == "mcp:write"


def test_state_nonce_and_challenge_are_new_for_each_login(stack, agent, app):
    for _ in range(3):
        app.log_in(agent)
    asked = [it.request.query for it in stack.upstream.proxy.exchanges(AUTHORIZE)[-3:]]
    for name in ("state", "nonce", "code_challenge"):
        assert len({query[name] for query in asked}) == 3


def test_the_code_is_exchanged_with_secret_and_verifier(stack, agent, app):
    app.log_in(agent)
    request = stack.upstream.token_answers("authorization_code")[-1].request
    fields = dict(request.fields)
    assert fields.get("authorization", "").startswith("Basic ") or request.form["client_secret"]
    assert len(request.form["code_verifier"]) >= 43
    assert request.form["redirect_uri"] == f"{stack.url}/auth/callback"


def test_an_upstream_that_signs_with_es256_works(serve, upstream):
    url = "https://auth.example.com"
    client = upstream.register(f"{url}/auth/callback", id_token_signed_response_alg="ES256")
    audience = "https://es256.example.com/"
    site = direct(serve(url, client=client, OIDC_AUDIENCE=audience))
    assert site.tokens().claims["preferred_username"] == "user@example.com"


def test_tokens_do_not_outlive_what_the_provider_granted(upstream, site):
    with upstream.settings(accessTokenTTL=90):
        tokens = site.tokens()
    assert tokens.answer["expires_in"] <= 90
    assert tokens.claims["exp"] - tokens.claims["iat"] <= 90


# --- what is verified


WRONG_ID_TOKENS = {
    "nonce of another login": {"nonce": "another"},
    "no nonce": {"without": ("nonce",)},
    "another issuer": {"iss": "https://attacker.example/"},
    "no issuer": {"without": ("iss",)},
    "another audience": {"aud": "another-client"},
    "no audience": {"without": ("aud",)},
    "expired": {"exp": int(time.time()) - 3600},
    "no end": {"without": ("exp",)},
    "no subject": {"without": ("sub",)},
    "another client's as well": {"aud": ["another-client"], "azp": "another-client"},
    "unsigned": {"algorithm": "none"},
    "signed by a stranger": {"signer": key("RS256", "stranger")},
}


@pytest.mark.parametrize("wrong", WRONG_ID_TOKENS.values(), ids=WRONG_ID_TOKENS.keys())
def test_a_wrong_id_token_is_no_login(stack, agent, app, wrong):
    with stack.upstream.id_token(**wrong):
        ends_in_failure(agent.wander(app.authorize_url()), app.site)
    assert stack.server.sessions(client_id=app.client_id) == []


def test_the_proxy_spoils_nothing_but_what_it_is_told_to(stack, agent, app):
    with stack.upstream.id_token(name="Signed Again"):
        assert app.tokens(agent).claims["name"] == "Signed Again"


def test_an_id_token_signed_with_the_secret_is_no_login(serve, upstream):
    url = "https://auth.example.com"
    client = upstream.register(f"{url}/auth/callback", id_token_signed_response_alg="HS256")
    site = direct(serve(url, client=client))
    with site.agent() as agent:
        ends_in_failure(agent.wander(site.app().authorize_url()), site)


def test_an_id_token_signed_with_the_public_key_as_secret_is_no_login(stack, agent, app):
    public = key("RS256", "proxy").inner.as_pem(private=False)
    with stack.upstream.id_token("HS256", HmacKey(public)):
        ends_in_failure(agent.wander(app.authorize_url()), app.site)


def test_no_id_token_is_no_login(stack, agent, app):
    def without(request, onward):
        reply = onward(request)
        answer = {n: v for n, v in reply.json().items() if n != "id_token"}
        return changed(reply, json.dumps(answer).encode())

    with stack.upstream.proxy.fault(TOKEN, without):
        ends_in_failure(agent.wander(app.authorize_url()), app.site)


@pytest.mark.parametrize("iss", ["https://attacker.example/", "{issuer}/", "", None], ids=repr)
def test_a_callback_of_another_issuer_is_no_login(stack, agent, app, iss):
    before = len(stack.upstream.token_answers())
    wrong = iss if iss is None else iss.format(issuer=stack.upstream.issuer)
    with stack.upstream.callback(iss=wrong):
        ends_in_failure(agent.wander(app.authorize_url()), app.site)
    assert len(stack.upstream.token_answers()) == before, "the code was sent somewhere all the same"


def test_an_error_of_the_provider_is_told_in_ours(stack, agent, app):
    with stack.upstream.callback(code=None, error="<script>", error_description="<b>secret</b>"):
        got = agent.wander(app.authorize_url())
    assert ends_in_failure(got, app.site) in (
        "server_error",
        "temporarily_unavailable",
        "access_denied",
    )
    shown = got.url if isinstance(got, Landing) else got.text
    assert "<script" not in shown
    assert "secret" not in shown


# --- outages while somebody logs in


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES.keys())
def test_an_outage_during_a_login_is_told_and_costs_that_login_only(stack, agent, app, outage):
    with stack.upstream.proxy.fault(TOKEN, outage):
        got = agent.wander(app.authorize_url())
    told = ends_in_failure(got, app.site)
    assert told in ("temporarily_unavailable", "server_error", "502", "503")
    app.tokens(agent)


def test_a_provider_that_is_down_at_start_is_waited_for(serve, tmp_path):
    with Upstream(tmp_path) as provider:
        client = provider.register("https://auth.example.com/auth/callback")
        provider.proxy.close()
        server = serve(wait=False, client=client, upstream=provider)
        assert server.call("GET", "/healthz").status_code == 200
        assert server.call("GET", "/readyz").status_code == 503
        provider.proxy.open()
        eventually(lambda: server.call("GET", "/readyz").status_code == 200, 30)
        assert direct(server).tokens()


def test_a_document_of_another_issuer_is_not_believed(serve, upstream):
    def lying(request, onward):
        reply = onward(request)
        document = reply.json() | {"issuer": "https://attacker.example/"}
        return changed(reply, json.dumps(document).encode())

    with upstream.proxy.fault(DISCOVERY, lying):
        server = serve(wait=False)
        eventually(lambda: upstream.proxy.exchanges(DISCOVERY))
        assert server.call("GET", "/readyz").status_code == 503


# --- outages while a login is refreshed


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES.keys())
def test_an_outage_costs_nobody_the_login(stack, short_lived, agent, app, outage):
    tokens = app.tokens(agent)
    with stack.upstream.proxy.fault(TOKEN, outage):
        answer = app.refresh(tokens.refresh)
    assert_oauth_error(answer, 503, "temporarily_unavailable")
    refreshed = app.refreshed(tokens.refresh)
    app.refreshed(refreshed.refresh)
    (session,) = stack.server.sessions(client_id=app.client_id)
    assert session["revoked_at"] is None


@pytest.mark.timeout(90)
def test_a_provider_that_says_nothing_costs_nobody_the_login(stack, short_lived, agent, app):
    tokens = app.tokens(agent)
    with stack.upstream.silence():
        since = time.monotonic()
        answer = app.refresh(tokens.refresh)
        took = time.monotonic() - since
    assert_oauth_error(answer, 503, "temporarily_unavailable")
    assert took < PATIENCE + 4
    app.refreshed(tokens.refresh)


def test_an_outage_is_said_in_the_log_without_secrets(stack, short_lived, agent, app):
    tokens = app.tokens(agent)
    before = len(stack.server.log())
    with stack.upstream.proxy.fault(TOKEN, OUTAGES["invalid_client"]):
        app.refresh(tokens.refresh)
    said = stack.server.log()[before:]
    assert "invalid_client" in said
    for secret in (tokens.refresh, tokens.access, stack.server.client.client_secret):
        assert secret not in stack.server.log()


def test_a_login_that_has_ended_upstream_ends_here(stack, short_lived, app, site):
    with site.agent("fired@example.com") as agent:
        tokens = app.tokens(agent)
    stack.upstream.end_login("fired@example.com", stack.server.client)
    time.sleep(2.1)  # what the provider granted is over
    assert_oauth_error(app.refresh(tokens.refresh), 400, "invalid_grant")
    assert_oauth_error(app.refresh(tokens.refresh), 400, "invalid_grant")
    (session,) = stack.server.sessions(client_id=app.client_id)
    assert session["revoked_at"] is not None
    eventually(lambda: stack.call(tokens.access).status == 401)


def test_the_token_for_the_next_refresh_upstream_is_kept(stack, short_lived, agent, app):
    tokens = app.tokens(agent)
    for _ in range(3):
        tokens = app.refreshed(tokens.refresh)


def test_a_code_of_an_outage_is_not_redeemed_later(stack, agent, app):
    with stack.upstream.proxy.fault(TOKEN, OUTAGES["500"]):
        got = agent.wander(app.authorize_url())
    if isinstance(got, Landing):
        answer = app.redeem(Grant(got.params.get("code", "none"), got))
        assert answer.status_code == 400

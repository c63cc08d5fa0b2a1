"""The attacks of RFC 9700, section 4, and of MCP's security chapter, each by its name.

What an attack leans on is told in detail elsewhere: redirect URIs in `test_oauth_authorize.py`,
forms in `test_oauth_consent.py`, families of tokens in `test_oauth_refresh.py`, fetched documents
in `test_oauth_cimd.py`. Attacks with stolen tokens are in `test_oauth_stolen_tokens.py`.
"""

from urllib.parse import urlsplit

import httpx
import pytest
from harness.agent import Agent, Landing, Page
from harness.client import http1
from harness.oauth import App, Stack, assert_oauth_error, challenge, random_verifier
from harness.upstream import AUTHORIZE

ENTROPY = 22  # characters of base64url for 128 bits


@pytest.fixture
def victim(site):
    with site.agent("victim@example.com") as agent:
        yield agent


@pytest.fixture
def attacker(site):
    with site.agent("attacker@example.com") as agent:
        yield agent


def held_callback(agent: Agent, app: App, **changes: str) -> Landing:
    """The address with which the provider sends the browser back, not yet visited."""
    agent.hold = f"{app.site.base}/auth/callback"
    landing = agent.log_in(app.authorize_url(**changes))
    agent.hold = ""
    assert landing.url.startswith(f"{app.site.base}/auth/callback"), landing.url
    return landing


def no_login(got: Page | Landing) -> None:
    """The browser is left on a page, or its client is told of an error."""
    if isinstance(got, Landing):
        assert "code" not in got.params, got.url
        assert got.params["error"]
    else:
        assert got.response.status_code >= 400
        assert "code=" not in got.text


def logins_begun(stack: Stack) -> int:
    """How many browsers were sent upstream."""
    return len(stack.upstream.proxy.exchanges(AUTHORIZE))


# --- 4.1 insufficient redirect URI validation


@pytest.mark.parametrize(
    "uri",
    [
        "https://attacker.example/callback",
        "https://app.example.com.attacker.example/callback",
        "https://app.example.com@attacker.example/callback",
        "https://app.example.com/callback/../../attacker",
        "https://app.example.com/callback%0d%0alocation:https://attacker.example/",
        "https://app.example.com/callback\\@attacker.example",
        "https://app.example.com/callback#@attacker.example",
        "https://app.example.com/callback?next=https://attacker.example/",
    ],
)
def test_a_code_is_not_sent_to_a_redirect_uri_that_only_looks_like_the_clients(site, victim, uri):
    app = site.app(redirect_uris=["https://app.example.com/callback"])
    page = victim.page(app.authorize_url(redirect_uri=uri))
    assert page.response.status_code == 400
    assert not page.forms


def test_a_redirect_uri_is_not_changed_between_authorize_and_token(app, victim):
    grant = app.log_in(victim)
    answer = app.redeem(grant, redirect_uri="http://127.0.0.1:7777/callback/")
    assert_oauth_error(answer, 400, "invalid_grant")


# --- 4.2 and 4.3 leakage by referrer and history


def test_no_address_with_a_code_is_told_to_other_sites(app, victim):
    app.log_in(victim)
    own = [it for url, it in victim.trail if url.startswith(app.site.url)]
    assert own
    for response in own:
        policy = response.headers.get("referrer-policy", "")
        assert response.has_redirect_location or policy in ("no-referrer", "same-origin", "origin")


def test_no_token_is_ever_in_an_address(stack, app, victim):
    tokens = app.tokens(victim)
    for url in victim.visited:
        assert tokens.access not in url
        assert "access_token" not in url
    assert stack.call(path=f"/mcp?access_token={tokens.access}").status == 400


# --- 4.4 mix-up


@pytest.mark.parametrize("end", ["code", "error"])
def test_mix_up_every_answer_names_its_issuer(app, victim, end):
    if end == "code":
        landing = app.log_in(victim).landing
    else:
        landing = victim.open(app.authorize_url(scope="admin"))
    assert landing.params["iss"] == app.site.url


def test_mix_up_upstream_a_code_is_not_taken_to_another_providers_token_endpoint(
    stack, app, victim
):
    before = len(stack.upstream.token_answers())
    with stack.upstream.callback(iss="https://attacker.example"):
        no_login(victim.wander(app.authorize_url()))
    assert len(stack.upstream.token_answers()) == before


# --- 4.5 authorization code injection


def test_code_injection_a_stolen_code_is_worthless_in_the_attackers_flow(app, victim, attacker):
    mine, theirs = random_verifier(), random_verifier()
    app.log_in(attacker, code_challenge=challenge(mine))
    stolen = app.log_in(victim, code_challenge=challenge(theirs))
    assert_oauth_error(app.redeem(stolen, code_verifier=mine), 400, "invalid_grant")


def test_code_injection_a_stolen_code_is_worthless_to_another_client(site, app, victim):
    stolen = app.log_in(victim)
    assert_oauth_error(site.app().redeem(stolen), 400, "invalid_grant")


def test_code_injection_upstream_a_code_of_another_login_is_refused(app, victim, attacker):
    stolen = held_callback(victim, app).params["code"]
    mine = held_callback(attacker, app)
    injected = str(httpx.URL(mine.url).copy_set_param("code", stolen))
    no_login(attacker.open(injected))


# --- 4.7 cross-site request forgery


def test_csrf_a_victim_cannot_be_logged_in_as_the_attacker(app, victim, attacker):
    mine = held_callback(attacker, app)
    no_login(victim.open(mine.url))


def test_csrf_a_callback_in_another_browser_is_refused_even_with_a_login_under_way(
    app, victim, attacker
):
    held_callback(victim, app)
    mine = held_callback(attacker, app)
    no_login(victim.open(mine.url))


@pytest.mark.parametrize("state", ["", "made-up", "x" * 5000, None])
def test_csrf_a_callback_with_a_made_up_state_is_refused(app, victim, state):
    url = httpx.URL(held_callback(victim, app).url)
    url = url.copy_remove_param("state") if state is None else url.copy_set_param("state", state)
    no_login(victim.open(str(url)))


def test_csrf_a_callback_without_a_login_is_refused(site, victim):
    no_login(victim.open(f"{site.base}/auth/callback?code=x&state=y&iss=z"))
    no_login(victim.open(f"{site.base}/auth/callback"))
    no_login(victim.open(f"{site.base}/auth/callback?error=access_denied"))


def test_csrf_consent_cannot_be_given_from_another_site(stack, app, victim):
    page = victim.page(app.authorize_url())
    before = logins_begun(stack)
    forged = victim.submission(page, **dict.fromkeys(page.form.hidden))
    forged.headers["origin"] = "https://attacker.example"
    assert victim.send(forged).response.status_code in (400, 403)
    assert logins_begun(stack) == before


def test_token_replay_a_used_callback_is_refused(app, victim):
    callback = held_callback(victim, app)
    landing = victim.open(callback.url)
    no_login(victim.open(callback.url))
    assert app.redeem_code(landing).status_code == 200


# --- 4.8 PKCE downgrade


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
    ],
    ids=["without", "plain", "no method"],
)
def test_pkce_downgrade_a_request_without_s256_gets_no_code(app, victim, changes):
    no_login(victim.open(app.authorize_url(**changes)))


def test_pkce_downgrade_a_code_is_not_redeemed_without_its_verifier(app, victim):
    grant = app.log_in(victim)
    answer = app.redeem(grant, code_verifier=None)
    assert_oauth_error(answer, 400, "invalid_grant", "invalid_request")


def test_pkce_downgrade_the_challenge_itself_is_no_verifier(app, victim):
    grant = app.log_in(victim)
    answer = app.redeem(grant, code_verifier=app.request()["code_challenge"])
    assert_oauth_error(answer, 400, "invalid_grant")


# --- 4.11 open redirection


def test_open_redirect_no_address_of_a_request_is_followed_unregistered(site, victim):
    target = "https://attacker.example/"
    for path in ("/authorize", "/consent", "/auth/callback", "/token", "/revoke"):
        for name in ("redirect_uri", "redirect", "next", "return_to", "url", "iss"):
            got = victim.open(f"{site.base}{path}?{httpx.QueryParams({name: target})}")
            assert isinstance(got, Page), got.url
            assert "location" not in got.response.headers


def test_open_redirect_a_double_slash_is_no_host(stack):
    for path in (
        "//attacker.example",
        "//attacker.example/authorize",
        "/authorize//attacker.example",
    ):
        answer = http1(stack.server.port, path=path, host=stack.url[7:])
        assert answer.status in (400, 404)
        assert answer.header("location") is None


def test_open_redirect_a_clients_website_is_not_gone_to_unasked(site, victim):
    """Everybody can register a website, and send people a link that must fail (4.11.2)."""
    app = site.app(redirect_uris=["https://attacker.example/login"])
    for bad in ({"scope": "mcp:none"}, {"response_type": "token"}, {"state": "x" * 5000}):
        got = victim.open(app.authorize_url(**bad))
        assert isinstance(got, Page), got.url
        assert got.response.status_code == 400
        assert "location" not in got.response.headers
        assert "refresh" not in got.response.headers
        assert "attacker.example" in got.text


# --- 4.12 redirects by 307


def test_credentials_are_not_passed_on_by_307(app, victim):
    app.log_in(victim)
    redirects = [it for _, it in victim.trail if it.has_redirect_location]
    assert redirects
    assert {it.status_code for it in redirects} <= {302, 303}
    consented = [it for url, it in victim.trail if urlsplit(url).path == "/consent"]
    assert {it.status_code for it in consented if it.request.method == "POST"} == {303}


# --- 4.13 reverse proxies


@pytest.mark.parametrize(
    "fields",
    [
        {"x-forwarded-host": "attacker.example"},
        {"forwarded": "host=attacker.example;proto=http"},
        {"x-forwarded-proto": "http", "x-forwarded-port": "1"},
        {
            "x-original-url": "https://attacker.example/",
            "x-rewrite-url": "https://attacker.example/",
        },
        {"host": "attacker.example"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_no_header_changes_who_the_server_is(stack, site, fields):
    answer = site.http.get(f"{site.base}/.well-known/oauth-authorization-server", headers=fields)
    assert answer.json() == site.metadata()
    app = site.app()
    with Agent(lambda: site.reach(**fields)) as agent:
        begun = agent.submit(agent.page(app.authorize_url()))
    assert isinstance(begun, Page)
    asked = stack.upstream.proxy.exchanges(AUTHORIZE)[-1].request.query
    assert asked["redirect_uri"] == f"{stack.url}/auth/callback"


def test_a_redirect_cannot_be_split_by_a_state(app, victim):
    state = "x\r\nset-cookie: a=b\r\n\r\n<script>"
    landing = victim.open(app.authorize_url(scope="admin", state=state))
    assert landing.params["state"] == state
    assert "a" not in victim.cookies


# --- 4.16 clickjacking


def test_clickjacking_no_page_can_be_framed(app, victim):
    pages = [
        victim.page(app.authorize_url()),
        victim.page(app.authorize_url(client_id="unknown")),
        victim.page(f"{app.site.base}/auth/callback"),
    ]
    for page in pages:
        assert page.response.headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in page.response.headers["content-security-policy"]


# --- MCP: confused deputy


def test_confused_deputy_consent_to_one_client_is_none_to_another(stack, site, app, victim):
    app.tokens(victim)  # the victim has consented, and is logged in upstream
    before = logins_begun(stack)
    evil = site.app(client_name="A test client", redirect_uris=["https://attacker.example/cb"])
    page = victim.page(evil.authorize_url())
    assert "attacker.example" in page.words
    assert logins_begun(stack) == before


def test_confused_deputy_consent_to_one_address_is_none_to_another(stack, site, victim):
    uris = ["https://app.example.com/cb", "https://attacker.example/cb"]
    app = site.app(redirect_uris=uris)
    app.tokens(victim)
    before = logins_begun(stack)
    page = victim.page(app.authorize_url(redirect_uri=uris[1]))
    assert "attacker.example" in page.words
    assert logins_begun(stack) == before


def test_confused_deputy_a_login_upstream_begun_by_hand_is_refused(stack, app, victim):
    app.tokens(victim)
    began = stack.upstream.proxy.exchanges(AUTHORIZE)[-1].request
    no_login(victim.open(f"{stack.upstream.issuer}{began.target}"))


def test_confused_deputy_an_upstream_link_of_the_attacker_is_refused(stack, app, victim, attacker):
    # The attacker consents to an evil client and hands the victim the rest of the way.
    attacker.hold = stack.upstream.issuer
    upstream = attacker.log_in(app.authorize_url())
    no_login(victim.wander(upstream.url))


# --- guessing


def test_nothing_that_opens_a_door_can_be_guessed(stack, app, victim):
    grant = app.log_in(victim)
    tokens = app.accepted(app.redeem(grant))
    asked = stack.upstream.proxy.exchanges(AUTHORIZE)[-1].request.query
    secrets = [grant.code, tokens.refresh, asked["state"], asked["nonce"], app.client_id]
    assert all(len(secret) >= ENTROPY for secret in secrets)
    assert len(set(secrets)) == len(secrets)

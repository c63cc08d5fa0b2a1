"""Who the user is: the same person whichever token comes, and what is recorded of a login."""

import time
import uuid

import httpx
import pytest
from harness.agent import Agent
from harness.oauth import VERIFIER, challenge, direct
from harness.upstream import AUDIENCE, TOKEN

CALLBACK = "https://direct.example.com/callback"


def provider_token(stack, user: str) -> str:
    """The provider's own access token, got without mcp-auth."""
    client = stack.upstream.register(CALLBACK)
    asked = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": CALLBACK,
        "scope": "openid profile email",
        "audience": AUDIENCE,
        "code_challenge": challenge(VERIFIER),
        "code_challenge_method": "S256",
    }
    with Agent(stack.site.reach, user) as agent:
        landing = agent.log_in(f"{stack.upstream.issuer}/auth?{httpx.QueryParams(asked)}")
        answer = agent.http.post(
            f"{stack.upstream.issuer}{TOKEN}",
            data={
                "grant_type": "authorization_code",
                "code": landing.params["code"],
                "code_verifier": VERIFIER,
                "redirect_uri": CALLBACK,
            },
            auth=(client.client_id, client.client_secret),
        )
    return answer.json()["access_token"]


@pytest.mark.parametrize("user", ["user@example.com", "Ünïcode Näme", "auth0|user123"])
def test_a_person_is_the_same_by_both_tokens(stack, user):
    own = stack.passed(provider_token(stack, user))
    mcp = stack.passed(stack.site.tokens(user).access)
    for name in ("x-user-id", "x-user-name", "x-user-issuer", "x-user-subject", "x-user-email"):
        assert own.header(name) == mcp.header(name) is not None
    assert mcp.header("x-user-issuer") == stack.upstream.issuer


def test_the_server_is_told_client_session_and_scopes(stack, agent, app):
    tokens = app.tokens(agent, scope="mcp:read mcp:write")
    seen = stack.passed(tokens.access)
    assert seen.header("x-client-id") == app.client_id
    assert seen.header("x-session-id") == tokens.session_id
    assert set(seen.header("x-user-scopes").split()) == {"mcp:read", "mcp:write"}
    assert seen.header("authorization") is None


def test_a_missing_scope_is_403_with_all_that_is_needed(stack, agent, app):
    tokens = app.tokens(agent, scope="mcp:read", resource=stack.other_resource)
    reply = stack.call(tokens.access, "/other")
    assert reply.status == 403
    challenge = reply.challenge()
    assert challenge is not None
    assert challenge.params["error"] == "insufficient_scope"
    assert challenge.params["scope"] == "mcp:write"


def test_a_session_is_recorded_with_everything(stack, agent, app):
    tokens = app.tokens(agent)
    (session,) = stack.server.sessions(client_id=app.client_id)
    now = time.time()
    times = ("created_at", "last_seen_at", "expires_at")
    assert {name: value for name, value in session.items() if name not in times} == {
        "session_id": tokens.session_id,
        "user_id": stack.passed(tokens.access).header("x-user-id"),
        "username": "user@example.com",
        "issuer": stack.upstream.issuer,
        "token_issuer": stack.url,
        "subject": "user@example.com",
        "client_id": app.client_id,
        "scopes": ["mcp:read"],
        "revoked_at": None,
    }
    assert abs(session["created_at"] - now) < 10
    assert session["expires_at"] > now + 86400


def test_no_session_before_the_code_is_redeemed(stack, agent, app):
    app.log_in(agent)
    assert stack.server.sessions(client_id=app.client_id) == []


def test_more_digits_of_the_user_id_are_told_alike(serve):
    server = serve(MCP_USER_ID_HASH_DIGITS="20")
    tokens = direct(server).tokens()
    (session,) = server.sessions(client_id=tokens.app.client_id)
    assert len(session["user_id"].rpartition("-")[2]) == 20


def test_an_email_that_is_not_verified_is_no_username(stack, app, site):
    name = stack.upstream.user(
        "unverified", preferred_username=None, email="boss@example.com", email_verified=False
    )
    with site.agent(name) as agent:
        tokens = app.tokens(agent)
    seen = stack.passed(tokens.access)
    assert seen.header("x-user-email") is None
    assert seen.header("x-user-name") != "boss@example.com"
    (session,) = stack.server.sessions(client_id=app.client_id)
    assert session["user_id"] == seen.header("x-user-id")


@pytest.mark.parametrize(
    "claims",
    [
        {"preferred_username": None},
        {"preferred_username": None, "email": None},
        {"preferred_username": None, "email": None, "name": None},
        {"preferred_username": "Jane\nDoe: x"},
        {"preferred_username": "n" * 600},
    ],
    ids=["no username", "no e-mail", "subject alone", "line end", "long"],
)
def test_filter_and_sidecar_agree_on_who_somebody_is(stack, app, site, claims):
    name = stack.upstream.user(f"odd-{uuid.uuid4().hex}", **claims)
    with site.agent(name) as agent:
        tokens = app.tokens(agent)
    (session,) = stack.server.sessions(client_id=app.client_id)
    assert stack.passed(tokens.access).header("x-user-id") == session["user_id"]


def test_two_people_are_two(stack, site, app):
    seen = set()
    for user in ("one@example.com", "two@example.com"):
        with site.agent(user) as agent:
            seen.add(stack.passed(app.tokens(agent).access).header("x-user-id"))
    assert len(seen) == 2


def test_a_trace_that_comes_through_envoy_is_told_by_the_authorization_server(stack):
    trace = "0af7651916cd43dd8448eb211c80319c"
    traced = {"traceparent": f"00-{trace}-b7ad6b7169203331-01", "tracestate": "vendor=a"}
    told = {"redirect_uris": ["http://127.0.0.1/callback"], "client_name": "traced"}
    answer = stack.site.http.post(f"{stack.url}/register", json=told, headers=traced)
    assert answer.status_code == 201, answer.text
    lines = [line for line in stack.server.log().splitlines() if answer.json()["client_id"] in line]
    assert len(lines) == 1
    assert trace in lines[0]

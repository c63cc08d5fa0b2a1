"""Revocation (RFC 7009), introspection (RFC 7662), and what operators throw out."""

import time

import httpx
import pytest
from harness.oauth import SOON, Tokens, assert_oauth_error


@pytest.fixture
def tokens(stack, agent, app) -> Tokens:
    """A login that both workers of Envoy have seen."""
    tokens = app.tokens(agent)
    for _ in range(10):
        stack.passed(tokens.access)
    return tokens


def introspect(stack, token: str, authorization: str | None = None) -> httpx.Response:
    """What a server that knows the token of the internal API is told."""
    secret = stack.server.environment["MCP_AUTH_TOKEN"]
    headers = {"authorization": f"Bearer {secret}" if authorization is None else authorization}
    return stack.site.post("/introspect", {"token": token}, headers=headers)


# --- revocation


@pytest.mark.parametrize("which", ["access", "refresh"])
@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "made_up"])
def test_a_public_client_ends_its_login_with_either_token(stack, app, tokens, which, hint):
    answer = app.revoke(getattr(tokens, which), token_type_hint=hint)
    assert answer.status_code == 200
    stack.assert_revoked(tokens)
    assert_oauth_error(app.refresh(tokens.refresh), 400, "invalid_grant")


def test_a_token_that_was_rotated_away_still_ends_the_login(stack, app, tokens):
    refreshed = app.refreshed(tokens.refresh)
    assert app.revoke(tokens.access).status_code == 200
    stack.assert_revoked(refreshed)


def test_revoking_twice_is_fine(app, tokens):
    assert [app.revoke(tokens.refresh).status_code for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("junk", ["unknown", "a.b.c", "x" * 5000])
def test_a_token_that_never_was_is_revoked_already(app, junk):
    assert app.revoke(junk).status_code == 200


def test_something_must_be_named(app):
    assert_oauth_error(app.revoke("", token=None), 400, "invalid_request")


def test_another_client_ends_nothing(stack, site, app, tokens):
    thief = site.app()
    for token in (tokens.access, tokens.refresh):
        assert thief.revoke(token).status_code in (200, 400)
    time.sleep(SOON)
    stack.passed(tokens.access)
    app.refreshed(tokens.refresh)


def test_an_unknown_client_ends_nothing(stack, app, tokens):
    for client_id in ("unknown", None):
        app.revoke(tokens.refresh, client_id=client_id)
    time.sleep(SOON)
    stack.passed(tokens.access)


def test_a_forged_token_ends_nothing(stack, app, tokens):
    head, body, signature = tokens.access.split(".")
    forged = f"{head}.{body}.{signature[:-6]}AAAAAA"
    assert app.revoke(forged).status_code == 200
    time.sleep(SOON)
    stack.passed(tokens.access)


# --- introspection


def test_a_live_token_is_described(stack, app, tokens):
    said = introspect(stack, tokens.access).json()
    assert said["active"] is True
    for name in ("iss", "sub", "client_id", "scope", "exp", "iat", "jti", "sid"):
        assert said[name] == tokens.claims[name]
    assert stack.resource in (said["aud"], *said["aud"])


def test_a_dead_token_is_nothing_but_dead(stack, app, tokens):
    app.revoke(tokens.refresh)
    for token in (tokens.access, tokens.refresh, "unknown", ""):
        answer = introspect(stack, token)
        if token or answer.status_code == 200:
            assert answer.json() == {"active": False}


def test_a_live_refresh_token_is_known(stack, app, tokens):
    said = introspect(stack, tokens.refresh).json()
    assert said["active"] is True
    assert said["client_id"] == app.client_id
    app.refreshed(tokens.refresh)
    assert introspect(stack, tokens.refresh).json() == {"active": False}


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Basic dXNlcjpwYXNz"])
def test_introspection_asks_for_the_token(stack, tokens, authorization):
    answer = introspect(stack, tokens.access, authorization)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "active" not in answer.text


def test_introspection_is_not_to_be_stored(stack, tokens):
    assert "no-store" in introspect(stack, tokens.access).headers["cache-control"]


# --- operators


def test_a_session_that_is_thrown_out_cannot_be_refreshed(stack, app, tokens):
    assert stack.server.call("DELETE", f"/v1/sessions/{tokens.session_id}").status_code == 204
    stack.assert_revoked(tokens)
    assert_oauth_error(app.refresh(tokens.refresh), 400, "invalid_grant")


@pytest.mark.parametrize("of", ["user_id", "client_id"])
def test_all_logins_of_a_user_or_client_are_thrown_out(stack, app, tokens, of):
    (session,) = stack.server.sessions(client_id=app.client_id)
    answer = stack.server.call("DELETE", f"/v1/sessions?{of}={session[of]}")
    assert answer.status_code == 200
    stack.assert_revoked(tokens)
    assert_oauth_error(app.refresh(tokens.refresh), 400, "invalid_grant")


def test_after_a_users_revocation_a_new_login_works_at_once(stack, site, app):
    with site.agent("returning@example.com") as agent:
        tokens = app.tokens(agent)
        (session,) = stack.server.sessions(client_id=app.client_id)
        for _ in range(3):
            stack.server.call("DELETE", f"/v1/sessions?user_id={session['user_id']}")
            tokens = app.tokens(agent)
            # Whatever the filter knows of the revocation, this token came after it.
            time.sleep(SOON)
            stack.passed(tokens.access)
            app.refreshed(tokens.refresh)


def test_a_revoked_session_is_listed_with_its_end(stack, app, tokens):
    app.revoke(tokens.refresh)
    (session,) = stack.server.sessions(client_id=app.client_id)
    assert session["session_id"] == tokens.session_id
    assert session["revoked_at"] is not None

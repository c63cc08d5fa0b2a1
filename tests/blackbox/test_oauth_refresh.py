"""Refresh tokens: rotated at each use, one successor in a race, the end of a family when stolen."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness.gateway import eventually
from harness.oauth import Tokens, assert_oauth_error, direct

RACE = 10  # seconds in which the loser of a race may get the winner's successor
AT_ONCE = 20


@pytest.fixture
def tokens(agent, app) -> Tokens:
    """A login."""
    return app.tokens(agent)


@pytest.fixture(params=["redis", "embedded"])
def any_tokens(request, site, serve) -> Tokens:
    """A login at a server over each of the stores."""
    return (site if request.param == "redis" else direct(serve())).tokens()


def assert_dead(stack, login: Tokens) -> None:
    """Neither access nor refresh token of the login is good for anything any more."""
    stack.assert_revoked(login)
    assert_oauth_error(login.app.refresh(login.refresh), 400, "invalid_grant")


# --- rotation


def test_each_use_brings_another_token(app, tokens):
    seen = {tokens.refresh}
    for _ in range(3):
        tokens = app.refreshed(tokens.refresh)
        assert tokens.refresh not in seen
        seen.add(tokens.refresh)


def test_a_refreshed_login_stays_one_session(stack, app, tokens):
    refreshed = app.refreshed(tokens.refresh)
    same = ("iss", "sub", "aud", "client_id", "scope", "sid", "idp_iss", "preferred_username")
    assert {n: refreshed.claims[n] for n in same} == {n: tokens.claims[n] for n in same}
    assert refreshed.claims["jti"] != tokens.claims["jti"]
    assert stack.passed(refreshed.access).header("x-session-id") == tokens.session_id
    assert len(stack.server.sessions(client_id=app.client_id)) == 1


def test_the_session_ends_with_the_refresh_token_and_moves_with_it(stack, app, tokens):
    (before,) = stack.server.sessions(client_id=app.client_id)
    assert abs(before["expires_at"] - time.time() - 30 * 86400) < 60
    time.sleep(1.1)  # times are whole seconds
    app.refreshed(tokens.refresh)
    (after,) = stack.server.sessions(client_id=app.client_id)
    assert after["expires_at"] > before["expires_at"]
    assert after["created_at"] == before["created_at"]


def test_a_login_has_an_absolute_end(serve):
    site = direct(serve(MCP_LOGIN_TTL="3s", MCP_REFRESH_TOKEN_TTL="1h", MCP_ACCESS_TOKEN_TTL="3s"))
    tokens = site.tokens()
    assert tokens.answer["expires_in"] <= 3
    end = time.monotonic() + 3
    tokens = tokens.app.refreshed(tokens.refresh)
    eventually(lambda: time.monotonic() > end + 0.5, 10)
    assert_oauth_error(tokens.app.refresh(tokens.refresh), 400, "invalid_grant")


def test_an_unused_refresh_token_expires(serve):
    site = direct(serve(MCP_REFRESH_TOKEN_TTL="2s", MCP_ACCESS_TOKEN_TTL="1s"))
    tokens = site.tokens()
    time.sleep(2.5)
    assert_oauth_error(tokens.app.refresh(tokens.refresh), 400, "invalid_grant")


def test_claims_are_read_again(stack, app, site):
    name = stack.upstream.user("renamed@example.com")
    with site.agent(name) as agent:
        tokens = app.tokens(agent)
    stack.upstream.user(name, name="Somebody Else", email="new@example.com")
    claims = app.refreshed(tokens.refresh).claims
    assert claims["name"] == "Somebody Else"
    assert claims["email"] == "new@example.com"


# --- what a refresh may ask


@pytest.mark.parametrize(
    ("asked", "granted"),
    [(None, "mcp:read mcp:write"), ("mcp:read", "mcp:read"), ("mcp:write", "mcp:write")],
)
def test_a_refresh_may_ask_for_less(agent, app, asked, granted):
    tokens = app.tokens(agent, scope="mcp:read mcp:write")
    refreshed = app.refreshed(tokens.refresh, scope=asked)
    assert set(refreshed.claims["scope"].split()) == set(granted.split())
    again = app.refreshed(refreshed.refresh)
    assert set(again.claims["scope"].split()) == {"mcp:read", "mcp:write"}


def test_a_refresh_may_not_ask_for_more(app, tokens):
    answer = app.refresh(tokens.refresh, scope="mcp:read mcp:write")
    assert_oauth_error(answer, 400, "invalid_scope")
    app.refreshed(tokens.refresh)


def test_a_refresh_is_for_the_same_resource(stack, app, tokens):
    answer = app.refresh(tokens.refresh, resource=stack.other_resource)
    assert_oauth_error(answer, 400, "invalid_target")
    app.refreshed(tokens.refresh, resource=stack.resource)


@pytest.mark.parametrize("junk", ["", "unknown", "x" * 5000, "\0", "a.b.c"])
def test_a_refresh_token_that_was_never_given_is_refused(app, junk):
    answer = app.refresh(junk)
    assert_oauth_error(answer, 400, "invalid_grant", "invalid_request")


def test_a_missing_refresh_token_is_refused(app):
    assert_oauth_error(app.refresh("", refresh_token=None), 400, "invalid_request")


def test_an_access_token_is_no_refresh_token(app, tokens):
    assert_oauth_error(app.refresh(tokens.access), 400, "invalid_grant")


def test_another_client_cannot_use_it_nor_end_it(stack, site, app, tokens):
    thief = site.app()
    assert_oauth_error(thief.refresh(tokens.refresh), 400, "invalid_grant")
    stack.passed(tokens.access)
    app.refreshed(tokens.refresh)


# --- races


def test_twenty_refreshes_at_once_leave_one_successor(any_tokens):
    app = any_tokens.app
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: app.refresh(any_tokens.refresh), range(AT_ONCE)))
    good = [app.accepted(answer) for answer in answers if answer.status_code == 200]
    assert good
    assert len({tokens.refresh for tokens in good}) == 1
    for answer in answers:
        if answer.status_code != 200:
            assert_oauth_error(answer, 400, "invalid_grant")
    app.refreshed(good[0].refresh)


def test_whoever_missed_the_answer_gets_the_same_successor(app, tokens):
    first = app.refreshed(tokens.refresh)
    second = app.refresh(tokens.refresh)
    if second.status_code == 200:
        assert second.json()["refresh_token"] == first.refresh
    app.refreshed(first.refresh)


def test_the_successor_is_lost_with_all_else_once_both_are_used(stack, app, tokens):
    first = app.refreshed(tokens.refresh)
    second = app.refreshed(first.refresh)
    stack.passed(second.access)
    assert_oauth_error(app.refresh(tokens.refresh), 400, "invalid_grant")
    assert_dead(stack, second)
    (session,) = stack.server.sessions(client_id=app.client_id)
    assert session["revoked_at"] is not None


def test_an_old_token_after_ten_seconds_is_a_stolen_one(stack, app, tokens):
    first = app.refreshed(tokens.refresh)
    stack.passed(first.access)
    time.sleep(RACE + 1)
    assert_oauth_error(app.refresh(tokens.refresh), 400, "invalid_grant")
    assert_dead(stack, first)


def test_the_end_of_a_family_is_the_end_of_one_login_only(stack, agent, app, tokens):
    other = app.tokens(agent)
    second = app.refreshed(app.refreshed(tokens.refresh).refresh)
    app.refresh(tokens.refresh)
    assert_dead(stack, second)
    stack.passed(other.access)
    app.refreshed(other.refresh)

"""The attacks of RFC 9700, section 4, with tokens and codes that were stolen, each by its name.

The others are in `test_oauth_attacks.py`.
"""

import pytest
from harness.oauth import assert_oauth_error


@pytest.fixture
def victim(site):
    with site.agent("victim@example.com") as agent:
        yield agent


# --- 4.9 and 4.10 leaked access tokens


def test_token_replay_a_token_is_good_at_its_own_server_only(stack, app, victim):
    tokens = app.tokens(victim, scope="mcp:read mcp:write")
    stack.passed(tokens.access, "/mcp")
    assert stack.denied(tokens.access, "/other") == "wrong_audience"


def test_token_replay_an_mcp_server_never_sees_the_token(stack, app, victim):
    tokens = app.tokens(victim)
    seen = stack.passed(tokens.access)
    assert tokens.access not in str(seen.fields)


def test_token_replay_the_providers_id_token_opens_nothing(stack, app, victim):
    app.tokens(victim)
    id_token = stack.upstream.token_answers()[-1].reply.json()["id_token"]
    assert stack.denied(id_token) == "wrong_audience"


def test_token_replay_a_code_or_refresh_token_opens_nothing(stack, app, victim):
    grant = app.log_in(victim)
    assert stack.denied(grant.code) == "malformed_token"
    tokens = app.accepted(app.redeem(grant))
    assert stack.denied(tokens.refresh) == "malformed_token"


def test_token_replay_an_access_token_does_not_prove_a_client(site, app, victim):
    tokens = app.tokens(victim)
    answer = app.refresh(
        tokens.refresh,
        client_id=None,
        client_assertion=tokens.access,
        client_assertion_type="urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    )
    assert answer.status_code in (400, 401)
    assert answer.json()["error"] in ("invalid_client", "invalid_request")


def test_token_replay_a_redeemed_code_ends_the_login_it_became(app, victim):
    grant = app.log_in(victim)
    tokens = app.accepted(app.redeem(grant))
    app.redeem(grant)
    assert_oauth_error(app.refresh(tokens.refresh), 400, "invalid_grant")


# --- 4.14 refresh tokens


def test_a_stolen_refresh_token_gives_itself_away(app, victim):
    stolen = app.tokens(victim).refresh
    owner = app.refreshed(app.refreshed(stolen).refresh)
    assert_oauth_error(app.refresh(stolen), 400, "invalid_grant")
    assert_oauth_error(app.refresh(owner.refresh), 400, "invalid_grant")


def test_a_stolen_refresh_token_cannot_be_used_by_another_client(site, app, victim):
    stolen = app.tokens(victim).refresh
    assert_oauth_error(site.app().refresh(stolen), 400, "invalid_grant")


# --- 4.15 clients that pose as users


def test_a_client_cannot_get_a_token_of_its_own(app):
    form = {"grant_type": "client_credentials", "client_id": app.client_id}
    assert_oauth_error(app.site.post("/token", form), 400, "unsupported_grant_type")

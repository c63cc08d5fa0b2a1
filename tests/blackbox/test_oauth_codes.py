"""Codes: redeemed once, by the right client with the right proof; and the tokens they become."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness.oauth import Grant, assert_oauth_error, claims_of, direct, header_of
from joserfc import jwt
from joserfc.jwk import KeySet

AT_ONCE = 20


@pytest.fixture(params=["redis", "embedded"])
def any_site(request, site, serve):
    """A server over each of the stores."""
    return site if request.param == "redis" else direct(serve())


@pytest.fixture
def grant(agent, app) -> Grant:
    """A code."""
    return app.log_in(agent)


def at_once(calls: int, call):
    """The answers of calls that are made at the same time."""
    with ThreadPoolExecutor(calls) as pool:
        return list(pool.map(lambda _: call(), range(calls)))


# --- tokens


def test_the_access_token_says_what_the_contract_lists(stack, app, grant):
    tokens = app.accepted(app.redeem(grant))
    claims, now = tokens.claims, int(time.time())
    assert header_of(tokens.access)["typ"] == "at+jwt"
    assert header_of(tokens.access)["alg"] == "ES256"
    assert claims["iss"] == stack.url
    assert claims["sub"] == "user@example.com"
    assert claims["aud"] in (stack.resource, [stack.resource])
    assert claims["client_id"] == app.client_id
    assert claims["scope"] == "mcp:read"
    assert abs(claims["iat"] - now) < 10
    assert claims["exp"] - claims["iat"] == 15 * 60
    assert claims["jti"]
    assert claims["sid"]
    assert claims["idp_iss"] == stack.upstream.issuer
    assert claims["preferred_username"] == "user@example.com"
    assert claims["email"] == "user@example.com"
    assert claims["email_verified"] is True
    assert claims["name"] == "user of the tests"


def test_the_access_token_is_signed_by_the_published_key(site, app, grant):
    tokens = app.accepted(app.redeem(grant))
    keys = KeySet.import_key_set(site.get("/jwks.json").json())
    assert jwt.decode(tokens.access, keys, algorithms=["ES256"]).claims == tokens.claims


def test_the_answer_is_as_rfc_6749_wants_it(app, grant):
    answer = app.redeem(grant)
    assert answer.headers["content-type"].split(";")[0] == "application/json"
    assert "no-store" in answer.headers["cache-control"]
    body = answer.json()
    assert body["token_type"].lower() == "bearer"
    assert body["expires_in"] == 15 * 60
    assert body["scope"] == "mcp:read"
    assert body["refresh_token"].count(".") < 2, "a refresh token is opaque"
    assert "id_token" not in body


def test_each_login_is_a_session_of_its_own(agent, app):
    one, other = app.tokens(agent), app.tokens(agent)
    assert one.claims["sid"] != other.claims["sid"]
    assert one.claims["jti"] != other.claims["jti"]


def test_nothing_of_the_provider_reaches_the_client(stack, agent, app):
    answer = app.redeem(app.log_in(agent)).text
    seen = stack.upstream.token_answers()[-1].reply.json()
    for name in ("access_token", "id_token", "refresh_token"):
        assert seen[name] not in answer


# --- once


def test_of_twenty_at_once_one_gets_tokens(any_site):
    app = any_site.app()
    with any_site.agent() as agent:
        grant = app.log_in(agent)
    answers = at_once(AT_ONCE, lambda: app.redeem(grant))
    good = [answer for answer in answers if answer.status_code == 200]
    assert len(good) == 1, [answer.status_code for answer in answers]
    for answer in answers:
        if answer is not good[0]:
            assert_oauth_error(answer, 400, "invalid_grant")


def test_a_code_that_comes_back_ends_what_it_became(stack, app, grant):
    tokens = app.accepted(app.redeem(grant))
    stack.passed(tokens.access)
    assert_oauth_error(app.redeem(grant), 400, "invalid_grant")
    assert_oauth_error(app.refresh(tokens.refresh), 400, "invalid_grant")
    (session,) = stack.server.sessions(client_id=app.client_id)
    assert session["revoked_at"] is not None


# --- by the right client with the right proof


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"code_verifier": "w" * 43}, ["invalid_grant"]),
        ({"code_verifier": "v" * 44}, ["invalid_grant"]),
        ({"code_verifier": None}, ["invalid_grant", "invalid_request"]),
        ({"code_verifier": ""}, ["invalid_grant", "invalid_request"]),
        ({"code_verifier": "v" * 42}, ["invalid_grant", "invalid_request"]),
        ({"code_verifier": "v" * 5000}, ["invalid_grant", "invalid_request"]),
        ({"redirect_uri": "https://attacker.example/"}, ["invalid_grant"]),
        ({"redirect_uri": "http://127.0.0.1:7778/callback"}, ["invalid_grant"]),
        ({"resource": "https://attacker.example/"}, ["invalid_target"]),
        ({"code": None}, ["invalid_request"]),
        ({"code": "unknown"}, ["invalid_grant"]),
        ({"code": "x" * 5000}, ["invalid_grant", "invalid_request"]),
        ({"code": "\0"}, ["invalid_grant", "invalid_request"]),
        ({"grant_type": None}, ["invalid_request"]),
        ({"grant_type": "password"}, ["unsupported_grant_type"]),
        ({"grant_type": "client_credentials"}, ["unsupported_grant_type"]),
        ({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}, ["unsupported_grant_type"]),
        ({"client_id": None}, ["invalid_client", "invalid_request"]),
    ],
    ids=repr,
)
def test_a_bad_redemption_is_refused(app, grant, changes, errors):
    assert_oauth_error(app.redeem(grant, **changes), 400, *errors)


def test_another_client_gets_nothing_for_a_code(site, app, grant):
    thief = site.app()
    assert_oauth_error(thief.redeem(grant), 400, "invalid_grant")
    assert_oauth_error(app.redeem(grant, client_id=thief.client_id), 400, "invalid_grant")


def test_an_unknown_client_is_refused(app, grant):
    answer = app.redeem(grant, client_id="unknown")
    assert answer.status_code in (400, 401)
    assert answer.json()["error"] == "invalid_client"


def test_the_resource_must_be_the_one_that_was_asked(stack, app, grant):
    answer = app.redeem(grant, resource=stack.other_resource)
    assert_oauth_error(answer, 400, "invalid_target")


def test_the_resource_need_not_be_said_twice(stack, app, grant):
    tokens = app.accepted(app.redeem(grant, resource=None))
    assert tokens.claims["aud"] in (stack.resource, [stack.resource])


@pytest.mark.parametrize("name", ["code", "code_verifier", "client_id", "grant_type"])
def test_a_doubled_parameter_is_refused(site, app, grant, name):
    form = {
        "grant_type": "authorization_code",
        "client_id": app.client_id,
        "redirect_uri": app.redirect_uri,
        "code": grant.code,
        "code_verifier": grant.verifier,
    }
    answer = site.post("/token", form | {name: [form[name]] * 2})
    assert_oauth_error(answer, 400, "invalid_request")


def test_parameters_in_the_address_do_not_count(site, app, grant):
    form = {
        "grant_type": "authorization_code",
        "client_id": app.client_id,
        "redirect_uri": app.redirect_uri,
        "code": grant.code,
        "code_verifier": grant.verifier,
    }
    answer = site.post("/token", params=form)
    assert answer.status_code == 400
    assert_oauth_error(answer, 400, "invalid_request")


def test_a_json_body_is_refused(site, app, grant):
    answer = site.http.post(f"{site.base}/token", json={"code": grant.code})
    assert answer.status_code in (400, 415)
    assert "access_token" not in answer.text


def test_a_large_body_is_refused(site):
    answer = site.post("/token", {"code": "x" * 1_000_000})
    assert answer.status_code in (400, 413)


@pytest.mark.parametrize("secret", ["", "made-up"])
def test_a_secret_that_was_never_given_is_refused_or_ignored(site, app, grant, secret):
    form = {
        "grant_type": "authorization_code",
        "client_id": app.client_id,
        "client_secret": secret,
        "redirect_uri": app.redirect_uri,
        "code": grant.code,
        "code_verifier": grant.verifier,
    }
    answer = site.post("/token", form)
    if answer.status_code != 200:
        assert answer.json()["error"] == "invalid_client"


def test_errors_name_neither_code_nor_verifier(app, grant):
    answer = app.redeem(grant, code_verifier="w" * 43)
    assert grant.code not in answer.text
    assert "w" * 43 not in answer.text


def test_the_lifetime_is_as_configured(serve):
    tokens = direct(serve(MCP_ACCESS_TOKEN_TTL="2m")).tokens()
    claims = claims_of(tokens.access)
    assert claims["exp"] - claims["iat"] == tokens.answer["expires_in"] == 120

"""Several issuers and resources, audiences and scopes: which token is good where."""

import pytest
from harness import client
from harness.gateway import config, issuer, resource
from harness.tokens import ISSUER, RESOURCE, token

OTHER = "https://other.example/"
SECOND = "https://mcp.example.com/second"


@pytest.fixture(scope="module")
def gateway(start):
    both = [issuer(), issuer(issuer=OTHER, audiences=["api://shared", "api://extra"])]
    return start(
        {
            "main": config(
                issuers=both,
                resources=[
                    resource(issuers=[ISSUER]),
                    resource(path="/second", resource=SECOND, scopes=[]),
                    resource(
                        path="/own",
                        resource="https://mcp.example.com/own",
                        audiences=["api://own"],
                        scopes=[],
                    ),
                    resource(
                        path="/second/admin",
                        resource="https://mcp.example.com/admin",
                        scopes=["mcp:admin", "mcp:read"],
                    ),
                ],
            )
        }
    )


def test_a_token_of_an_issuer_that_the_resource_does_not_accept_is_refused(gateway):
    gateway.assert_denied("unknown_issuer", token=token(iss=OTHER, aud=[RESOURCE, "api://shared"]))


def test_every_issuer_is_accepted_by_default(gateway):
    gateway.forwarded("/second", token=token(aud=SECOND))
    gateway.forwarded("/second", token=token(iss=OTHER, aud="api://shared"))


@pytest.mark.parametrize("aud", ["api://shared", "api://extra", ["x", "api://extra"]], ids=str)
def test_the_audiences_of_an_issuer_are_accepted(gateway, aud):
    gateway.forwarded("/second", token=token(iss=OTHER, aud=aud))


def test_the_audiences_of_an_issuer_replace_the_identifier(gateway):
    gateway.assert_denied("wrong_audience", "/second", token=token(iss=OTHER, aud=SECOND))


def test_the_audiences_of_one_issuer_are_none_of_another(gateway):
    gateway.assert_denied("wrong_audience", "/second", token=token(aud="api://shared"))


@pytest.mark.parametrize("iss", [ISSUER, OTHER])
def test_the_audiences_of_a_resource_replace_those_of_the_issuers(gateway, iss):
    gateway.forwarded("/own", token=token(iss=iss, aud="api://own"))
    for aud in ("api://shared", "https://mcp.example.com/own"):
        gateway.assert_denied("wrong_audience", "/own", token=token(iss=iss, aud=aud))


def test_a_token_verified_at_one_resource_is_judged_anew_at_another(gateway):
    good = token(aud=SECOND)
    gateway.forwarded("/second", token=good)
    gateway.assert_denied("wrong_audience", token=good)
    gateway.forwarded("/second", token=good)


def test_the_same_token_passes_at_each_resource_that_accepts_it(gateway):
    good = token(aud=[RESOURCE, SECOND])
    gateway.forwarded(token=good)
    gateway.forwarded("/second", token=good)


def test_the_longest_path_decides(gateway):
    admin = token(aud="https://mcp.example.com/admin", scope="mcp:admin mcp:read")
    gateway.forwarded("/second/admin", token=admin)
    gateway.forwarded("/second/admin/x", token=admin)
    gateway.assert_denied("wrong_audience", "/second/adminx", token=admin)


# --- scopes


@pytest.mark.parametrize("over", [client.http1, client.http2])
@pytest.mark.parametrize("scope", [None, "", "mcp:write", "mcp:readx", "mcp", "MCP:READ"])
def test_a_missing_scope_is_forbidden(gateway, scope, over):
    reply = gateway.assert_denied("insufficient_scope", token=token(scope=scope), over=over)
    assert reply.challenge().params["scope"] == "mcp:read"


@pytest.mark.parametrize("scope", [None, "mcp:read", "mcp:admin"])
def test_the_challenge_names_all_scopes_that_are_needed(gateway, scope):
    some = token(aud="https://mcp.example.com/admin", scope=scope)
    reply = gateway.assert_denied("insufficient_scope", "/second/admin", token=some)
    assert reply.challenge().params["scope"] == "mcp:admin mcp:read"


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": "other mcp:read"},
        {"scope": ["other", "mcp:read"]},
        {"scope": None, "scp": "mcp:read"},
        {"scope": None, "scp": ["mcp:read"]},
        {"scope": "other", "permissions": ["mcp:read"]},
    ],
    ids=str,
)
def test_a_scope_counts_in_each_claim_that_may_carry_it(gateway, claims):
    gateway.forwarded(token=token(**claims))


def test_a_missing_scope_is_judged_after_the_token(gateway):
    gateway.assert_denied("wrong_audience", token=token(aud=OTHER, scope=None))

"""The Authorization header: what counts as a credential, as none, or as malformed."""

import pytest
from harness import client
from harness.gateway import METADATA, config
from harness.tokens import token

BOTH = pytest.mark.parametrize("over", [client.http1, client.http2])


@pytest.fixture(scope="module")
def gateway(start):
    return start({"main": config()})


def authorization(*values: str) -> list[tuple[str, str]]:
    return [("authorization", value) for value in values]


@BOTH
def test_a_good_token_is_forwarded(gateway, over):
    gateway.forwarded(token=token(), over=over)


@BOTH
def test_a_request_without_credential_is_challenged_without_an_error(gateway, over):
    reply = gateway.assert_denied("missing_token", over=over)
    assert reply.challenge().params == {"resource_metadata": METADATA, "scope": "mcp:read"}


@pytest.mark.parametrize(
    "value", ["Basic dXNlcjpwYXNz", "Negotiate", "Bearerx abc", 'Digest username="u"']
)
def test_another_scheme_is_no_credential(gateway, value):
    reply = gateway.assert_denied("missing_token", fields=authorization(value))
    assert reply.challenge().params == {"resource_metadata": METADATA, "scope": "mcp:read"}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_compared_without_case(gateway, scheme):
    gateway.forwarded(fields=authorization(f"{scheme} {token()}"))


@pytest.mark.parametrize("spaces", [1, 2, 7])
def test_several_spaces_after_the_scheme_are_fine(gateway, spaces):
    gateway.forwarded(fields=authorization(f"Bearer{' ' * spaces}{token()}"))


@BOTH
def test_two_authorization_headers_are_malformed(gateway, over):
    good = f"Bearer {token()}"
    gateway.assert_denied("malformed_request", fields=authorization(good, good), over=over)


def test_two_different_schemes_are_malformed(gateway):
    values = authorization("Basic dXNlcjpwYXNz", f"Bearer {token()}")
    gateway.assert_denied("malformed_request", fields=values)


@pytest.mark.parametrize("comma", [",", ", ", " , "])
def test_two_values_joined_by_a_comma_are_malformed(gateway, comma):
    good = f"Bearer {token()}"
    gateway.assert_denied("malformed_request", fields=authorization(f"{good}{comma}{good}"))


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Bearer    "])
def test_bearer_with_nothing_is_malformed(gateway, value):
    gateway.assert_denied("malformed_request", fields=authorization(value))


def test_a_tab_after_the_scheme_is_malformed(gateway):
    gateway.assert_denied("malformed_request", fields=authorization(f"Bearer\t{token()}"))


def test_a_tab_among_the_spaces_is_malformed(gateway):
    gateway.assert_denied("malformed_request", fields=authorization(f"Bearer \t{token()}"))


@pytest.mark.parametrize("white", [" ", "\t"])
def test_white_space_inside_the_token_is_malformed(gateway, white):
    good = token()
    broken = good[:50] + white + good[50:]
    gateway.assert_denied("malformed_request", fields=authorization(f"Bearer {broken}"))


def test_a_token_over_16_kib_is_malformed(gateway):
    big = token(filler="x" * 16 * 1024)
    gateway.assert_denied("malformed_request", token=big)


def test_a_token_just_under_16_kib_passes(gateway):
    room = (16 * 1024 - len(token())) * 3 // 4 - 40
    big = token(filler="x" * room)
    assert 16_200 < len(big) <= 16 * 1024
    gateway.forwarded(token=big)


@pytest.mark.parametrize(
    "query", ["access_token=abc", "a=1&access_token=abc", "access_token", "access_token="]
)
def test_a_token_in_the_query_is_malformed(gateway, query):
    gateway.assert_denied("malformed_request", f"/mcp?{query}")


def test_a_token_in_the_query_is_malformed_beside_a_good_header_too(gateway):
    gateway.assert_denied("malformed_request", "/mcp?access_token=abc", token=token())


@pytest.mark.parametrize(
    "query", ["my_access_token=1", "access_token_type=1", "x=access_token", "q=a?access_token=1"]
)
def test_a_parameter_that_only_looks_alike_is_no_token(gateway, query):
    assert gateway.forwarded(f"/mcp?{query}", token=token()).path == f"/mcp?{query}"


def test_a_malformed_request_names_its_error(gateway):
    reply = gateway.assert_denied("malformed_request", fields=authorization("Bearer"))
    assert reply.challenge().params["error"] == "invalid_request"


@BOTH
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_every_method_needs_a_token(gateway, over, method):
    if method == "HEAD":
        assert gateway.send(method=method, over=over).status == 401
    else:
        gateway.assert_denied("missing_token", method=method, over=over)


@BOTH
def test_a_body_passes_with_a_good_token(gateway, over):
    got = gateway.forwarded(token=token(), method="POST", body=b'{"a":1}', over=over)
    assert (got.method, got.body) == ("POST", '{"a":1}')


@BOTH
def test_a_body_is_not_forwarded_without_a_token(gateway, over):
    gateway.assert_denied("missing_token", method="POST", body=b"x" * 30_000, over=over)

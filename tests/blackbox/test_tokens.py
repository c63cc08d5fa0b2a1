"""The token itself: its form, its type, and its claims against the clock and the configuration."""

import json
import time

import pytest
from harness import tokens
from harness.gateway import METADATA, config, eventually, issuer
from harness.tokens import RESOURCE, b64, claims, craft, default_header, key, token, unb64


@pytest.fixture(scope="module")
def gateway(start):
    return start(
        {
            "main": config(),
            "strict": config(
                issuers=[issuer(leeway="0s", max_token_lifetime="10m", clients=["client-1", "c2"])]
            ),
        }
    )


def now() -> int:
    return int(time.time())


def with_payload(text: str) -> str:
    """A well signed token with this text as its claims."""
    return craft(key(), "RS256", default_header(key(), "RS256"), text)


def with_member(member: str) -> str:
    """A well signed token whose claims end with this JSON member."""
    return with_payload(json.dumps(claims())[:-1] + f", {member}}}")


def with_header(text: str) -> str:
    return craft(key(), "RS256", text, claims())


# --- form


@pytest.mark.parametrize(
    "bad", ["abc", "a.b", "a.b.c.d", "..", "a..c", "a.b.c.d.e", "a.b!.c", "{}.{}.{}"]
)
def test_what_is_no_compact_jws_is_malformed(gateway, bad):
    gateway.assert_denied("malformed_token", token=bad)


def test_a_token_with_bytes_outside_ascii_is_refused(gateway):
    # A header that is no text is a malformed request, one that is text a malformed token.
    assert gateway.send(token="a.\xe9.b").status in (400, 401)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_padding_is_malformed(gateway, part):
    parts = token().split(".")
    parts[part] += "=" * (-len(parts[part]) % 4 or 1)
    gateway.assert_denied("malformed_token", token=".".join(parts))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_the_standard_alphabet_is_malformed(gateway, part):
    parts = token().split(".")
    parts[part] = "+/" + parts[part][2:]
    gateway.assert_denied("malformed_token", token=".".join(parts))


def test_left_over_bits_are_malformed(gateway):
    # 256 bytes of RSA signature leave four unused bits in the last character.
    good = token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = alphabet[alphabet.index(good[-1]) + 1]
    assert unb64(good.split(".")[2]) == unb64(good.split(".")[2][:-1] + other)
    gateway.assert_denied("malformed_token", token=good[:-1] + other)


@pytest.mark.parametrize(
    "text", ["", "x", "[]", "null", '"a"', "{", '{"alg":"RS256"}}', "\xff", "{}"]
)
def test_a_header_that_is_no_json_object_with_alg_is_malformed(gateway, text):
    gateway.assert_denied("malformed_token", token=with_header(text.encode("latin-1")))


@pytest.mark.parametrize(
    "text", ["", "x", "[]", "null", '"a"', "1", '{"a":1', "\xff", "{} {}", "{'a':1}"]
)
def test_claims_that_are_no_json_object_are_malformed(gateway, text):
    gateway.assert_denied("malformed_token", token=with_payload(text.encode("latin-1")))


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "scope", "preferred_username"])
def test_a_claim_twice_is_malformed(gateway, name):
    value = json.dumps(claims()[name])
    gateway.assert_denied("malformed_token", token=with_member(f'"{name}": {value}'))


def test_a_claim_twice_is_malformed_when_escaped_differently(gateway):
    gateway.assert_denied("malformed_token", token=with_member(r'"s\u0075b": "other"'))


def test_a_member_twice_inside_a_claim_is_malformed(gateway):
    gateway.assert_denied("malformed_token", token=with_member('"x": {"a": 1, "a": 2}'))


def test_a_header_member_twice_is_malformed(gateway):
    text = f'{{"alg": "RS256", "kid": "{key().kid}", "alg": "RS256"}}'
    gateway.assert_denied("malformed_token", token=with_header(text))


@pytest.mark.parametrize(
    "member",
    [{"crit": ["exp"]}, {"crit": []}, {"b64": False}, {"b64": True}, {"zip": "DEF"}],
    ids=json.dumps,
)
def test_header_members_that_change_the_rules_are_malformed(gateway, member):
    gateway.assert_denied("malformed_token", token=token(header=member))


@pytest.mark.parametrize(
    "member", [{"kid": 1}, {"alg": 1}, {"typ": 1}, {"kid": ["a"]}], ids=json.dumps
)
def test_header_members_of_a_wrong_type_are_malformed(gateway, member):
    gateway.assert_denied("malformed_token", token=token(header=member))


@pytest.mark.parametrize(
    "change",
    [
        {"iss": 1},
        {"iss": ["https://tenant.auth0.com/"]},
        {"aud": 1},
        {"aud": {"a": 1}},
        {"aud": [RESOURCE, 1]},
        {"exp": "soon"},
        {"exp": "9999999999"},
        {"exp": True},
        {"exp": [1]},
        {"nbf": "0"},
        {"iat": "0"},
        {"iat": {}},
        {"sub": 1},
        {"azp": 1},
        {"client_id": ["client-1"]},
        {"scope": 1},
        {"scope": [1]},
        {"scope": {"mcp:read": True}},
    ],
    ids=json.dumps,
)
def test_a_claim_of_a_wrong_type_is_malformed(gateway, change):
    gateway.assert_denied("malformed_token", token=token(**change))


@pytest.mark.parametrize("name", ["exp", "nbf", "iat", "aud", "iss", "scope", "azp"])
def test_null_is_not_absent(gateway, name):
    text = json.dumps({k: v for k, v in claims().items() if k != name} | {name: None})
    gateway.assert_denied("malformed_token", token=with_payload(text))


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["-1", "-0.5", str(2**53 + 2), "1e400", "1e30"])
def test_an_absurd_date_is_malformed(gateway, name, value):
    text = json.dumps(claims(**{name: None}))[:-1] + f', "{name}": {value}}}'
    gateway.assert_denied("malformed_token", token=with_payload(text))


def test_exp_missing_is_malformed(gateway):
    gateway.assert_denied("malformed_token", token=token(exp=None))


def test_azp_and_client_id_that_differ_are_malformed(gateway):
    gateway.assert_denied("malformed_token", token=token(azp="client-1", client_id="client-2"))


def test_azp_and_client_id_that_agree_pass(gateway):
    gateway.forwarded(token=token(azp="client-1", client_id="client-1"))


def test_a_token_without_any_username_is_malformed(gateway):
    nobody = token(preferred_username=None, email=None, name=None, sub=None)
    gateway.assert_denied("malformed_token", token=nobody)


def test_an_encrypted_token_is_malformed(gateway):
    jwe = ".".join(b64(b) for b in (b'{"alg":"RSA-OAEP","enc":"A128GCM"}', b"k", b"i", b"c", b"t"))
    gateway.assert_denied("malformed_token", token=jwe)


# --- type


@pytest.mark.parametrize(
    "typ", [None, "JWT", "at+jwt", "application/jwt", "application/at+jwt", "jwt", "AT+JWT"]
)
def test_access_token_types_pass(gateway, typ):
    gateway.forwarded(token=token(header={"typ": typ}))


@pytest.mark.parametrize(
    "typ", ["dpop+jwt", "logout+jwt", "secevent+jwt", "id+jwt", "text/jwt", ""]
)
def test_another_type_is_refused(gateway, typ):
    gateway.assert_denied("wrong_type", token=token(header={"typ": typ}))


# --- issuer


@pytest.mark.parametrize(
    "iss",
    [
        "https://evil.example/",
        "https://tenant.auth0.com",
        "https://tenant.auth0.com//",
        "HTTPS://tenant.auth0.com/",
        "",
    ],
)
def test_an_issuer_that_is_not_configured_is_refused(gateway, iss):
    gateway.assert_denied("unknown_issuer", token=token(iss=iss))


# --- time


@pytest.mark.parametrize("age", [61, 3600])
def test_an_expired_token_is_challenged(gateway, age):
    old = token(exp=now() - age - 1)
    reply = gateway.assert_denied("expired", token=old)
    assert reply.challenge().params["resource_metadata"] == METADATA


def test_a_token_expired_within_the_leeway_passes(gateway):
    gateway.forwarded(token=token(exp=now() - 30))


def test_without_leeway_a_token_is_refused_when_it_expires(gateway):
    good = token(exp=now() + 2, iat=now())
    gateway.forwarded(token=good, listener="strict")
    time.sleep(2.2)
    gateway.assert_denied("expired", token=good, listener="strict")


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_token_of_the_future_is_refused(gateway, name):
    gateway.assert_denied("not_yet_valid", token=token(**{name: now() + 300}))


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_token_of_the_future_within_the_leeway_passes(gateway, name):
    gateway.forwarded(token=token(**{name: now() + 30}))


def test_a_refused_token_passes_once_its_time_has_come(gateway):
    soon = token(nbf=now() + 2, exp=now() + 300)
    gateway.assert_denied("not_yet_valid", token=soon, listener="strict")
    eventually(lambda: gateway.send(token=soon, listener="strict").status == 200, every=0.5)


def test_dates_may_be_fractional(gateway):
    gateway.forwarded(token=token(exp=now() + 100.75, iat=now() - 0.5, nbf=now() - 3.25))


def test_an_expired_token_is_refused_from_the_cache_too(gateway):
    # Verified while it was good, so that it is in the token cache when its leeway ends.
    good = token(exp=now() - 58)
    gateway.forwarded(token=good)
    time.sleep(3.1)
    gateway.assert_denied("expired", token=good)


# --- audience


@pytest.mark.parametrize("aud", [RESOURCE, [RESOURCE], ["https://other.example/", RESOURCE]])
def test_a_token_for_this_resource_passes(gateway, aud):
    gateway.forwarded(token=token(aud=aud))


@pytest.mark.parametrize(
    "aud",
    [
        None,
        [],
        "",
        "https://other.example/mcp",
        RESOURCE + "/",
        RESOURCE[:-1],
        "https://mcp.example.com",
        ["https://other.example/mcp"],
    ],
    ids=str,
)
def test_a_token_for_another_audience_is_refused(gateway, aud):
    gateway.assert_denied("wrong_audience", token=token(aud=aud))


# --- lifetime and client


def test_a_token_that_lives_too_long_is_refused(gateway):
    long = token(iat=now(), exp=now() + 601)
    gateway.assert_denied("lifetime_too_long", token=long, listener="strict")


def test_a_token_of_the_longest_lifetime_passes(gateway):
    gateway.forwarded(token=token(iat=now() - 5, exp=now() + 595), listener="strict")


def test_a_token_without_iat_is_refused_where_its_lifetime_is_limited(gateway):
    ageless = token(iat=None, exp=now() + 60)
    gateway.assert_denied("lifetime_too_long", token=ageless, listener="strict")


def test_a_token_without_iat_passes_where_its_lifetime_is_not_limited(gateway):
    gateway.forwarded(token=token(iat=None))


@pytest.mark.parametrize("change", [{}, {"azp": "c2"}, {"azp": None, "client_id": "c2"}], ids=str)
def test_an_accepted_client_passes(gateway, change):
    gateway.forwarded(token=token(exp=now() + 300, **change), listener="strict")


@pytest.mark.parametrize("client", ["client-2", "client-1 ", "CLIENT-1", "", None])
def test_another_client_is_refused(gateway, client):
    other = token(exp=now() + 300, azp=client)
    gateway.assert_denied("client_not_allowed", token=other, listener="strict")


# --- the answer


@pytest.mark.parametrize(
    "bad",
    [
        lambda: tokens.tampered(token()),
        lambda: token(exp=now() - 3600),
        lambda: token(aud="https://other.example/"),
        lambda: token(iss="https://evil.example/"),
        lambda: "not-a-token",
    ],
    ids=["signature", "expired", "audience", "issuer", "form"],
)
def test_an_answer_gives_nothing_of_the_token_away(gateway, bad):
    reply = gateway.send(token=bad())
    text = reply.body.decode() + str(reply.fields)
    for secret in ("user@example.com", "auth0|user123", key().kid, "evil.example", "other.example"):
        assert secret not in text


def test_a_forgery_repeated_is_refused_each_time(gateway):
    bad = tokens.tampered(token())
    for _ in range(5):
        gateway.assert_denied("bad_signature", token=bad)

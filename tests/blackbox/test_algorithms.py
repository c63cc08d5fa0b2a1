"""Signatures: which algorithms pass, and that a key verifies only what it is meant for."""

import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.hashes import SHA256
from harness import tokens
from harness.envoy import Listener
from harness.gateway import config, issuer
from harness.keyserver import KeyServer
from harness.tokens import DEFAULT_ALGORITHMS, Key, craft, default_header, key, token

KEYS = [key(a) for a in ("RS256", "ES256", "EdDSA", "ES384", "ES512")]
WEAK = key("RS256", "weak", bits=1024)
ODD_USES = {
    "enc": key("ES256", "enc"),
    "ops": key("ES256", "ops"),
    "alg": key("RS256", "alg"),
}


@pytest.fixture(scope="module")
def gateway(start):
    keys = [k.jwk() for k in KEYS] + [
        WEAK.jwk(),
        ODD_USES["enc"].jwk(use="enc"),
        ODD_USES["ops"].jwk(use=None, key_ops=["sign"]),
        ODD_USES["alg"].jwk(alg="PS256"),
    ]
    large = config(issuers=[issuer(algorithms=["ES384", "ES512"])])
    narrow = config(issuers=[issuer(algorithms=["ES256"])])
    # Five keys without a kid: the filter tries four of those that fit.
    nameless = config(issuers=[issuer(jwks={"cluster": "nameless"})])
    return start(
        {
            "default": Listener(config()),
            "large": Listener(large),
            "narrow": Listener(narrow),
            "nameless": Listener(nameless),
        },
        keyservers={
            "keys": KeyServer(keys),
            "nameless": KeyServer([key("ES256", "n").jwk(kid=None), key("EdDSA").jwk(kid=None)]),
        },
    )


@pytest.mark.parametrize("algorithm", DEFAULT_ALGORITHMS)
def test_a_token_of_each_default_algorithm_is_accepted(gateway, algorithm):
    gateway.forwarded(token=token(algorithm=algorithm))


@pytest.mark.parametrize("algorithm", ["ES384", "ES512"])
def test_the_larger_curves_are_accepted_where_they_are_configured(gateway, algorithm):
    gateway.forwarded(token=token(algorithm=algorithm), listener="large")


@pytest.mark.parametrize("algorithm", ["ES384", "ES512"])
def test_the_larger_curves_are_refused_by_default(gateway, algorithm):
    gateway.assert_denied("algorithm_not_allowed", token=token(algorithm=algorithm))


@pytest.mark.parametrize("algorithm", DEFAULT_ALGORITHMS)
def test_a_tampered_signature_is_refused(gateway, algorithm):
    bad = tokens.tampered(token(algorithm=algorithm))
    gateway.assert_denied("bad_signature", token=bad)


@pytest.mark.parametrize("algorithm", ["ES384", "ES512"])
def test_a_tampered_signature_on_a_larger_curve_is_refused(gateway, algorithm):
    bad = tokens.tampered(token(algorithm=algorithm))
    gateway.assert_denied("bad_signature", token=bad, listener="large")


@pytest.mark.parametrize("algorithm", DEFAULT_ALGORITHMS)
def test_changed_claims_are_refused(gateway, algorithm):
    head, _, signature = token(algorithm=algorithm).split(".")
    _, payload, _ = token(algorithm=algorithm, sub="somebody else").split(".")
    gateway.assert_denied("bad_signature", token=f"{head}.{payload}.{signature}")


@pytest.mark.parametrize("algorithm", DEFAULT_ALGORITHMS)
def test_another_key_under_a_known_kid_is_refused(gateway, algorithm):
    impostor = Key(key(algorithm).kid, key(algorithm, "impostor").inner)
    gateway.assert_denied("bad_signature", token=token(impostor, algorithm))


@pytest.mark.parametrize("algorithm", DEFAULT_ALGORITHMS)
def test_an_empty_signature_is_refused(gateway, algorithm):
    text = token(algorithm=algorithm).rpartition(".")[0]
    reply = gateway.send(token=f"{text}.")
    assert reply.status == 401


def test_alg_none_is_refused(gateway):
    header = tokens.b64(b'{"alg":"none","typ":"JWT"}')
    payload = token().split(".")[1]
    assert gateway.send(token=f"{header}.{payload}.").status == 401
    gateway.assert_denied("algorithm_not_allowed", token=f"{header}.{payload}.AAAA")


def test_a_public_key_is_no_hmac_secret(gateway):
    pem = key("RS256").inner.as_pem(private=False)
    text = token(key("HS256"), "HS256", {"kid": key("RS256").kid}).rpartition(".")[0]
    signature = hmac.digest(pem, text.encode(), "sha256")
    gateway.assert_denied("algorithm_not_allowed", token=f"{text}.{tokens.b64(signature)}")


@pytest.mark.parametrize("algorithm", ["RS256", "PS512", "EdDSA"])
def test_an_algorithm_that_the_issuer_does_not_list_is_refused(gateway, algorithm):
    gateway.assert_denied(
        "algorithm_not_allowed", token=token(algorithm=algorithm), listener="narrow"
    )


def test_an_algorithm_that_the_issuer_lists_passes(gateway):
    gateway.forwarded(token=token(algorithm="ES256"), listener="narrow")


@pytest.mark.parametrize("name", ["rs256", "RS256 ", "ES256K", "HS512", "", "Ed25519"])
def test_algorithm_names_are_compared_byte_for_byte(gateway, name):
    bad = craft(key(), "RS256", default_header(key(), "RS256", {"alg": name}), tokens.claims())
    gateway.assert_denied("algorithm_not_allowed", token=bad)


def test_an_ecdsa_signature_in_der_is_refused(gateway):
    signer = key("ES256")
    text = token(signer, "ES256").rpartition(".")[0]
    der = signer.inner.private_key.sign(text.encode(), ECDSA(SHA256()))
    gateway.assert_denied("bad_signature", token=f"{text}.{tokens.b64(der)}")


@pytest.mark.parametrize("length", [63, 65, 0x80])
def test_an_ecdsa_signature_of_another_length_is_refused(gateway, length):
    text, _, signature = token(algorithm="ES256").rpartition(".")
    raw = tokens.unb64(signature)
    raw = (raw + bytes(length))[:length]
    gateway.assert_denied("bad_signature", token=f"{text}.{tokens.b64(raw)}")


def test_an_ecdsa_signature_of_zeros_is_refused(gateway):
    text = token(algorithm="ES256").rpartition(".")[0]
    gateway.assert_denied("bad_signature", token=f"{text}.{tokens.b64(bytes(64))}")


def test_an_rsa_key_under_2048_bits_does_not_exist(gateway):
    gateway.assert_denied("unknown_key", token=token(WEAK))


@pytest.mark.parametrize("name", ["enc", "ops"])
def test_a_key_that_is_not_for_verifying_does_not_exist(gateway, name):
    gateway.assert_denied("unknown_key", token=token(ODD_USES[name], "ES256"))


def test_a_key_for_another_algorithm_does_not_exist(gateway):
    gateway.assert_denied("unknown_key", token=token(ODD_USES["alg"], "RS256"))
    gateway.forwarded(token=token(ODD_USES["alg"], "PS256"))


@pytest.mark.parametrize(
    ("signer", "claimed"),
    [("EdDSA", "ES256"), ("ES256", "RS256"), ("RS256", "EdDSA"), ("RS256", "ES256")],
)
def test_a_key_of_another_type_does_not_exist(gateway, signer, claimed):
    header = default_header(key(signer), claimed)
    bad = craft(key(signer), signer, header, tokens.claims())
    gateway.assert_denied("unknown_key", token=bad)


def test_a_key_of_another_curve_does_not_exist(gateway):
    header = default_header(key("ES256"), "ES384")
    bad = craft(key("ES256"), "ES256", header, tokens.claims())
    gateway.assert_denied("unknown_key", token=bad, listener="large")


@pytest.mark.parametrize("algorithm", DEFAULT_ALGORITHMS)
def test_a_token_without_kid_is_tried_with_the_keys_that_fit(gateway, algorithm):
    gateway.forwarded(token=token(algorithm=algorithm, header={"kid": None}))


def test_a_kid_matches_only_keys_that_carry_it(gateway):
    signer = key("ES256", "n")
    gateway.forwarded(token=token(signer, "ES256", {"kid": None}), listener="nameless")
    gateway.assert_denied("unknown_key", token=token(signer, "ES256"), listener="nameless")


@pytest.mark.parametrize("kid", ["", "RSA-2048-1 ", "RSA-2048-", "rsa-2048-1"])
def test_a_kid_is_compared_byte_for_byte(gateway, kid):
    gateway.assert_denied("unknown_key", token=token(header={"kid": kid}))


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c"])
def test_a_key_that_comes_with_the_token_is_never_trusted(gateway, member):
    attacker = key("RS256", "attacker")
    url = f"http://127.0.0.1:{gateway.keys.port}/attacker.json"
    value = {"jwk": attacker.jwk(), "x5c": ["MIIB"]}.get(member, url)
    before = gateway.keys.fetches
    gateway.assert_denied("unknown_key", token=token(attacker, header={member: value}))
    assert gateway.keys.fetches - before <= 1, "only the refetch of the issuer's own keys"


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c", "x5t", "cty"])
def test_a_member_that_is_not_trusted_does_no_harm_either(gateway, member):
    value = {"jwk": key("RS256", "attacker").jwk(), "x5c": ["MIIB"]}.get(member, "https://x.test/")
    gateway.forwarded(token=token(header={member: value}))

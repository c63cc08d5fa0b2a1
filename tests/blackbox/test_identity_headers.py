"""Identity headers: set from the token alone, encoded, and never taken from the client."""

import json
from pathlib import Path

import pytest
from harness import client
from harness.gateway import config, issuer, resource
from harness.tokens import ISSUER, token

DEFAULT_HEADERS = [
    "x-user-id",
    "x-user-name",
    "x-user-issuer",
    "x-user-subject",
    "x-user-email",
    "x-user-scopes",
    "x-client-id",
    "x-session-id",
]
USER_IDS = json.loads((Path(__file__).parent / "data" / "user-ids.json").read_text())
OTHER_ISSUER = "https://other.example/"


@pytest.fixture(scope="module")
def gateway(start):
    public = {"public": ["/healthz"]}
    return start(
        {
            "main": config(issuers=[issuer(), issuer(issuer=OTHER_ISSUER)], **public),
            "custom": config(
                identity_headers={
                    "x-caller": "user_id",
                    "x-token-issuer": "token_issuer",
                    "x-groups": "claim:groups",
                    "x-level": "claim:level",
                    "x-admin": "claim:admin",
                    "x-nested": "claim:nested",
                    "x-mail": "claim:email",
                },
                user_id_hash_digits=16,
                **public,
            ),
            "forwarding": config(forward_token=True),
            "fronted": config(issuers=[issuer(identity_issuer_claim="idp_iss")]),
            "named": config(issuers=[issuer(username_claims=["name", "sub"])]),
            "scoped": config(
                issuers=[issuer(scope_claims=["roles"])], resources=[resource(scopes=[])]
            ),
        }
    )


# --- what is set


def test_every_default_header_is_set_from_the_token(gateway):
    good = token(scope="mcp:read mcp:write", name="User", sid="login-1")
    got = gateway.forwarded(token=good)
    expected = {
        "x-user-id": "user-example-com-11b07dcc",
        "x-user-name": "user@example.com",
        "x-user-issuer": ISSUER,
        "x-user-subject": "auth0|user123",
        "x-user-email": "user@example.com",
        "x-user-scopes": "mcp:read mcp:write",
        "x-client-id": "client-1",
    }
    assert {name: got.header(name) for name in expected} == expected


def test_the_session_id_is_computed_from_issuer_and_sid(gateway):
    import base64
    import hashlib

    def expected(tail: str) -> str:
        digest = hashlib.sha256(f"{ISSUER}\0{tail}".encode()).digest()[:16]
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    both, jti, neither = token(sid="s-1", jti="j-1"), token(jti="j-1"), token()
    assert gateway.forwarded(token=both).header("x-session-id") == expected("s-1")
    assert gateway.forwarded(token=jti).header("x-session-id") == expected("j-1")
    assert gateway.forwarded(token=neither).header("x-session-id") == expected(neither)


@pytest.mark.parametrize("row", USER_IDS, ids=lambda row: row["user_id"])
def test_the_user_id_is_that_of_the_reference(gateway, row):
    good = token(iss=row["issuer"], preferred_username=row["username"])
    assert gateway.forwarded(token=good).header("x-user-id") == row["user_id"]


def test_the_hash_of_a_user_id_may_be_longer(gateway):
    got = gateway.forwarded(token=token(), listener="custom").header("x-caller")
    assert got.startswith("user-example-com-11b07dcc")
    assert len(got) == len("user-example-com-") + 16


def test_the_second_request_from_the_cache_has_the_same_headers(gateway):
    good = token(sid="cached")
    first, second = (gateway.forwarded(token=good) for _ in range(2))
    assert [f for f in first.fields if f[0] in DEFAULT_HEADERS] == [
        f for f in second.fields if f[0] in DEFAULT_HEADERS
    ]


def test_two_users_never_share_headers(gateway):
    for name in ("alice", "bob", "alice", "bob"):
        got = gateway.forwarded(token=token(preferred_username=name, sub=f"sub-{name}"))
        assert (got.header("x-user-name"), got.header("x-user-subject")) == (name, f"sub-{name}")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"preferred_username": None}, "user@example.com"),
        ({"preferred_username": ""}, "user@example.com"),
        ({"preferred_username": None, "email": None, "name": "N"}, "N"),
        ({"preferred_username": None, "email": None}, "auth0|user123"),
        ({"preferred_username": None, "email_verified": False}, "auth0|user123"),
        ({"preferred_username": None, "email_verified": "false"}, "auth0|user123"),
        ({"preferred_username": None, "email_verified": True}, "user@example.com"),
        ({"preferred_username": None, "email_verified": "true"}, "user@example.com"),
    ],
    ids=str,
)
def test_the_username_is_the_first_claim_that_counts(gateway, change, name):
    assert gateway.forwarded(token=token(**change)).header("x-user-name") == name


def test_the_username_claims_can_be_configured(gateway):
    got = gateway.forwarded(token=token(name="Chosen"), listener="named")
    assert got.header("x-user-name") == "Chosen"


@pytest.mark.parametrize("verified", [False, "false"])
def test_an_unverified_email_is_left_out(gateway, verified):
    assert gateway.forwarded(token=token(email_verified=verified)).header("x-user-email") is None


@pytest.mark.parametrize("verified", [None, True, "true"])
def test_a_verified_email_is_set(gateway, verified):
    got = gateway.forwarded(token=token(email_verified=verified))
    assert got.header("x-user-email") == "user@example.com"


def test_an_absent_claim_leaves_its_header_out(gateway):
    got = gateway.forwarded(token=token(email=None, azp=None, scope="mcp:read"))
    assert got.header("x-user-email") is None
    assert got.header("x-client-id") is None


def test_scopes_of_several_claims_are_merged(gateway):
    good = token(scope="mcp:read a", scp=["b", "a"], permissions=["c:d"])
    got = gateway.forwarded(token=good).header("x-user-scopes").split(" ")
    assert sorted(got) == ["a", "b", "c:d", "mcp:read"]


def test_the_scope_claims_can_be_configured(gateway):
    got = gateway.forwarded(token=token(scope="x", roles=["r1", "r2"]), listener="scoped")
    assert got.header("x-user-scopes") == "r1 r2"


# --- the issuer behind the issuer


def test_the_identity_issuer_counts_as_the_issuer(gateway):
    good = token(idp_iss=OTHER_ISSUER)
    got = gateway.forwarded(token=good, listener="fronted")
    assert got.header("x-user-issuer") == OTHER_ISSUER
    assert got.header("x-user-id") == "user-example-com-3d9fcf5f"


@pytest.mark.parametrize("value", [None, "", 1, ["https://other.example/"]], ids=str)
def test_without_the_identity_issuer_the_token_is_malformed(gateway, value):
    gateway.assert_denied("malformed_token", token=token(idp_iss=value), listener="fronted")


def test_the_identity_issuer_is_not_believed_where_it_is_not_configured(gateway):
    got = gateway.forwarded(token=token(idp_iss=OTHER_ISSUER))
    assert got.header("x-user-issuer") == ISSUER


# --- configured headers


def test_configured_headers_replace_the_default(gateway):
    got = gateway.forwarded(token=token(), listener="custom")
    assert got.header("x-token-issuer") == ISSUER
    assert not any(got.values(name) for name in DEFAULT_HEADERS)


@pytest.mark.parametrize(
    ("claim", "header", "value", "expected"),
    [
        ("groups", "x-groups", ["a", "b c"], "a b c"),
        ("groups", "x-groups", "one", "one"),
        ("groups", "x-groups", [], None),
        ("groups", "x-groups", ["a", 1], None),
        ("level", "x-level", 7, "7"),
        ("level", "x-level", 1.5, "1.5"),
        ("level", "x-level", -3, "-3"),
        ("admin", "x-admin", True, "true"),
        ("admin", "x-admin", False, "false"),
        ("nested", "x-nested", {"a": 1}, None),
        ("nested", "x-nested", [["a"]], None),
    ],
    ids=str,
)
def test_a_claim_becomes_a_header_as_the_contract_says(gateway, claim, header, value, expected):
    got = gateway.forwarded(token=token(**{claim: value}), listener="custom")
    if value == []:
        assert got.header(header) in (None, "")
    else:
        assert got.header(header) == expected


# --- encoding


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("a\r\nx-user-id: admin", "a%0D%0Ax-user-id: admin"),
        ("a\nb", "a%0Ab"),
        ("a\tb", "a%09b"),
        ("a\x00b", "a%00b"),
        ("a\x7fb", "a%7Fb"),
        ("100%", "100%25"),
        ("%0d%0a", "%250d%250a"),
        ("日本", "%E6%97%A5%E6%9C%AC"),
        ("é", "%C3%A9"),
        ("😀", "%F0%9F%98%80"),
        ('a"b,c;d', 'a"b,c;d'),
    ],
    ids=ascii,
)
def test_a_value_is_encoded_so_that_a_header_can_carry_it(gateway, name, encoded):
    got = gateway.forwarded(token=token(preferred_username=name))
    assert got.header("x-user-name") == encoded
    assert got.header("x-user-id").isascii()


def test_a_value_over_1024_bytes_leaves_the_header_out(gateway):
    assert gateway.forwarded(token=token(email="e" * 1025)).header("x-user-email") is None
    assert gateway.forwarded(token=token(email="e" * 1024)).header("x-user-email") == "e" * 1024


def test_the_length_is_that_of_the_encoded_value(gateway):
    assert gateway.forwarded(token=token(email="é" * 171)).header("x-user-email") is None


# --- spoofing

SPELLINGS = ["x-user-id", "X-User-Id", "x_user_id", "X-USER_ID", "x_user-id"]


@pytest.mark.parametrize("over", [client.http1, client.http2])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_spoofed_header_is_replaced(gateway, spelling, over):
    fields = [(spelling.lower() if over is client.http2 else spelling, "admin")]
    got = gateway.forwarded(token=token(), fields=fields, over=over)
    assert got.alike("x-user-id") == [("x-user-id", "user-example-com-11b07dcc")]


@pytest.mark.parametrize("name", DEFAULT_HEADERS)
def test_no_spoofed_copy_survives(gateway, name):
    fields = [(name, "forged-1"), (name, "forged-2"), (name.replace("-", "_"), "forged-3")]
    got = gateway.forwarded(token=token(), fields=fields)
    assert len(got.alike(name)) <= 1
    assert "forged" not in str(got.fields)


@pytest.mark.parametrize("name", ["x-user-email", "x-client-id"])
def test_a_spoofed_header_that_the_token_does_not_set_is_removed(gateway, name):
    bare = token(email=None, azp=None)
    fields = [(name, "forged"), (name.replace("-", "_"), "forged")]
    assert not gateway.forwarded(token=bare, fields=fields).alike(name)


@pytest.mark.parametrize("name", DEFAULT_HEADERS)
def test_spoofed_headers_are_removed_on_public_paths_too(gateway, name):
    fields = [(name, "forged"), (name, "again"), (name.replace("-", "_"), "forged")]
    assert not gateway.forwarded("/healthz", fields=fields).alike(name)


@pytest.mark.parametrize("path", ["/healthz", "/mcp"])
def test_configured_names_are_removed_as_well(gateway, path):
    fields = [("x-caller", "forged"), ("x_caller", "forged"), ("x-nested", "forged")]
    got = gateway.forwarded(path, token=token(), fields=fields, listener="custom")
    assert "forged" not in str(got.fields)


def test_other_headers_pass_untouched(gateway):
    fields = [("x-user", "a"), ("x-user-id-2", "b"), ("mcp-protocol-version", "2026-07-28")]
    got = gateway.forwarded(token=token(), fields=fields)
    assert [got.header(name) for name, _ in fields] == [value for _, value in fields]


# --- the token


def test_the_token_is_removed(gateway):
    good = token()
    got = gateway.forwarded(token=good)
    assert got.header("authorization") is None
    assert good not in str(got.fields)


def test_the_token_is_left_in_place_where_configured(gateway):
    good = token()
    got = gateway.forwarded(token=good, listener="forwarding")
    assert got.header("authorization") == f"Bearer {good}"

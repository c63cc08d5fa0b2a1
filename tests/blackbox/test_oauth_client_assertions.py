"""Clients that authenticate with a key of their own (private_key_jwt, RFC 7523)."""

import secrets
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.fernet import Fernet
from harness.cimd import Assertions, Document, DocumentServer
from harness.oauth import App, Grant, Site, assert_oauth_error, claims_of, direct
from harness.tokens import HmacKey, craft
from joserfc.jwk import ECKey

AT_ONCE = 10


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    with DocumentServer(tmp_path_factory.mktemp("cimd")) as server:
        yield server


@pytest.fixture(scope="module")
def site(serve, documents) -> Site:
    return direct(
        serve(MCP_AUTH_CIMD_CA_FILE=str(documents.ca_file), MCP_AUTH_CIMD_ALLOW_LOOPBACK="1")
    )


@pytest.fixture(scope="module")
def key() -> ECKey:
    return ECKey.generate_key("P-256", {"kid": "1", "use": "sig", "alg": "ES256"})


@pytest.fixture
def app(site, documents, key) -> App:
    keys = {"keys": [key.as_dict(private=False)]}
    return App(site, documents.client(token_endpoint_auth_method="private_key_jwt", jwks=keys))


@pytest.fixture
def assertions(site, app, key) -> Assertions:
    return Assertions(app.client_id, site.url, key)


@pytest.fixture
def grant(site, app) -> Grant:
    with site.agent() as agent:
        return app.log_in(agent)


def refused(answer) -> None:
    """The client has not proven who it is."""
    assert answer.status_code in (400, 401), answer.text
    assert answer.json()["error"] == "invalid_client", answer.text


def test_a_client_proves_itself_with_its_key(app, grant, assertions):
    tokens = app.accepted(app.redeem(grant, **assertions.form()))
    tokens = app.refreshed(tokens.refresh, **assertions.form())
    assert app.revoke(tokens.refresh, **assertions.form()).status_code == 200
    assert app.refresh(tokens.refresh, **assertions.form()).json()["error"] == "invalid_grant"


def test_the_client_id_may_be_left_to_the_assertion(app, grant, assertions):
    app.accepted(app.redeem(grant, client_id=None, **assertions.form()))


def test_keys_may_lie_elsewhere(site, documents, key):
    documents.documents["/keys.json"] = Document(
        str({"keys": [key.as_dict(private=False)]}).replace("'", '"').encode()
    )
    client_id = documents.client(
        token_endpoint_auth_method="private_key_jwt", jwks_uri=documents.url("/keys.json")
    )
    app = App(site, client_id)
    with site.agent() as agent:
        grant = app.log_in(agent)
    app.accepted(app.redeem(grant, **Assertions(client_id, site.url, key).form()))


def test_without_an_assertion_it_is_refused(app, grant):
    refused(app.redeem(grant))


def test_an_assertion_is_good_once(app, grant, assertions):
    form = assertions.form()
    tokens = app.accepted(app.redeem(grant, **form))
    refused(app.refresh(tokens.refresh, **form))
    app.refreshed(tokens.refresh, **assertions.form())


def test_an_assertion_is_good_once_on_all_replicas(serve, redis, upstream, documents, key):
    url = "https://replicated.example.com"
    client = upstream.register(f"{url}/auth/callback")
    shared = {
        "JWT_SIGNING_KEY": secrets.token_hex(32),
        "STORAGE_ENCRYPTION_KEY": Fernet.generate_key().decode(),
        "MCP_AUTH_CIMD_CA_FILE": str(documents.ca_file),
        "MCP_AUTH_CIMD_ALLOW_LOOPBACK": "1",
    }
    site = direct(*(serve(url, redis=redis, client=client, **shared) for _ in range(2)))
    keys = {"keys": [key.as_dict(private=False)]}
    app = App(site, documents.client(token_endpoint_auth_method="private_key_jwt", jwks=keys))
    with site.agent() as agent:
        grant = app.log_in(agent)
    form = Assertions(app.client_id, site.url, key).form()
    tokens = app.accepted(app.redeem(grant, **form))
    for _ in range(2):  # each request goes to the next replica
        refused(app.refresh(tokens.refresh, **form))


def test_of_many_uses_at_once_one_is_good(app, grant, assertions):
    form = assertions.form()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: app.redeem(grant, **form), range(AT_ONCE)))
    told = [answer.json().get("error", "good") for answer in answers]
    assert told.count("good") <= 1
    assert told.count("invalid_client") >= AT_ONCE - 1


WRONG = {
    "another issuer": {"iss": "https://localhost/other"},
    "another subject": {"sub": "https://localhost/other"},
    "no issuer": {"iss": None},
    "no subject": {"sub": None},
    "another audience": {"aud": "https://attacker.example/"},
    "the identity provider's audience": {"aud": "http://127.0.0.1:1"},
    "no audience": {"aud": None},
    "expired": {"exp": int(time.time()) - 600, "iat": int(time.time()) - 660},
    "no end": {"exp": None},
    "an end far away": {"exp": int(time.time()) + 10 * 86400},
    "not yet": {"nbf": int(time.time()) + 600},
    "no id": {"jti": None},
    "another key": {"signer": ECKey.generate_key("P-256")},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_assertion_is_refused(app, grant, assertions, changes):
    refused(app.redeem(grant, **assertions.form(**changes)))


def test_the_public_key_is_no_secret_for_hmac(app, grant, assertions, key):
    forged = craft(
        HmacKey(key.as_pem(private=False)),
        "HS256",
        {"alg": "HS256", "kid": key.kid},
        claims_of(assertions.assertion()),
    )
    refused(app.redeem(grant, **assertions.form() | {"client_assertion": forged}))


@pytest.mark.parametrize("junk", ["x", "a.b.c", "e30.e30.", "x" * 10_000])
def test_junk_is_no_assertion(app, grant, assertions, junk):
    refused(app.redeem(grant, **assertions.form() | {"client_assertion": junk}))


def test_another_type_is_no_assertion(app, grant, assertions):
    kind = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"
    answer = app.redeem(grant, **assertions.form() | {"client_assertion_type": kind})
    assert_oauth_error(answer, 400, "invalid_request", "invalid_client")


def test_an_assertion_for_another_client_is_refused(site, app, grant, assertions):
    other = site.app()
    refused(other.redeem(grant, **assertions.form()))


def test_a_refused_assertion_does_not_cost_the_code(app, grant, assertions):
    refused(app.redeem(grant, **assertions.form(aud="https://attacker.example/")))
    app.accepted(app.redeem(grant, **assertions.form()))

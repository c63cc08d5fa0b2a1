"""The provider upstream and the scripted browser are what the OAuth tests take them for."""

import json

import httpx
import pytest
from harness.agent import NO, Landing, Reach
from harness.agent import Agent as Browser
from harness.faultproxy import always
from harness.oauth import VERIFIER, challenge, claims_of, header_of
from harness.upstream import AUDIENCE, DISCOVERY, TOKEN, Upstream, id_claims

CALLBACK = "https://app.example.com/auth/callback"


class Client:
    """A plain OAuth client of the provider."""

    def __init__(self, upstream: Upstream, **metadata: object) -> None:
        self.upstream = upstream
        self.registered = upstream.register(CALLBACK, **metadata)
        self.browser = Browser(lambda: Reach({upstream.issuer: [upstream.proxy.port]}))

    def url(self, **changes: str) -> str:
        """A good authorization request but for the changes."""
        asked = {
            "response_type": "code",
            "client_id": self.registered.client_id,
            "redirect_uri": CALLBACK,
            "scope": "openid profile email offline_access",
            "state": "s",
            "nonce": "n",
            "audience": AUDIENCE,
            "code_challenge": challenge(VERIFIER),
            "code_challenge_method": "S256",
        }
        return f"{self.upstream.issuer}/auth?{httpx.QueryParams(asked | changes)}"

    def token(self, **form: str) -> httpx.Response:
        """What the token endpoint answers."""
        return httpx.post(
            f"{self.upstream.issuer}{TOKEN}",
            data={"redirect_uri": CALLBACK, "code_verifier": VERIFIER} | form,
            auth=(self.registered.client_id, self.registered.client_secret),
            trust_env=False,
        )

    def log_in(self, **changes: str) -> dict:
        """The tokens of a login."""
        landing = self.browser.log_in(self.url(**changes))
        answer = self.token(grant_type="authorization_code", code=landing.params["code"])
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def client(upstream):
    return Client(upstream)


def test_the_provider_issues_jwts_that_say_who_the_user_is(client):
    answer = client.log_in()
    claims = claims_of(answer["access_token"])
    assert claims["iss"] == client.upstream.issuer
    assert claims["aud"] == AUDIENCE
    assert claims["preferred_username"] == claims["email"] == claims["sub"] == "user@example.com"
    assert header_of(answer["access_token"])["alg"] == "RS256"
    assert id_claims(answer)["email"] == "user@example.com"
    assert id_claims(answer)["nonce"] == "n"


def test_the_provider_signs_with_es256_where_asked(upstream):
    answer = Client(upstream, id_token_signed_response_alg="ES256").log_in(
        resource="https://es256.example.com/", audience="https://es256.example.com/"
    )
    assert header_of(answer["id_token"])["alg"] == "ES256"
    assert header_of(answer["access_token"])["alg"] == "ES256"


def test_the_provider_rotates_refresh_tokens_and_ends_a_login_whose_token_is_used_twice(client):
    first = client.log_in()["refresh_token"]
    second = client.token(grant_type="refresh_token", refresh_token=first).json()["refresh_token"]
    assert second != first
    assert client.token(grant_type="refresh_token", refresh_token=first).status_code == 400
    assert client.token(grant_type="refresh_token", refresh_token=second).status_code == 400


def test_a_login_can_be_ended_upstream(client):
    refresh = client.log_in()["refresh_token"]
    client.upstream.end_login("user@example.com", client.registered)
    answer = client.token(grant_type="refresh_token", refresh_token=refresh)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_user_may_say_no(client):
    landing = client.browser.submit(client.browser.page(client.url()), NO)
    assert isinstance(landing, Landing)
    assert landing.params["error"] == "access_denied"


def test_the_second_login_of_a_browser_is_not_asked_again(client):
    client.log_in()
    landing = client.browser.open(client.url())
    assert isinstance(landing, Landing)
    assert "code" in landing.params


def test_faults_strike_and_end(client):
    with client.upstream.proxy.fault(TOKEN, always(503, b"{}")):
        assert client.token().status_code == 503
    with client.upstream.id_token(nonce="another"):
        assert id_claims(client.log_in())["nonce"] == "another"
    with client.upstream.id_token("none"):
        assert client.log_in()["id_token"].endswith(".")
    with client.upstream.callback(iss="https://attacker.example/"):
        params = client.browser.log_in(client.url()).params
        assert params["iss"] == "https://attacker.example/"
    with client.upstream.settings(accessTokenTTL=60):
        assert client.log_in()["expires_in"] == 60
    assert client.log_in()["expires_in"] == 3600


def test_the_provider_names_itself_as_its_proxy_is_called(upstream):
    document = httpx.get(upstream.issuer + DISCOVERY, trust_env=False).json()
    assert document["issuer"] == upstream.issuer
    assert document["token_endpoint"] == upstream.issuer + TOKEN
    assert document["authorization_response_iss_parameter_supported"] is True
    assert json.dumps(document).count(str(upstream.proxy.upstream_port)) == 0

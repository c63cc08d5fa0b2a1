"""Client id metadata documents: how they are fetched, and which are believed."""

import json
import time

import pytest
from harness.agent import Page
from harness.cimd import Document, DocumentServer
from harness.oauth import CALLBACK, App, Site, direct

JSON = ("content-type", "application/json")


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    with DocumentServer(tmp_path_factory.mktemp("cimd")) as server:
        yield server


@pytest.fixture(scope="module")
def trusting(serve, documents) -> Site:
    """A server that may fetch from loopback and knows the CA."""
    return direct(
        serve(MCP_AUTH_CIMD_CA_FILE=str(documents.ca_file), MCP_AUTH_CIMD_ALLOW_LOOPBACK="1")
    )


def shown(site: Site, client_id: str, **changes: str) -> Page:
    """The page to which an authorization request of this client leads."""
    with site.agent() as agent:
        return agent.page(App(site, client_id).authorize_url(**changes))


def refused(site: Site, client_id: str) -> Page:
    """The client is refused on a page: nothing says where its users may be sent."""
    page = shown(site, client_id)
    assert page.response.status_code in (400, 502, 503, 504), page.words
    assert not page.forms
    return page


def published(documents: DocumentServer, **how) -> str:
    """A good document that is answered in another way."""
    client_id = documents.client()
    path = client_id.partition(str(documents.port))[2]
    given = documents.documents[path]
    documents.documents[path] = Document(
        how.get("body", given.body),
        how.get("status", 200),
        how.get("fields", (JSON,)),
        how.get("pause", 0.0),
    )
    return client_id


# --- good ones


def test_a_client_needs_no_registration(trusting, documents):
    app = App(trusting, documents.client())
    with trusting.agent() as agent:
        tokens = app.tokens(agent)
    assert tokens.claims["client_id"] == app.client_id
    app.refreshed(tokens.refresh)
    assert app.revoke(tokens.refresh).status_code == 200


def test_the_page_shows_name_and_host_of_the_document(trusting, documents):
    page = shown(trusting, documents.client(client_name="Published & Co"))
    assert "Published & Co" in page.words
    assert "localhost" in page.words


def test_redirect_uris_are_those_of_the_document(trusting, documents):
    client_id = documents.client(redirect_uris=["https://app.example.com/callback"])
    page = shown(trusting, client_id, redirect_uri="https://app.example.com/callback")
    assert page.response.status_code == 200
    assert shown(trusting, client_id, redirect_uri=CALLBACK).response.status_code == 400


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/cimd+json"])
def test_kinds_of_json_are_taken(trusting, documents, kind):
    client_id = published(documents, fields=(("content-type", kind),))
    assert shown(trusting, client_id).response.status_code == 200


# --- caching


def asked(documents: DocumentServer, client_id: str) -> int:
    """How often the document was fetched."""
    return documents.fetches(client_id.partition(str(documents.port))[2])


def test_a_document_is_kept_as_long_as_it_allows(trusting, documents):
    client_id = published(documents, fields=(JSON, ("cache-control", "max-age=300")))
    for _ in range(3):
        assert shown(trusting, client_id).response.status_code == 200
    assert asked(documents, client_id) == 1


def test_a_document_that_must_not_be_kept_is_fetched_again(trusting, documents):
    client_id = published(documents, fields=(JSON, ("cache-control", "no-store")))
    shown(trusting, client_id)
    documents.documents[client_id.partition(str(documents.port))[2]] = Document(b"{}", 404)
    refused(trusting, client_id)
    assert asked(documents, client_id) == 2


def test_a_failure_is_not_kept(trusting, documents):
    client_id = documents.client()
    path = client_id.partition(str(documents.port))[2]
    good = documents.documents[path]
    fields = (JSON, ("cache-control", "max-age=300"))
    documents.documents[path] = Document(b"sorry", 500, fields)
    refused(trusting, client_id)
    documents.documents[path] = good
    assert shown(trusting, client_id).response.status_code == 200


# --- documents that are not believed


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": "https://localhost/other/client.json"},
        {"client_id": 1},
        {"redirect_uris": None},
        {"redirect_uris": []},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": ["https://app.example.com/cb#fragment"]},
        {"redirect_uris": ["http://app.example.com/cb"]},
        {"client_name": ["no", "string"]},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"token_endpoint_auth_method": "client_secret_jwt"},
        {"client_secret": "shared"},
        {"token_endpoint_auth_method": "private_key_jwt"},  # without keys
        {"grant_types": ["implicit"]},
    ],
    ids=repr,
)
def test_a_wrong_document_is_refused(trusting, documents, changes):
    refused(trusting, documents.client(**changes))


def test_a_document_found_by_another_name_is_refused(trusting, documents):
    client_id = documents.client()
    refused(trusting, client_id.replace("localhost", "127.0.0.1"))


ANSWERS = {
    "redirect": {"status": 302, "fields": (JSON, ("location", "{good}"))},
    "permanent redirect": {"status": 308, "fields": (JSON, ("location", "{good}"))},
    "not found": {"status": 404},
    "error": {"status": 500},
    "no content": {"status": 204, "body": b""},
    "partial": {"status": 206},
    "html": {"fields": (("content-type", "text/html"),)},
    "no type": {"fields": ()},
    "not json": {"body": b"<html>"},
    "array": {"body": b"[]"},
    "empty": {"body": b""},
    "not utf-8": {"body": b'{"client_id": "\xff"}'},
    "large": {"body": b" " * 200_000 + b"{}"},
    "endless": {"body": [b" " * 65536] * 2000},
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_a_wrong_answer_is_refused(trusting, documents, answer):
    good = documents.client()
    fields = answer.get("fields", (JSON,))
    fields = tuple((name, value.format(good=good)) for name, value in fields)
    refused(trusting, published(documents, **answer | {"fields": fields}))
    assert asked(documents, good) == 0, "a redirect was followed"


@pytest.mark.parametrize("kind", ["slow to begin", "slow to end"])
def test_a_slow_answer_is_not_waited_for(trusting, documents, kind):
    parts = [b" "] * 60 if kind == "slow to end" else [b"{}"]
    client_id = published(documents, body=parts, pause=1.0 if len(parts) > 1 else 30.0)
    since = time.monotonic()
    refused(trusting, client_id)
    assert time.monotonic() - since < 15


def test_a_page_says_nothing_of_what_was_fetched(trusting, documents):
    page = refused(trusting, published(documents, body=b'{"inner": "a secret of the inside"}'))
    assert "a secret of the inside" not in page.text


# --- names that are not fetched


def test_nothing_is_fetched_from_loopback(serve, documents):
    site = direct(serve(MCP_AUTH_CIMD_CA_FILE=str(documents.ca_file)))
    before = documents.connections
    good = documents.client()
    hosts = ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0.0.0.0", "127.8.8.8"]
    for host in [*hosts, "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::127.0.0.1]", "localhost."]:
        refused(site, good.replace("localhost", host, 1))
    assert documents.connections == before


def test_a_certificate_of_nobody_is_refused(serve, documents):
    site = direct(serve(MCP_AUTH_CIMD_ALLOW_LOOPBACK="1"))
    refused(site, documents.client())


@pytest.mark.parametrize(
    "form",
    [
        "http://localhost:{port}{path}",
        "https://user@localhost:{port}{path}",
        "https://user:secret@localhost:{port}{path}",
        "https://localhost:{port}{path}#fragment",
        "https://localhost:{port}/x/..{path}",
        "https://localhost:{port}/.{path}",
        "https://localhost:{port}/%2e%2e{path}",
        "https://localhost:{port}",
        "https://localhost:{port}/",
        "https://LOCALHOST:{port}{path}",
        "HTTPS://localhost:{port}{path}",
        "https:\\\\localhost:{port}{path}",
        " https://localhost:{port}{path}",
        "https://localhost:{port}{path}\n",
        "ftp://localhost:{port}{path}",
        "file:///etc/passwd",
    ],
)
def test_a_client_id_that_is_no_plain_https_url_is_not_fetched(trusting, documents, form):
    path = documents.client().partition(str(documents.port))[2]
    client_id = form.format(port=documents.port, path=path)
    body = json.loads(documents.documents[path].body) | {"client_id": client_id}
    documents.documents[path] = Document(json.dumps(body).encode())
    before = documents.connections
    refused(trusting, client_id)
    assert documents.connections == before


def test_an_exception_for_tests_is_said_loudly(trusting, serve, documents):
    server = serve(MCP_AUTH_CIMD_CA_FILE=str(documents.ca_file), MCP_AUTH_CIMD_ALLOW_LOOPBACK="1")
    assert "MCP_AUTH_CIMD_ALLOW_LOOPBACK" in server.log()
    assert "MCP_AUTH_CIMD_CA_FILE" in server.log()


def test_an_address_may_have_us_fetch_so_often_only(serve, documents):
    """Whoever names ever new documents would have us call whom they like; honest clients, whose
    documents are at hand, go on meanwhile."""
    limited = direct(
        serve(
            MCP_AUTH_CIMD_CA_FILE=str(documents.ca_file),
            MCP_AUTH_CIMD_ALLOW_LOOPBACK="1",
            MCP_REGISTRATIONS_PER_MINUTE="1",
        )
    )
    honest = published(documents, fields=(JSON, ("cache-control", "max-age=600")))
    assert shown(limited, honest).response.status_code == 200
    before = documents.connections
    answers = [
        limited.get("/authorize", params={"client_id": documents.url(f"/nobody-{nth}.json")})
        for nth in range(40)
    ]
    statuses = [answer.status_code for answer in answers]
    assert statuses[-1] == 429
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
    assert documents.connections - before <= 31
    form = {"client_id": documents.url("/nobody-at-token.json"), "grant_type": "refresh_token"}
    for path in ("/token", "/revoke"):
        assert limited.post(path, form).status_code == 429
    assert shown(limited, honest).response.status_code == 200

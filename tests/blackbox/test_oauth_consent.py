"""Consent: what the page shows and carries, and what it takes to get past it."""

import re
from http.cookies import SimpleCookie

import pytest
from harness.agent import NO, Landing, Page
from harness.oauth import App, Site, direct
from harness.upstream import AUTHORIZE

CLOAKED = "Good\u202eelgooG\u200b App"


@pytest.fixture(scope="module")
def secure(serve) -> Site:
    """The server under an https address."""
    return direct(serve("https://auth.example.com/base"))


@pytest.fixture
def page(agent, app) -> Page:
    """A consent page."""
    return agent.page(app.authorize_url())


def logins_begun(stack) -> int:
    """How many browsers were sent upstream."""
    return len(stack.upstream.proxy.exchanges(AUTHORIZE))


def set_cookies(agent, url: str) -> list[tuple[str, dict]]:
    """The cookies that an address sets: name and attributes."""
    answer = agent.step(agent.http.build_request("GET", url))
    cookies = []
    for value in answer.headers.get_list("set-cookie"):
        cookies += [(name, dict(morsel)) for name, morsel in SimpleCookie(value).items()]
    return cookies


# --- what it shows


def test_nobody_is_sent_upstream_before_consent(stack, agent, app):
    before = logins_begun(stack)
    agent.page(app.authorize_url())
    assert logins_begun(stack) == before


def test_it_says_who_asks_for_what_and_where_the_answer_goes(agent, site):
    app = site.app(client_name="Notes & Co", redirect_uris=["https://app.example.com/callback"])
    page = agent.page(app.authorize_url(scope="mcp:read mcp:write"))
    assert "Notes & Co" in page.words
    assert "app.example.com" in page.words
    assert "mcp:read" in page.words
    assert "mcp:write" in page.words


def test_a_client_without_a_name_is_shown_by_its_host(agent, site):
    app = site.app(client_name=None, redirect_uris=["https://app.example.com/callback"])
    assert "app.example.com" in agent.page(app.authorize_url()).words


def test_what_a_client_says_of_itself_is_escaped(agent, site):
    name = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
    page = agent.page(site.app(client_name=name).authorize_url())
    assert name in page.words
    assert "<script" not in page.text
    assert "<img" not in page.text


def test_a_name_cannot_be_cloaked_by_invisible_characters(agent, site):
    answer = site.register(client_name=CLOAKED)
    if answer.status_code == 400:
        assert answer.json()["error"] == "invalid_client_metadata"
        return
    page = agent.page(App(site, answer.json()["client_id"]).authorize_url())
    assert "\u202e" not in page.text
    assert "\u200b" not in page.text


def test_a_client_on_loopback_comes_with_a_warning(agent, site):
    local = agent.page(site.app().authorize_url()).words
    web = site.app(redirect_uris=["https://app.example.com/callback"])
    hosted = agent.page(web.authorize_url()).words
    assert any(word in local.lower() for word in ("this computer", "this device", "your computer"))
    assert not any(
        word in hosted.lower() for word in ("this computer", "this device", "your computer")
    )


def test_nothing_of_the_client_is_loaded_or_linked(agent, site):
    app = site.app(
        logo_uri="https://attacker.example/logo.png",
        client_uri="javascript:alert(1)",
        tos_uri="javascript:alert(1)",
        policy_uri="data:text/html,x",
    )
    text = agent.page(app.authorize_url()).text
    for bad in ("attacker.example", "javascript:", "data:text"):
        assert bad not in text


# --- what it carries


def test_a_page_is_hardened(page):
    headers = page.response.headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert "no-store" in headers["cache-control"]
    assert headers["referrer-policy"] in ("no-referrer", "same-origin", "strict-origin", "origin")


def test_a_page_needs_no_script(page):
    assert "<script" not in page.text.lower()
    assert not re.search(r"\son[a-z]+=", page.text.lower())
    assert page.form.method == "post"


def test_over_https_cookies_are_bound_to_the_host(secure):
    app = secure.app()
    with secure.agent() as agent:
        cookies = set_cookies(agent, app.authorize_url())
    assert cookies
    for name, attributes in cookies:
        assert name.startswith("__Host-"), name
        assert attributes["secure"] is True
        assert attributes["httponly"] is True
        assert attributes["samesite"].lower() in ("lax", "strict")
        assert attributes["path"] == "/"
        assert attributes["domain"] == ""


def test_over_plain_loopback_cookies_are_as_strict_as_browsers_allow(agent, app):
    cookies = set_cookies(agent, app.authorize_url())
    assert cookies
    for name, attributes in cookies:
        assert not name.startswith("__"), "browsers refuse such a cookie without Secure"
        assert attributes["secure"] == ""
        assert attributes["httponly"] is True
        assert attributes["samesite"].lower() in ("lax", "strict")
        assert attributes["domain"] == ""


def test_a_login_works_over_https_under_a_path(secure):
    tokens = secure.tokens()
    assert tokens.claims["iss"] == "https://auth.example.com/base"


# --- saying no


def test_saying_no_is_told_to_the_client(stack, agent, app, page):
    before = logins_begun(stack)
    landing = agent.submit(page, NO)
    assert isinstance(landing, Landing)
    assert landing.url.startswith(app.redirect_uri)
    assert landing.params["error"] == "access_denied"
    assert landing.params["state"] == "state-of-the-client"
    assert landing.params["iss"] == app.site.url
    assert logins_begun(stack) == before


def test_after_a_no_the_page_cannot_be_used_for_a_yes(stack, agent, page):
    agent.submit(page, NO)
    before = logins_begun(stack)
    got = agent.submit(page)
    assert isinstance(got, Page)
    assert got.response.status_code in (400, 403)
    assert logins_begun(stack) == before


def test_saying_no_upstream_is_told_to_the_client(agent, app):
    page = agent.walk_until(app.authorize_url(), lambda page: "Upstream" in page.words)
    landing = agent.submit(page, NO)
    assert isinstance(landing, Landing)
    assert landing.params["error"] == "access_denied"
    assert landing.params["state"] == "state-of-the-client"


# --- forgeries


def refused(stack, agent, request) -> None:
    """The form is refused on a page and nobody is sent upstream."""
    before = logins_begun(stack)
    got = agent.send(request)
    assert isinstance(got, Page), got.url
    assert got.response.status_code in (400, 403), got.response.status_code
    assert logins_begun(stack) == before


def test_every_hidden_field_is_needed(stack, agent, page):
    assert page.form.hidden
    for name in page.form.hidden:
        refused(stack, agent, agent.submission(page, **{name: None}))
        refused(stack, agent, agent.submission(page, **{name: "x" * len(page.form.fields[name])}))


def test_a_form_without_the_cookie_is_refused(stack, agent, page):
    agent.forget()
    refused(stack, agent, agent.submission(page))


def test_a_form_from_another_browser_is_refused(stack, site, agent, app, page):
    with site.agent() as other:
        other.page(app.authorize_url())
        refused(stack, other, other.submission(page))


def test_a_value_of_another_form_is_refused(stack, agent, site, page):
    other = agent.page(site.app(client_name="Another").authorize_url())
    mine, theirs = page.form.fields, other.form.fields
    mixed = {name: theirs[name] for name in page.form.hidden if theirs[name] != mine[name]}
    if len(mixed) > 1:
        for name in mixed:
            refused(stack, agent, agent.submission(page, **{name: theirs[name]}))


@pytest.mark.parametrize("origin", ["https://attacker.example", "null"])
def test_a_form_sent_by_another_site_is_refused(stack, agent, page, origin):
    request = agent.submission(page)
    request.headers["origin"] = origin
    request.headers["sec-fetch-site"] = "cross-site"
    refused(stack, agent, request)


def test_consent_cannot_be_given_by_a_link(stack, agent, page):
    fields = page.form.fields | {button.name: button.value for button in page.form.buttons[:1]}
    fields = {name: value for name, value in fields.items() if name}
    before = logins_begun(stack)
    got = agent.http.get(page.url.join(page.form.action), params=fields)
    assert got.status_code in (200, 400, 403, 405)
    assert logins_begun(stack) == before


def test_another_client_needs_its_own_consent(stack, agent, site, app):
    app.tokens(agent)
    before = logins_begun(stack)
    page = agent.page(site.app(client_name="Another").authorize_url())
    assert "Another" in page.words
    assert logins_begun(stack) == before

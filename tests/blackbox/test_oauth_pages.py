"""The pages of a login in a real browser: by mouse, by keys, without script, small, wide, dark."""

from urllib.parse import parse_qs, urlsplit

import pytest
from harness.agent import NO, YES
from harness.backend import Backend
from harness.browser import Browser
from harness.oauth import App
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

pytestmark = pytest.mark.timeout(120)

VIEWS = [(360, 740, False), (360, 740, True), (1280, 800, False), (1280, 800, True)]
LONG = "An MCP client whose name has gone on for rather longer than anybody would have thought"
MOST_TABS = 20


@pytest.fixture(scope="module")
def landing():
    """Something that listens at the client's redirect URI."""
    with Backend() as server:
        yield server


@pytest.fixture
def app(site, landing) -> App:
    return site.app(redirect_uris=[f"http://127.0.0.1:{landing.port}/callback"])


def button(browser: Browser, words) -> WebElement:
    """The first button with one of these words."""
    for found in browser.all("button, input[type=submit]"):
        said = f"{found.text} {found.get_attribute('value') or ''}".lower()
        if any(word in said for word in words):
            return found
    raise AssertionError(f"no button says any of {words}:\n{browser.text}")


def press(browser: Browser, words=YES) -> None:
    """Clicks it, and waits for what comes then."""
    with browser.next_page():
        button(browser, words).click()


def answer(browser: Browser) -> dict[str, str]:
    """What the client was told."""
    url = urlsplit(browser.url)
    assert url.path == "/callback", f"not at the client: {browser.url}\n{browser.text}"
    return {name: values[0] for name, values in parse_qs(url.query).items()}


def log_in_upstream(browser: Browser) -> None:
    """Fills in the provider's page."""
    browser.fill("input[name=login]", "user@example.com")
    press(browser)


def consent_page(browser: Browser, app: App) -> None:
    """Opens the page that asks."""
    browser.open(app.authorize_url(scope="mcp:read mcp:write"))


def tab_to(browser: Browser, wanted: WebElement) -> None:
    """Walks there by the keyboard."""
    for _ in range(MOST_TABS):
        if browser.focused == wanted:
            return
        browser.press(Keys.TAB)
    raise AssertionError(f"the keyboard does not reach {wanted.text!r}")


# --- the way through


def test_a_person_logs_in_with_the_mouse(browser, app):
    consent_page(browser, app)
    press(browser)
    log_in_upstream(browser)
    given = answer(browser)
    assert app.site.post(
        "/token",
        {
            "grant_type": "authorization_code",
            "client_id": app.client_id,
            "redirect_uri": app.redirect_uri,
            "code": given["code"],
            "code_verifier": "v" * 43,
        },
    ).is_success


def test_a_person_logs_in_with_the_keyboard(browser, app):
    consent_page(browser, app)
    tab_to(browser, button(browser, YES))
    assert browser.run(
        "const style = getComputedStyle(document.activeElement);"
        "return style.outlineStyle !== 'none' || style.boxShadow !== 'none'"
    ), "the focus cannot be seen"
    with browser.next_page():
        browser.press(Keys.ENTER)
    browser.find("input[name=login]")
    with browser.next_page():
        browser.press("user@example.com", Keys.ENTER)
    assert "code" in answer(browser)


def test_a_person_logs_in_without_script(browser, app):
    browser.without_script()
    consent_page(browser, app)
    press(browser)
    log_in_upstream(browser)
    assert "code" in answer(browser)


def test_a_second_login_goes_through_without_the_providers_page(browser, app):
    for _ in range(2):
        consent_page(browser, app)
        press(browser)
        if "Upstream" in browser.text:
            log_in_upstream(browser)
        assert "code" in answer(browser)
        browser.open("about:blank")


def test_a_person_says_no(browser, app):
    consent_page(browser, app)
    press(browser, NO)
    assert answer(browser)["error"] == "access_denied"


def test_a_person_says_no_upstream(browser, app):
    consent_page(browser, app)
    press(browser)
    press(browser, NO)
    assert answer(browser)["error"] == "access_denied"


def test_going_back_and_forth_does_no_harm(browser, app):
    consent_page(browser, app)
    press(browser)
    browser.driver.back()
    browser.find("form")
    consent_page(browser, app)
    press(browser)
    log_in_upstream(browser)
    assert "code" in answer(browser)


# --- how it looks


def check(browser: Browser, name: str) -> None:
    """Every view of the page lies well; each is left as a picture."""
    for width, height, dark in VIEWS:
        browser.view(width, height, dark)
        browser.screenshot(f"oauth-{name}-{width}-{'dark' if dark else 'light'}")
        assert browser.layout_faults() == [], f"{name} at {width}, dark: {dark}"


def test_consent_lies_well(browser, app):
    consent_page(browser, app)
    check(browser, "consent")


def test_consent_lies_well_whatever_a_client_calls_itself(browser, site):
    host = f"{'very-' * 10}long.{'sub.' * 10}example.com"
    app = site.app(client_name=f"{LONG} {'W' * 40}", redirect_uris=[f"https://{host}/callback"])
    consent_page(browser, app)
    check(browser, "consent-long")


def test_an_error_page_lies_well(browser, app):
    browser.open(app.authorize_url(client_id="unknown"))
    check(browser, "error")


def test_the_way_to_a_website_lies_well(browser, site):
    app = site.app(redirect_uris=["https://app.example.com/callback"])
    browser.open(app.authorize_url(scope="mcp:none"))
    assert "app.example.com" in browser.text
    check(browser, "website")


def test_the_end_of_a_strange_callback_lies_well(browser, site):
    browser.open(f"{site.base}/auth/callback?code=x&state=y")
    check(browser, "callback-refused")


def test_pages_say_their_language_and_what_they_are(browser, app):
    for url in (app.authorize_url(), app.authorize_url(client_id="unknown")):
        browser.open(url)
        assert browser.find("html").get_attribute("lang") == "en"
        assert browser.driver.title
        assert len(browser.all("h1")) == 1
        assert browser.all("main")


def test_nothing_on_a_page_is_refused_by_its_own_policy(browser, app):
    browser.driver.get_log("browser")
    consent_page(browser, app)
    browser.open(app.authorize_url(client_id="unknown"))
    said = [entry["message"] for entry in browser.driver.get_log("browser")]
    assert not [line for line in said if "Content Security Policy" in line or "Refused" in line]


# --- what the browser itself keeps off


def test_a_page_in_a_frame_is_not_shown(browser, app):
    browser.open_html(f'<iframe src="{app.authorize_url().replace("&", "&amp;")}"></iframe>')
    browser.driver.switch_to.frame(browser.find("iframe"))
    assert not browser.all("form")


def test_scripts_cannot_read_the_cookies(browser, app):
    consent_page(browser, app)
    cookies = browser.driver.get_cookies()
    assert cookies
    assert all(cookie["httpOnly"] for cookie in cookies)
    assert {cookie["sameSite"] for cookie in cookies} <= {"Lax", "Strict"}
    assert browser.run("return document.cookie") == ""


def test_another_site_cannot_press_the_button(browser, app):
    consent_page(browser, app)
    fields = {
        field.get_attribute("name"): field.get_attribute("value")
        for field in browser.driver.find_elements(By.CSS_SELECTOR, "form input[type=hidden]")
    }
    yes = button(browser, YES)
    fields[yes.get_attribute("name") or "unnamed"] = yes.get_attribute("value")
    inputs = "".join(f'<input name="{name}" value="{value}">' for name, value in fields.items())
    trap = f'<form method="post" action="{app.site.base}/consent">{inputs}'
    browser.open_html(f"{trap}<button>Win a prize</button></form>")
    press(browser, ("prize",))
    assert browser.url.startswith(f"{app.site.base}/consent"), "the browser was sent on"
    assert "Upstream" not in browser.text

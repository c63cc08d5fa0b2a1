"""The operators' web page in a real browser: by mouse and by keyboard, narrow and wide, light and
dark. Screenshots of every page are left in `tests/screenshots`.
"""

import itertools
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness.browser import Browser
from harness.gateway import eventually
from harness.sidecar import RealSidecar
from selenium.webdriver.common.keys import Keys

ALICE = "alice-example-com-11b07dcc"
CONTROLS = "a[href], button, input:not([type=hidden])"
LONG_CLIENT = "https://clients.example.com/oauth/metadata/a-client-named-by-its-document.json"
LONG_NAME = "a.long.name.without.any.place.to.break@a-rather-long-host-name.example.com"


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory):
    sidecar = RealSidecar(tmp_path_factory.mktemp("sidecar"), "embedded")
    yield sidecar
    sidecar.close()


def record(sidecar: RealSidecar, user_id: str = ALICE, **session: object) -> str:
    """A session that nobody has seen yet."""
    session_id = uuid.uuid4().hex
    named = {"username": "alice@example.com", "client_id": "client-1"}
    sidecar.record(session_id, user_id, **named | session)
    return session_id


def is_revoked(sidecar: RealSidecar, session_id: str) -> bool:
    return sidecar.call("GET", f"/v1/sessions/{session_id}").json()["revoked_at"] is not None


def page(sidecar: RealSidecar, path: str = "/") -> str:
    return f"http://127.0.0.1:{sidecar.port}{path}"


def log_in(browser: Browser, sidecar: RealSidecar) -> None:
    browser.open(page(sidecar))
    browser.fill("[name=token]", sidecar.TOKEN)
    browser.click("button")


def revoke_link(session_id: str) -> str:
    return f"a[href='/revoke?session={session_id}']"


def test_whoever_knows_the_token_logs_in_and_out(browser, sidecar):
    record(sidecar)
    browser.open(page(sidecar))
    assert browser.url == page(sidecar, "/login")
    browser.fill("[name=token]", "wrong")
    browser.click("button")
    assert browser.find("[role=alert]").text == "That is not the token."
    browser.fill("[name=token]", sidecar.TOKEN)
    browser.click("button")
    assert browser.url == page(sidecar)
    assert ALICE in browser.text
    assert browser.run("return document.cookie") == "", "a script could read the cookie"

    browser.click("form[action='/logout'] button")
    assert browser.url == page(sidecar, "/login")
    browser.open(page(sidecar))
    assert browser.url == page(sidecar, "/login")


def test_the_filter_box_shows_a_user_or_a_client(browser, sidecar):
    mine = record(sidecar, "bob-00000000", client_id="client-of-bob")
    other = record(sidecar)
    log_in(browser, sidecar)
    assert browser.all(revoke_link(mine))
    assert browser.all(revoke_link(other))
    for field, value in [("user", "bob-00000000"), ("client", "client-of-bob")]:
        browser.fill(f"[name={field}]", value)
        with browser.next_page():
            browser.press(Keys.ENTER)
        assert browser.find(f"[name={field}]").get_attribute("value") == value
        assert browser.all(revoke_link(mine))
        assert not browser.all(revoke_link(other))
        browser.click("form a[href='/']")
    browser.fill("[name=user]", "nobody")
    browser.click("form[role=search] button")
    assert "No sessions." in browser.text


def test_a_session_is_revoked_by_keyboard_alone_and_without_script(browser, sidecar):
    session = record(sidecar)
    browser.without_script()
    browser.open(page(sidecar))
    # The one field gets the focus once the page is there.
    eventually(lambda: browser.focused.get_attribute("name") == "token")
    with browser.next_page():
        browser.press(sidecar.TOKEN, Keys.ENTER)

    go_to(browser, revoke_link(session))
    with browser.next_page():
        browser.press(Keys.ENTER)
    assert session in browser.text
    assert "alice@example.com" in browser.text
    assert not is_revoked(sidecar, session), "it asks first"

    go_to(browser, "form[action='/revoke'] button")
    with browser.next_page():
        browser.press(Keys.ENTER)
    assert browser.find("[role=status]").text.startswith("Revoked.")
    assert is_revoked(sidecar, session)
    assert not browser.all(revoke_link(session))


def go_to(browser: Browser, css: str) -> None:
    """Presses Tab until the control has the focus."""
    wanted = browser.find(css)
    for _ in browser.all(CONTROLS):
        browser.press(Keys.TAB)
        if browser.focused == wanted:
            return
    raise AssertionError(f"Tab does not lead to {css}")


def test_cancel_revokes_nothing(browser, sidecar):
    session = record(sidecar)
    log_in(browser, sidecar)
    browser.click(revoke_link(session))
    browser.click(".choice a")
    assert browser.url == page(sidecar)
    assert not is_revoked(sidecar, session)


def test_a_user_is_revoked_whole(browser, sidecar):
    sessions = [record(sidecar, "carol-00000000") for _ in range(2)]
    other = record(sidecar)
    log_in(browser, sidecar)
    browser.click("a[href='/revoke?user=carol-00000000']")
    assert not is_revoked(sidecar, sessions[0])
    browser.click("form[action='/revoke'] button")
    assert [is_revoked(sidecar, session) for session in [*sessions, other]] == [True, True, False]


def test_older_sessions_are_a_page_further(browser, sidecar):
    with ThreadPoolExecutor(8) as pool:
        recorded = set(pool.map(lambda _: record(sidecar, "dora-00000000"), range(101)))
    log_in(browser, sidecar)
    browser.open(page(sidecar, "/?user=dora-00000000"))
    first = {shown.text for shown in browser.all("td code")}
    browser.click("nav a")
    further = {shown.text for shown in browser.all("td code")}
    assert (len(first), len(further)) == (100, 1)
    assert first | further == recorded
    assert not browser.all("nav a")


@pytest.fixture(scope="module")
def furnished(tmp_path_factory):
    """A sidecar with sessions as unwieldy as they come, and the address of every kind of page."""
    sidecar = RealSidecar(tmp_path_factory.mktemp("furnished"), "embedded")
    record(sidecar)
    sidecar.call("DELETE", f"/v1/sessions/{record(sidecar)}").raise_for_status()
    sidecar.record("session-without-names", "nobody-00000000")
    names = {"username": LONG_NAME, "client_id": LONG_CLIENT}
    sidecar.record("A" * 64, f"{'x' * 20}-{'0' * 40}", **names)
    yield sidecar
    sidecar.close()


PAGES = {
    "sessions": "/",
    "filtered": f"/?user={ALICE}&done=1",
    "empty": "/?user=nobody-else",
    "ask-session": f"/revoke?session={'A' * 64}",
    "ask-user": f"/revoke?user={'x' * 20}-{'0' * 40}",
    "ask-client": f"/revoke?client={LONG_CLIENT}",
    "error": "/revoke?session=bad",
}
VIEWS = list(itertools.product((360, 800, 1280), (False, True)))


def test_every_page_lies_well_narrow_and_wide_light_and_dark(browser, furnished):
    browser.open(page(furnished))
    assert_lies_well(browser, "login")
    browser.fill("[name=token]", "wrong")
    browser.click("button")
    assert_lies_well(browser, "login-refused")
    log_in(browser, furnished)
    for name, path in PAGES.items():
        browser.open(page(furnished, path))
        assert_lies_well(browser, name)


def assert_lies_well(browser: Browser, name: str) -> None:
    papers = {}
    for width, dark in VIEWS:
        browser.view(width, dark=dark)
        shot = browser.screenshot(f"page-{name}-{width}-{'dark' if dark else 'light'}")
        assert browser.layout_faults() == [], shot.name
        papers[dark] = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert papers[True] != papers[False], "there is a style, and it knows of the dark"


def test_tab_reaches_every_control_in_order_and_shows_where_it_is(browser, furnished):
    log_in(browser, furnished)
    for path, width in itertools.product(PAGES.values(), (360, 1280)):
        browser.open(page(furnished, path))
        browser.view(width)
        controls = browser.all(CONTROLS)
        assert controls, path
        for control in controls:
            browser.press(Keys.TAB)
            assert browser.focused == control, f"{path}: not {control.text!r}"
            outline = browser.run(
                "const style = getComputedStyle(arguments[0]);"
                "return [style.outlineStyle, parseFloat(style.outlineWidth)]",
                control,
            )
            assert outline[0] != "none", f"{path}: {control.text!r} does not show the focus"
            assert outline[1] >= 2, f"{path}: {control.text!r} does not show the focus"

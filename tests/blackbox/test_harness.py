"""The harness itself, so that a green test of the filter means something."""

import itertools

import pytest
from harness import challenge, client
from harness.envoy import Listener
from harness.gateway import Gateway, eventually
from selenium.webdriver.common.keys import Keys


@pytest.fixture(scope="module")
def bare(start) -> Gateway:
    return start({"bare": Listener(None)})


@pytest.mark.parametrize("over", [client.http1, client.http2])
def test_without_the_filter_a_request_reaches_the_backend_as_it_was_sent(bare, over):
    fields = [("x-user-id", "a"), ("x-user-id", "b"), ("x_user_id", "c")]
    got = bare.forwarded("/a%61/./b?q=1", fields=fields, over=over)
    assert got.path == "/a%61/./b?q=1"
    assert sorted(v for _, v in got.alike("x-user-id")) in (["a", "b", "c"], ["a,b", "c"])


@pytest.mark.parametrize("over", [client.http1, client.http2])
def test_bodies_pass(bare, over):
    assert bare.forwarded(method="POST", body=b"hello", over=over).body == "hello"


def test_requests_are_in_the_access_log(bare):
    bare.send("/logged")
    assert eventually(lambda: [e for e in bare.envoy.access_log() if e["path"] == "/logged"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Bearer", [("Bearer", {})]),
        (
            'Bearer realm="a, \\"b\\"", scope="x y"',
            [("Bearer", {"realm": 'a, "b"', "scope": "x y"})],
        ),
        (
            "Basic, Bearer error=invalid_token",
            [("Basic", {}), ("Bearer", {"error": "invalid_token"})],
        ),
        ('A x="1", B abc==', [("A", {"x": "1"}), ("B", {})]),
    ],
)
def test_challenges_are_read(value, expected):
    assert [(c.scheme, c.params) for c in challenge.parse(value)] == expected


@pytest.mark.parametrize(
    "value", ["", 'Bearer x="1" y="2"', 'Bearer x="1', 'Bearer x="1", X="2"', "Bearer x=\x01"]
)
def test_broken_challenges_are_refused(value):
    with pytest.raises(challenge.BadChallenge):
        challenge.parse(value)


def test_names_under_test_are_this_machine_to_the_browser(browser, bare):
    port = bare.envoy.ports["bare"]
    for host in ("127.0.0.1", "one.test", "two.test"):
        browser.open(f"http://{host}:{port}/page")
        assert f'["host", "{host}:{port}"]' in browser.text


def test_the_browser_is_used_by_mouse_and_keyboard(browser, bare):
    here = f"http://127.0.0.1:{bare.envoy.ports['bare']}"
    form = f"""<form action="{here}/form"><input name="q"><button>Go</button></form>
               <a href="{here}/link">a link</a>"""
    browser.open_html(form)
    browser.click("a")
    assert browser.url == f"{here}/link"

    browser.open_html(form)
    browser.fill("input", "hello")
    browser.press(Keys.TAB)
    assert browser.focused.text == "Go"
    with browser.next_page():
        browser.press(Keys.ENTER)
    assert browser.url == f"{here}/form?q=hello"


PAGE = """<!doctype html><html lang="en"><meta name="viewport" content="width=device-width">
<style>
  body {{ margin: 20px; font: 16px/1.5 sans-serif }} .pill {{ overflow: hidden; width: 200px }}
  button, input {{ padding: 5px; width: 200px }} .row {{ display: flex }}
  @media (prefers-color-scheme: dark) {{ body, a {{ background: #111; color: #eee }} }}
  {style}
</style>
<p>Some words, <a href="/">a link</a> and<br>a second line.</p><p class="pill">A pill</p>
<p class="row"><button>One</button><button>Two</button></p><input placeholder="a hint">"""


def test_a_page_that_lies_well_has_no_faults(browser):
    browser.open_html(PAGE.format(style=""))
    for width, dark in itertools.product((360, 1280), (False, True)):
        browser.view(width, dark=dark)
        assert browser.layout_faults() == [], (width, dark)


def test_faults_of_layout_are_found(browser):
    faults = {
        ".row { width: 2000px }": "wide in a view of 360",
        ".row { margin-left: -50px }": "lies beyond the side",
        ".pill { white-space: nowrap; width: 20px }": "“A pill” is cut off",
        ".pill { height: 10px }": "“A pill” is cut off",
        "input { width: 20px }": "input “” cuts its hint off",
        "button + button { margin-left: -50px }": "button “One” and button “Two” overlap",
        ".pill { margin-top: -40px }": "“A pill” overlap",
        "a { color: #999 }": "“a link” has a contrast of only 2.8",
        "button { padding: 0; border: 0; line-height: 1 }": "button “One” is too small to be hit",
    }
    browser.view(360)
    for style, fault in faults.items():
        browser.open_html(PAGE.format(style=style))
        assert fault in "; ".join(browser.layout_faults()), style
    browser.view(360, dark=True)
    browser.open_html(PAGE.format(style="p { color: #222 }"))
    assert "contrast" in "; ".join(browser.layout_faults())

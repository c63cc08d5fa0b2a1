"""A real browser: Chromium without a window, driven by Selenium, with a profile of its own.

It reaches this machine only. Names under `.test` are this machine too, so that a test may have as
many origins as it needs. Selenium's own `driver` is there for whatever is not wrapped here.
"""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.wait import WebDriverWait

from .built import ROOT

SCREENSHOTS = ROOT / "tests" / "screenshots"
LAYOUT = Path(__file__).with_name("layout.js")
WAIT = 20  # seconds, for a busy machine
HOSTS = "MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"
ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",  # it does not run as root otherwise; what it shows is ours
    "--disable-dev-shm-usage",  # small in containers
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--hide-scrollbars",
    f"--host-resolver-rules={HOSTS}",
]


class Browser:
    """A browser with one tab; a context manager. Its view is 1280 by 800 and light at first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Browser:
        options = webdriver.ChromeOptions()
        options.binary_location = _program("CHROMIUM", "chromium")
        for argument in [*ARGUMENTS, f"--user-data-dir={self._folder / 'profile'}"]:
            options.add_argument(argument)
        service = Service(
            _program("CHROMEDRIVER", "chromedriver"), log_output=str(self._folder / "driver.log")
        )
        self.driver = webdriver.Chrome(options, service)
        self.driver.set_page_load_timeout(WAIT)
        self.view()
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.quit()

    def view(self, width: int = 1280, height: int = 800, dark: bool = False) -> None:
        """Sets the size of what shows of a page, to the pixel, and the preferred colours."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def without_script(self) -> None:
        """Pages run no script from here on."""
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})

    def open(self, url: str) -> None:
        """Goes to a page and waits until it has loaded."""
        self.driver.get(url)

    def open_html(self, html: str) -> None:
        """Shows a page that no server has."""
        self.open(f"data:text/html;charset=utf-8,{quote(html)}")

    @property
    def url(self) -> str:
        """Where it is."""
        return self.driver.current_url

    @property
    def text(self) -> str:
        """What is to be read on the page."""
        return self.find("body").text

    def find(self, css: str) -> WebElement:
        """The first element that fits, once there is one."""
        found = expected_conditions.presence_of_element_located((By.CSS_SELECTOR, css))
        return WebDriverWait(self.driver, WAIT).until(found, f"nothing is {css} at {self.url}")

    def all(self, css: str) -> list[WebElement]:
        """Every element that fits by now."""
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def fill(self, css: str, text: str) -> None:
        """Puts text into a field in place of what was there."""
        field = self.find(css)
        field.clear()
        field.send_keys(text)

    def click(self, css: str) -> None:
        """Clicks a link or button that leads to another page, and waits for that."""
        with self.next_page():
            self.find(css).click()

    def press(self, *keys: str) -> None:
        """Presses keys one after the other; whatever has the focus gets them."""
        ActionChains(self.driver).send_keys(*keys).perform()

    @property
    def focused(self) -> WebElement:
        """What has the focus; the body if nothing has."""
        return self.driver.switch_to.active_element

    @contextmanager
    def next_page(self) -> Iterator[None]:
        """Waits at its end until another page has loaded in place of this one."""
        old = self.find("html")
        yield
        wait = WebDriverWait(self.driver, WAIT)
        wait.until(lambda _: is_gone(old), f"still the same page: {self.url}")
        wait.until(lambda _: self.run("return document.readyState") == "complete")

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns that is run in the page, whatever its policy forbids."""
        return self.driver.execute_script(script, *arguments)

    def layout_faults(self) -> list[str]:
        """What is wrong with how the page lies; `layout.js` has what counts."""
        return self.run(f"{LAYOUT.read_text()}; return layoutFaults();")

    def screenshot(self, name: str) -> Path:
        """Saves the whole page, what is below the fold too, as `tests/screenshots/NAME.png`."""
        SCREENSHOTS.mkdir(exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        whole = {"captureBeyondViewport": True}
        taken = self.driver.execute_cdp_cmd("Page.captureScreenshot", whole)
        path.write_bytes(base64.b64decode(taken["data"]))
        return path


def _program(variable: str, name: str) -> str:
    found = os.environ.get(variable) or shutil.which(name)
    assert found, f"no {name}: run `make setup`, or set {variable}"
    return found


def is_gone(element: WebElement) -> bool:
    """Whether the page that it was in is no more; chromedriver has two ways to say so."""
    try:
        element.is_enabled()
    except StaleElementReferenceException:
        return True
    except WebDriverException as why:
        if "does not belong to the document" in (why.msg or ""):
            return True
        raise
    return False

"""A browser without a screen: cookies, redirects, forms. It does what a person would click.

Public names (origins) lead to ports on loopback, as a name server and TLS would make them; what
leads nowhere, such as an MCP client's own redirect URI, is where the agent stops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import count
from urllib.parse import parse_qsl, urlsplit

import httpx

MOST_STEPS = 20
YES = ("allow", "approve", "continue", "accept", "sign in", "log in")
NAMES = ("login", "username")  # of the field for it, at the tests' provider and at dev-idp
NO = ("deny", "cancel", "refuse", "decline", "reject")


class Lost(AssertionError):
    """The agent does not know what to do with a page."""


@dataclass(frozen=True)
class Button:
    """A submit button: what it says, and the field it sends."""

    text: str
    name: str | None
    value: str


@dataclass
class Form:
    """A form of a page."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    buttons: list[Button] = field(default_factory=list)

    def button(self, words: Sequence[str]) -> Button:
        """The first button with one of these words."""
        for button in self.buttons:
            if any(word in button.text.lower() for word in words):
                return button
        raise Lost(f"no button says any of {words}: {self.buttons}")


@dataclass(frozen=True)
class Page:
    """A page as the agent got it."""

    url: httpx.URL
    response: httpx.Response

    @property
    def text(self) -> str:
        """The HTML."""
        return self.response.text

    @property
    def words(self) -> str:
        """What a person reads, white space folded."""
        return _read(self.text).words

    @property
    def forms(self) -> list[Form]:
        """The forms, in order."""
        return _read(self.text).forms

    @property
    def form(self) -> Form:
        """The only form."""
        assert len(self.forms) == 1, f"{len(self.forms)} forms at {self.url}:\n{self.text}"
        return self.forms[0]


@dataclass(frozen=True)
class Landing:
    """Where the agent was sent and could not follow: mostly a client's redirect URI."""

    url: str

    @property
    def params(self) -> dict[str, str]:
        """The parameters; one that comes twice fails the test."""
        pairs = parse_qsl(urlsplit(self.url).query, keep_blank_values=True)
        assert len({name for name, _ in pairs}) == len(pairs), f"doubled parameters: {self.url}"
        return dict(pairs)


class Reach(httpx.BaseTransport):
    """Carries requests for origins (`https://mcp.example.com`) to their ports, one after the other.

    A request goes out as plain HTTP with the Host field of its URL. `headers` are put into each.
    """

    def __init__(
        self, places: Mapping[str, Sequence[int]], headers: Mapping[str, str] | None = None
    ) -> None:
        self.places = {origin: list(ports) for origin, ports in places.items()}
        self.headers = dict(headers or {})
        self._turn = count()
        # No connection outlives its request: nobody need close anything, and replicas take turns.
        # There is no TLS; `verify` would only read the system's CAs each time, which takes long.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._inner = httpx.HTTPTransport(verify=False, limits=limits)

    def knows(self, url: httpx.URL) -> bool:
        """Whether this URL leads anywhere."""
        return origin_of(url) in self.places

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends it to the next port of its origin."""
        ports = self.places[origin_of(request.url)]
        port = ports[next(self._turn) % len(ports)]
        url = request.url.copy_with(scheme="http", host="127.0.0.1", port=port)
        headers = {**request.headers, **self.headers}
        return self._inner.handle_request(
            httpx.Request(
                request.method,
                url,
                headers=headers,
                stream=request.stream,
                extensions=request.extensions,
            )
        )

    def close(self) -> None:
        """Closes the connections."""
        self._inner.close()


class Agent:
    """One browser profile of one person, whose name upstream is `user`."""

    def __init__(self, reach: Callable[[], Reach], user: str = "user@example.com") -> None:
        self.user = user
        self.trail: list[tuple[str, httpx.Response]] = []  # where it was, what it got there
        self.hold = ""  # an address that begins so is a landing
        self._reach = reach()
        self.http = httpx.Client(
            transport=self._reach, timeout=30, trust_env=False, follow_redirects=False
        )

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    @property
    def visited(self) -> list[str]:
        """Where it was, in order."""
        return [url for url, _ in self.trail]

    @property
    def cookies(self) -> dict[str, str]:
        """All cookies, by name."""
        return {cookie.name: cookie.value or "" for cookie in self.http.cookies.jar}

    def forget(self) -> None:
        """Clears the cookies."""
        self.http.cookies.clear()

    def open(self, url: str) -> Page | Landing:
        """Goes there and follows redirects, to a page or off the map."""
        return self._follow(self.http.build_request("GET", url))

    def page(self, url: str) -> Page:
        """Goes there; a page it must be."""
        got = self.open(url)
        assert isinstance(got, Page), f"sent away to {got.url}"
        return got

    def submit(
        self, page: Page, words: Sequence[str] = YES, **changes: str | None
    ) -> Page | Landing:
        """Presses the button with one of these words, fields changed before (None: left out)."""
        return self._follow(self.submission(page, words, **changes))

    def submission(
        self, page: Page, words: Sequence[str] = YES, **changes: str | None
    ) -> httpx.Request:
        """The request that pressing the button would send, cookies and all."""
        form = next(form for form in page.forms if _has(form, words))
        button = form.button(words)
        fields = dict(form.fields)
        if button.name:
            fields[button.name] = button.value
        fields = {n: v for n, v in (fields | changes).items() if v is not None}
        target = page.url.join(form.action) if form.action else page.url
        headers = {"origin": origin_of(page.url), "referer": str(page.url)}
        if form.method == "get":
            return self.http.build_request("GET", target, params=fields)
        return self.http.build_request("POST", target, data=fields, headers=headers)

    def send(self, request: httpx.Request) -> Page | Landing:
        """Sends a request as it is, then follows."""
        return self._follow(request)

    def step(self, request: httpx.Request) -> httpx.Response:
        """Sends a request and takes its answer's cookies, but goes nowhere."""
        response = self.http.send(request)
        self.trail.append((str(request.url), response))
        return response

    def wander(self, url: str) -> Page | Landing:
        """Says yes to everything, to whatever end: off the map, or a page that goes no further."""
        at = self.open(url)
        for _ in range(MOST_STEPS):
            if isinstance(at, Landing) or at.response.status_code != 200 or not at.forms:
                return at
            at = self.say_yes(at)
        raise Lost(f"no end after {self.visited}")

    def log_in(self, url: str) -> Landing:
        """Goes there and says yes to everything, until it is sent off the map."""
        return self.go_on(self.open(url))

    def go_on(self, at: Page | Landing) -> Landing:
        """Says yes to everything from here on."""
        for _ in range(MOST_STEPS):
            if isinstance(at, Landing):
                return at
            at = self.say_yes(at)
        raise Lost(f"no end after {self.visited}")

    def walk_until(self, url: str, stop: Callable[[Page], bool]) -> Page:
        """Says yes to everything until a page fits."""
        at = self.open(url)
        for _ in range(MOST_STEPS):
            assert isinstance(at, Page), f"sent away to {at.url}"
            if stop(at):
                return at
            at = self.say_yes(at)
        raise Lost(f"no end after {self.visited}")

    def say_yes(self, page: Page) -> Page | Landing:
        """What a person does who wants in: the name if it is asked, and the friendly button."""
        if page.response.status_code != 200 or not page.forms:
            raise Lost(f"{page.response.status_code} at {page.url}:\n{page.words}")
        asked = {name for form in page.forms for name in form.fields if name in NAMES}
        return self.submit(page, **dict.fromkeys(asked, self.user))

    def _follow(self, request: httpx.Request) -> Page | Landing:
        for _ in range(MOST_STEPS):
            if not self._reach.knows(request.url):
                return Landing(str(request.url))
            response = self.step(request)
            location = response.headers.get("location")
            if location is None or response.status_code not in (301, 302, 303, 307, 308):
                return Page(request.url, response)
            target = request.url.join(location)
            # httpx would make ports and dots of its own; a landing is kept as it was written.
            if not self._reach.knows(target):
                return Landing(location)
            if self.hold and location.startswith(self.hold):
                return Landing(location)
            if response.status_code in (307, 308):
                request = self.http.build_request(request.method, target, content=request.content)
            else:
                request = self.http.build_request("GET", target)
        raise Lost(f"redirected for ever: {self.visited[-MOST_STEPS:]}")


def origin_of(url: httpx.URL) -> str:
    """Scheme, host and port of a URL, as in an Origin field."""
    return f"{url.scheme}://{url.netloc.decode()}"


def _has(form: Form, words: Sequence[str]) -> bool:
    return any(word in button.text.lower() for button in form.buttons for word in words)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._button: dict[str, str | None] | None = None
        self._said: list[str] = []
        self._text: list[str] = []
        self._quiet = 0

    @property
    def words(self) -> str:
        return " ".join(" ".join(self._text).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("style", "script", "title"):
            self._quiet += 1
        elif tag == "form":
            self._form = Form(given.get("action") or "", (given.get("method") or "get").lower())
            self.forms.append(self._form)
        elif tag == "input" and self._form is not None:
            self._input(self._form, given)
        elif tag == "button" and self._form is not None:
            self._button, self._said = given, []

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "script", "title"):
            self._quiet -= 1
        elif tag == "form":
            self._form = None
        elif tag == "button" and self._form is not None and self._button is not None:
            given, self._button = self._button, None
            text = " ".join(" ".join(self._said).split())
            if (given.get("type") or "submit") == "submit":
                self._form.buttons.append(Button(text, given.get("name"), given.get("value") or ""))

    def handle_data(self, data: str) -> None:
        if not self._quiet:
            self._text.append(data)
            self._said.append(data)

    def _input(self, form: Form, given: dict[str, str | None]) -> None:
        kind, name = given.get("type") or "text", given.get("name")
        if kind == "submit":
            form.buttons.append(Button(given.get("value") or "", name, given.get("value") or ""))
        elif name and (kind not in ("checkbox", "radio") or "checked" in given):
            form.fields[name] = given.get("value") or ""
            if kind == "hidden":
                form.hidden.add(name)


def _read(text: str) -> _Reader:
    reader = _Reader()
    reader.feed(text)
    return reader

"""Fixtures: how a test file gets its Envoy, shared by all its tests, and a test its browser."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from harness.agent import Agent
from harness.authserver import AuthServer
from harness.browser import Browser
from harness.built import built
from harness.gateway import Gateway, eventually
from harness.oauth import App, Site, Stack
from harness.redis_server import Redis
from harness.upstream import Upstream

Start = Callable[..., Gateway]
Serve = Callable[..., AuthServer]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts Gateways that live as long as the file's tests."""
    with ExitStack() as stack:

        def started(configs: dict, **options: object) -> Gateway:
            folder = tmp_path_factory.mktemp("envoy")
            return stack.enter_context(Gateway(folder, configs, **options))

        yield started


@pytest.fixture(scope="module")
def mcp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The real MCP server; its port."""
    program = built("MCP_SERVER_BIN")
    log = tmp_path_factory.mktemp("mcp-server") / "mcp-server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [program, "--listen", "127.0.0.1:0"], stdout=out, stderr=out, env={"NO_COLOR": "1"}
        )
    pattern = re.compile(r"127\.0\.0\.1:(\d+)")
    yield int(eventually(lambda: pattern.search(log.read_text()))[1])
    process.kill()
    process.wait()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A browser that nobody has used yet."""
    with Browser(tmp_path) as browser:
        yield browser


@pytest.fixture(scope="session")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    """The identity provider upstream, one for each of pytest's workers."""
    with Upstream(tmp_path_factory.mktemp("upstream")) as provider:
        yield provider


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Stack]:
    """The authorization server over Redis, behind Envoy; one for each of pytest's workers."""
    with (
        Redis(tmp_path_factory.mktemp("redis")) as redis,
        Stack(tmp_path_factory.mktemp("stack"), upstream, redis) as stack,
    ):
        yield stack


@pytest.fixture
def site(stack: Stack) -> Site:
    """The stack's authorization server as the world sees it."""
    return stack.site


@pytest.fixture
def app(site: Site) -> App:
    """An MCP client that nobody has used yet."""
    return site.app()


@pytest.fixture
def agent(site: Site) -> Iterator[Agent]:
    """A browser without a screen that has been nowhere."""
    with site.agent() as agent:
        yield agent


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Serve]:
    """Starts authorization servers without an Envoy that live as long as the file's tests."""
    with ExitStack() as stack:

        def served(url: str = "https://auth.example.com", **options: Any) -> AuthServer:
            folder = tmp_path_factory.mktemp("mcp-auth")
            server = AuthServer(folder, options.pop("upstream", upstream), url, **options)
            return stack.enter_context(server)

        yield served


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis for this file."""
    with Redis(tmp_path_factory.mktemp("redis")) as redis:
        yield redis


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows what tests counted, those that passed too."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    for report in reports:
        lines = [value for name, value in report.user_properties if name == "counted"]
        if lines:
            terminalreporter.section(report.nodeid.rpartition("::")[2], sep="-")
            terminalreporter.write_line("\n".join(lines))

"""Fixtures: how a test file gets its Envoy, shared by all its tests, and a test its browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from harness.browser import Browser
from harness.gateway import Gateway
from harness.upstream import Upstream

Start = Callable[..., Gateway]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts Gateways that live as long as the file's tests."""
    with ExitStack() as stack:

        def started(configs: dict, **options: object) -> Gateway:
            folder = tmp_path_factory.mktemp("envoy")
            return stack.enter_context(Gateway(folder, configs, **options))

        yield started


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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Shows what tests counted, those that passed too."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    for report in reports:
        lines = [value for name, value in report.user_properties if name == "counted"]
        if lines:
            terminalreporter.section(report.nodeid.rpartition("::")[2], sep="-")
            terminalreporter.write_line("\n".join(lines))

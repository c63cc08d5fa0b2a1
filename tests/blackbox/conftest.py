"""Fixtures: how a test file gets its Envoy, shared by all the tests of that file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from harness.gateway import Gateway

Start = Callable[..., Gateway]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts Gateways that live as long as the file's tests."""
    with ExitStack() as stack:

        def started(configs: dict, **options: object) -> Gateway:
            folder = tmp_path_factory.mktemp("envoy")
            return stack.enter_context(Gateway(folder, configs, **options))

        yield started

"""A real Envoy with the built filter, on ports that Envoy chooses itself.

Several listeners share one Envoy (and one Wasm VM per worker), each with its own plugin
configuration: that makes dozens of configurations cheap to try.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import stats
from .built import ROOT, built

START_TIMEOUT = 30
STOP_TIMEOUT = 5


def program() -> str:
    """Envoy's path: ENVOY, else what `scripts/setup-envoy.sh` says."""
    if found := os.environ.get("ENVOY"):
        return found
    script = ROOT / "scripts" / "setup-envoy.sh"
    return subprocess.run([script], check=True, capture_output=True, text=True).stdout.strip()


@dataclass(frozen=True)
class Listener:
    """One listener. `config` is the filter's, as JSON or as text as it is; None: no filter.
    `other` is an HTTP filter of Envoy's own, which goes before it.

    `routes` are prefixes with their cluster; whatever has none of them goes to `backend`.
    `module` is a filter instead of the one under test.
    """

    config: dict[str, Any] | str | None
    normalize_path: bool | None = None  # None: Envoy's default
    hold_headers: bool = False  # allow_on_headers_stop_iteration
    port: int = 0  # 0: Envoy's choice
    routes: tuple[tuple[str, str], ...] = ()
    module: Path | None = None
    other: dict[str, Any] | None = None


@dataclass
class Envoy:
    """Envoy as a child process; a context manager.

    `upstreams` are clusters by name with their loopback port.
    """

    folder: Path
    listeners: dict[str, Listener]
    upstreams: dict[str, int | list[int]]
    concurrency: int = 1
    ports: dict[str, int] = field(init=False, default_factory=dict)
    admin_port: int = field(init=False, default=0)

    def __enter__(self) -> Envoy:
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "envoy.json"
        config.write_text(json.dumps(self._bootstrap(), indent=1))
        arguments = [
            *(program(), "-c", str(config), "--concurrency", str(self.concurrency)),
            *("--admin-address-path", str(self._admin_file)),
            *("--use-dynamic-base-id", "--file-flush-interval-msec", "50"),
            *("--log-level", "info", "--drain-time-s", "1"),
        ]
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(arguments, stdout=log, stderr=log)
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the process, by SIGKILL if it does not end by itself."""
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def is_running(self) -> bool:
        """Whether nobody ended it."""
        return self._process.poll() is None

    @property
    def log_file(self) -> Path:
        """Where Envoy's own log goes."""
        return self.folder / "envoy.log"

    def log(self) -> str:
        """Envoy's log so far."""
        return self.log_file.read_text(errors="replace")

    def access_log(self) -> list[dict[str, Any]]:
        """The access log so far, an entry a request."""
        path = self.folder / "access.log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def stats(self) -> dict[str, int]:
        """The filter's metrics."""
        return stats.read(self.admin_port)

    @property
    def _admin_file(self) -> Path:
        return self.folder / "admin-address"

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end:
            code = self._process.poll()
            assert code is None, f"Envoy ended with {code}; its log:\n{self.log()[-6000:]}"
            if self._is_ready():
                self._read_ports()
                return
            time.sleep(0.02)
        raise AssertionError(f"Envoy is not ready; its log:\n{self.log()[-6000:]}")

    def _is_ready(self) -> bool:
        try:
            self.admin_port = int(self._admin_file.read_text().rpartition(":")[2])
            return self._admin("/ready").strip() == b"LIVE"
        except (OSError, ValueError, urllib.error.URLError):
            return False

    def _read_ports(self) -> None:
        status = json.loads(self._admin("/listeners?format=json"))
        for listener in status["listener_statuses"]:
            place = listener["local_address"]["socket_address"]
            self.ports[listener["name"]] = place["port_value"]
        assert self.ports.keys() == self.listeners.keys(), f"not all listen:\n{self.log()[-6000:]}"

    def _admin(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=2) as got:
            return got.read()

    def _bootstrap(self) -> dict[str, Any]:
        return {
            "admin": {"address": address(0)},
            "static_resources": {
                "listeners": [self._listener(*item) for item in self.listeners.items()],
                "clusters": [_cluster(*item) for item in self.upstreams.items()],
            },
        }

    def _listener(self, name: str, listener: Listener) -> dict[str, Any]:
        filters = [listener.other] if listener.other else []
        if listener.config is not None:
            filters.append(_wasm_filter(name, listener))
        manager = {
            "@type": type_name("filters.network.http_connection_manager.v3.HttpConnectionManager"),
            "stat_prefix": name,
            "codec_type": "AUTO",
            "access_log": [self._access_log(name)],
            "route_config": {
                "virtual_hosts": [
                    {
                        "name": "all",
                        "domains": ["*"],
                        "routes": [
                            {"match": {"prefix": prefix}, "route": {"cluster": cluster}}
                            for prefix, cluster in (*listener.routes, ("/", "backend"))
                        ],
                    }
                ]
            },
            "http_filters": [
                *filters,
                {
                    "name": "envoy.filters.http.router",
                    "typed_config": {"@type": type_name("filters.http.router.v3.Router")},
                },
            ],
        }
        if listener.normalize_path is not None:
            manager["normalize_path"] = listener.normalize_path
        return {
            "name": name,
            "address": address(listener.port),
            "filter_chains": [
                {"filters": [{"name": "http", "typed_config": manager}]},
            ],
        }

    def _access_log(self, listener: str) -> dict[str, Any]:
        return {
            "name": "file",
            "typed_config": {
                "@type": type_name("access_loggers.file.v3.FileAccessLog"),
                "path": str(self.folder / "access.log"),
                "log_format": {
                    "json_format": {
                        "listener": listener,
                        "path": "%REQ(:PATH)%",
                        "status": "%RESPONSE_CODE%",
                        "marker": "%REQ(X-TEST-MARKER)%",
                        "user_id": "%FILTER_STATE(wasm.mcp_auth.user_id:PLAIN)%",
                        "reason": "%FILTER_STATE(wasm.mcp_auth.reason:PLAIN)%",
                    }
                },
            },
        }


def _wasm_filter(name: str, listener: Listener) -> dict[str, Any]:
    text = listener.config if isinstance(listener.config, str) else json.dumps(listener.config)
    config = {
        "name": name,
        "root_id": name,  # Envoy writes it into each log line of the plugin
        "failure_policy": "FAIL_CLOSED",
        "configuration": {
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": text,
        },
        "vm_config": {
            "vm_id": "mcp_auth",
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": str(listener.module or built("MCP_AUTH_WASM"))}},
        },
    }
    if listener.hold_headers:
        config["allow_on_headers_stop_iteration"] = True
    return {
        "name": "mcp_auth",
        "typed_config": {"@type": type_name("filters.http.wasm.v3.Wasm"), "config": config},
    }


def _cluster(name: str, ports: int | list[int]) -> dict[str, Any]:
    ports = [ports] if isinstance(ports, int) else ports
    endpoints = [{"endpoint": {"address": address(port)}} for port in ports]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        # The tests open fifty requests at once; Envoy's defaults (1024) are far off.
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    }


def address(port: int) -> dict[str, Any]:
    """A port of loopback."""
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def type_name(name: str) -> str:
    """The type URL of an extension's configuration."""
    return f"type.googleapis.com/envoy.extensions.{name}"

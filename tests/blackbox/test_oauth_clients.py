"""MCP clients as they are published log in through Envoy, with nothing made for them.

They open a browser; theirs is a program that says yes to consent and login. Behind the gateway is
the real MCP server, whose tool `whoami` tells who it was told is calling.
"""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from harness.built import built
from harness.cimd import DocumentServer
from harness.gateway import eventually
from harness.oauth import Stack
from harness.scripted_browser import install
from harness.stdio_client import MCP_REMOTE, StdioClient
from harness.upstream import NODE_FOLDER, node

CLIENTS = Path(__file__).with_name("clients")
PACKAGES = NODE_FOLDER / "node_modules"
INSPECTOR = PACKAGES / "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
CONFORMANCE = PACKAGES / "@modelcontextprotocol/conformance/dist/index.js"
PATIENCE = 50
CONFORMANCE_PORT = 7797

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    with DocumentServer(tmp_path_factory.mktemp("cimd")) as server:
        yield server


@pytest.fixture(scope="module")
def stack(tmp_path_factory, upstream, mcp_server, documents):
    """Everything, with a limit on registrations as it is by default."""
    with Stack(
        tmp_path_factory.mktemp("stack"),
        upstream,
        backend_port=mcp_server,
        MCP_REGISTRATIONS_PER_MINUTE=None,
        MCP_ACCESS_TOKEN_TTL="5s",
        MCP_AUTH_CIMD_CA_FILE=str(documents.ca_file),
        MCP_AUTH_CIMD_ALLOW_LOOPBACK="1",
    ) as stack:
        yield stack


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """What a client finds around it: a home of its own, and a browser."""
    home = tmp_path / "home"
    home.mkdir()
    return install(tmp_path / "bin") | {"HOME": str(home), "NO_COLOR": "1"}


def run(environment: dict[str, str], *command: object, **more: str) -> str:
    """What a client prints on standard output; it must end well."""
    done = subprocess.run(
        [str(part) for part in command],
        env=environment | more,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def python(environment: dict[str, str], name: str, *arguments: object, **more: str) -> list[dict]:
    """What a client in Python was told, call by call."""
    # By the ampersand Python does not wait for the browser, as it does not for a real one.
    more = {"BROWSER": f"{environment['BROWSER']} %s &"} | more
    said = run(environment, sys.executable, CLIENTS / name, *arguments, **more)
    return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


def assert_told(said: dict, user: str = "user@example.com") -> None:
    """The tool knew the user."""
    assert user in json.dumps(said), said


# --- clients in Python


def test_fastmcps_client_logs_in(stack, environment):
    first, second = python(environment, "fastmcp_client.py", stack.resource)
    assert_told(first)
    assert first == second


def test_fastmcps_client_logs_in_with_a_published_document(stack, documents, environment):
    # The port of its callback is any; the document names loopback without one.
    document = documents.client(
        redirect_uris=["http://localhost/callback", "http://127.0.0.1/callback"]
    )
    first, _ = python(environment, "fastmcp_client.py", stack.resource, document)
    assert_told(first)
    assert stack.server.sessions(client_id=document)


def test_the_python_sdk_logs_in_and_refreshes(stack, environment):
    before = stack.token_calls()
    first, second = python(environment, "python_sdk_client.py", stack.resource, "6")
    assert_told(first)
    assert first == second
    eventually(lambda: stack.token_calls() >= before + 2)  # the code, and a refresh


# --- the client in Rust


def test_rmcps_client_logs_in_and_refreshes(stack, environment):
    program = built("RMCP_CLIENT_BIN")
    before = stack.token_calls()
    first, second = map(json.loads, run(environment, program, stack.resource, 6).splitlines())
    assert_told(first)
    assert first == second
    eventually(lambda: stack.token_calls() >= before + 2)  # the code, and a refresh


# --- clients in Node


def test_mcp_remote_logs_in(stack, environment):
    command = [node(), str(MCP_REMOTE), stack.resource]
    with StdioClient(command, environment, PATIENCE) as client:
        assert_told(client.call("tools/call", {"name": "whoami", "arguments": {}}))


def test_the_inspectors_command_line_logs_in(stack, environment):
    said = run(
        environment,
        *(node(), INSPECTOR, "--cli", "--server-url", stack.resource, "--transport", "http"),
        *("--method", "tools/call", "--tool-name", "whoami", "--format", "json"),
        MCP_AUTO_OPEN_ENABLED="true",
    )
    assert_told(json.loads(said[said.index("{") :]))


# --- conformance


def test_the_authorization_scenarios_of_mcps_conformance_suite_pass(stack, environment):
    app = stack.site.app(redirect_uris=[f"http://127.0.0.1:{CONFORMANCE_PORT}/callback"])
    process = subprocess.Popen(
        [
            *(node(), str(CONFORMANCE), "authorization", "--url", stack.url),
            *("--client-id", app.client_id, "--resource", stack.resource),
            *("--port", str(CONFORMANCE_PORT)),
        ],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    watchdog = threading.Timer(PATIENCE, process.kill)
    watchdog.start()
    said = []
    with process.stdout:
        for line in process.stdout:
            said.append(line)
            if line.startswith(f"{stack.url}/authorize?"):
                subprocess.run([environment["BROWSER"], line.strip()], env=environment, check=True)
    watchdog.cancel()
    assert process.wait() == 0, "".join(said)
    assert "authorization-code-grant" in "".join(said)
    assert "skipped" not in "".join(said).lower()

"""`examples/docker-compose` in a real Docker: its README's commands, and what it promises.

`scripts/test-compose.sh` runs this, since it needs an engine. What of the folder can be tried
without one is in `tests/blackbox/test_compose.py`.
"""

import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from harness import client
from harness.built import ROOT
from harness.documents import Block, blocks
from harness.gateway import eventually
from harness.oauth import Site
from harness.scripted_browser import install
from harness.stdio_client import MCP_REMOTE, StdioClient
from harness.upstream import node

FOLDER = ROOT / "examples/docker-compose"
URL = "http://127.0.0.1:10000"
PROVIDER = "http://127.0.0.1:9000/"
PORTS = (9000, 10000)
SERVICES = {"gateway", "mcp-auth", "mcp-server", "redis", "dev-idp"}
PATIENCE = 50
BUILD = 2400  # seconds for images that are compiled from source

pytestmark = pytest.mark.timeout(BUILD + 600)


@dataclass
class Stack:
    """The running stack, and the README that leads through it."""

    environment: dict[str, str]
    pages: list[Block] = field(default_factory=lambda: blocks(FOLDER / "README.md", "console"))

    def typed(self, word: str) -> str:
        """The only command of the README in which this occurs."""
        commands = [it.text for block in self.pages for it in block.commands if word in it.text]
        assert len(commands) == 1, commands
        return commands[0]

    def shown(self, word: str) -> str:
        """What the README shows below that command."""
        commands = [it for block in self.pages for it in block.commands if word in it.text]
        return commands[0].shown

    def run(self, command: str, **how: Any) -> str:
        """What a command prints; it must end well."""
        how = {"timeout": 120, "cwd": FOLDER, "env": self.environment} | how
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, stdin=subprocess.DEVNULL, **how
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def containers(self) -> dict[str, dict[str, Any]]:
        """What the engine knows of each service's container."""
        ids = self.run("docker compose ps --all --quiet").split()
        inspected = json.loads(self.run(f"docker inspect {' '.join(ids)}"))
        return {it["Config"]["Labels"]["com.docker.compose.service"]: it for it in inspected}

    def site(self) -> Site:
        """The authorization server as the world sees it."""
        places = {URL: [10000], PROVIDER.rstrip("/"): [9000]}
        return Site(URL, places, f"{URL}/mcp")


@pytest.fixture(scope="module")
def stack(tmp_path_factory) -> Iterator[Stack]:
    """Started as the README says."""
    for port in PORTS:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)), (
                f"something listens on port {port}: stop it"
            )
    folder = tmp_path_factory.mktemp("home")
    home = install(folder / "bin")
    # `python3` and `pip` are those of the tests, which have what the README installs.
    home["PATH"] = f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    home["BROWSER"] += " %s &"  # as a real one, it is not waited for
    stack = Stack(os.environ | home | {"NO_COLOR": "1"})
    had_secrets = (FOLDER / "secrets").exists()
    first = stack.pages[0].script
    try:
        done = subprocess.run(
            ["bash", "-e"], input=first, cwd=ROOT, env=stack.environment, text=True, timeout=BUILD
        )
        if done.returncode:
            pytest.fail(f"it does not start:\n{stack.run('docker compose logs --tail 40')}")
        yield stack
    finally:
        stack.run("docker compose down --volumes --timeout 5")
        if not had_secrets:
            shutil.rmtree(FOLDER / "secrets")


def test_when_up_returns_everything_is_healthy(stack):
    containers = stack.containers()
    assert containers.keys() == SERVICES
    for service, it in containers.items():
        assert it["State"]["Running"], service
        assert it["State"].get("Health", {}).get("Status", "healthy") == "healthy", service


def test_a_call_without_a_token_is_challenged_as_shown(stack):
    said = stack.run(stack.typed("curl -i")).replace("\r", "").splitlines()
    assert set(stack.shown("curl -i").splitlines()) <= set(said)


def test_fastmcps_client_logs_in_as_the_readme_says(stack):
    assert "user@example.com" in stack.run(stack.typed("fastmcp"))


def test_mcp_remote_logs_in_as_the_readme_says(stack, tmp_path):
    """The package that npx would download is the one that the tests have installed."""
    command = stack.typed("mcp-remote").partition("#")[0].split()
    assert command[:3] == ["npx", "-y", "mcp-remote"]
    environment = stack.environment | {"HOME": str(tmp_path)}
    environment["BROWSER"] = environment["BROWSER"].removesuffix(" %s &")
    command = [node(), str(MCP_REMOTE), *command[3:]]
    with StdioClient(command, environment, PATIENCE) as client:
        said = client.call("tools/call", {"name": "whoami", "arguments": {}})
    assert "user@example.com" in json.dumps(said)


def test_operators_see_a_login_and_end_it(stack):
    site = stack.site()
    tokens = site.tokens("operated@example.com")
    site.http.close()
    fields = [("authorization", f"Bearer {tokens.access}")]

    def status() -> int:
        return (
            client.http1(10000, path="/healthz").status
            and client.http1(10000, fields=fields).status
        )

    assert status() != 401
    assert tokens.session_id in stack.run(stack.typed("sessions list"))
    stack.run(stack.typed("sessions revoke").replace("SESSION", tokens.session_id))
    eventually(lambda: status() == 401)


def test_the_doctor_finds_nothing_wrong(stack):
    said = stack.run(stack.typed("mcp-auth doctor"))
    assert "fail" not in said.split()
    assert "filter" in said


def test_the_gateways_log_has_the_audit_lines(stack):
    command = stack.typed("docker compose logs")
    assert "--follow" in command
    assert '"event":"authenticated"' in stack.run(command.replace("--follow", ""))


def test_logins_outlive_the_containers(stack):
    site = stack.site()
    tokens = site.tokens()
    site.http.close()
    stack.run(stack.typed("docker compose down"))
    stack.run("docker compose up --wait")
    fields = [("authorization", f"Bearer {tokens.access}")]
    assert client.http1(10000, fields=fields).status != 401
    listed = stack.run(stack.typed("sessions list"))
    assert tokens.session_id in listed


def test_containers_run_with_the_least(stack):
    for service, it in stack.containers().items():
        host = it["HostConfig"]
        assert host["ReadonlyRootfs"], service
        assert host["CapDrop"] == ["ALL"], service
        assert not host["CapAdd"], service
        assert not host["Privileged"], service
        assert "no-new-privileges:true" in host["SecurityOpt"], service
        # As the kernel sees them, not as they were asked to be.
        users = stack.run(f"docker top {it['Id']} -o pid,uid").splitlines()[1:]
        assert users, service
        assert all(line.split()[1] != "0" for line in users), service


def test_nothing_listens_beyond_loopback(stack):
    published = [
        (binding["HostIp"], int(binding["HostPort"]))
        for it in stack.containers().values()
        for bindings in it["NetworkSettings"]["Ports"].values()
        for binding in bindings or []
    ]
    assert sorted(published) == [("127.0.0.1", port) for port in PORTS]


def test_no_secret_is_told(stack):
    secrets = [path.read_text().strip() for path in (FOLDER / "secrets").iterdir()]
    assert len(secrets) >= 4
    told = stack.run("docker compose logs --no-color") + json.dumps(stack.containers())
    for secret in secrets:
        assert secret not in told


def test_the_image_that_meshes_pull_is_one_layer_with_the_module(stack, tmp_path):
    bases = ("RUST_IMAGE", "NODE_IMAGE", "BINARIES")
    given = " ".join(f"--build-arg {name}" for name in bases if name in os.environ)
    stack.run(
        f"docker build {given} --target filter --tag mcp-auth-filter .", cwd=ROOT, timeout=BUILD
    )
    archive = tmp_path / "image.tar"
    stack.run(f"docker save --output {archive} mcp-auth-filter")
    with tarfile.open(archive) as image:
        (manifest,) = json.load(image.extractfile("manifest.json"))
        (layer,) = manifest["Layers"]
        with tarfile.open(fileobj=io.BytesIO(image.extractfile(layer).read())) as files:
            assert files.getnames() == ["plugin.wasm"]
            assert files.extractfile("plugin.wasm").read(4) == b"\0asm"


@pytest.mark.parametrize("image", ["mcp-auth", "mcp-server", "dev-idp"])
def test_images_say_what_they_are(stack, image):
    version = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    assert version in stack.run(f"docker run --rm {image} --version")
    (inspected,) = json.loads(stack.run(f"docker image inspect {image}"))
    labels = inspected["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == image
    assert labels["org.opencontainers.image.version"] == version
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_with_auth0_the_development_provider_goes(stack, tmp_path):
    """By the README's commands, but composed and not started: there is no tenant here."""
    folder = tmp_path / "docker-compose"
    shutil.copytree(FOLDER, folder)
    (folder / "auth0.env").write_text(
        "AUTH0_DOMAIN=tenant.auth0.com\nAUTH0_CLIENT_ID=client-1\nAUTH0_CLIENT_SECRET=hunter2\n"
        f"AUTH0_AUDIENCE={URL}/mcp\n"
    )
    (block,) = [it for it in stack.pages if "COMPOSE_FILE" in it.text]
    typed = [it.text for it in block.commands if "AUTH0_MGMT" not in it.text]
    made, *rest = typed
    assert made.startswith("mcp-auth setup auth0")  # sidecar/tests/auth0 tries it
    assert rest.pop() == "docker compose up --build --wait"
    for command in rest:
        stack.run(command, cwd=folder)
    services = json.loads(stack.run("docker compose config --format json", cwd=folder))["services"]
    assert services.keys() == SERVICES - {"dev-idp"}
    environment = services["mcp-auth"]["environment"]
    assert environment["AUTH0_DOMAIN"] == "tenant.auth0.com"
    assert environment["AUTH0_CLIENT_ID"] == "client-1"
    assert not any(name.startswith("OIDC_") for name in environment)
    assert [it["published"] for it in services["gateway"]["ports"]] == ["10000"]
    secret = folder / "secrets" / Path(environment["AUTH0_CLIENT_SECRET_FILE"]).name
    assert secret.read_text() == "hunter2\n"
    assert not (folder / "auth0.env").exists()


def test_the_example_of_an_env_file_is_enough(stack, tmp_path):
    text = (FOLDER / "env.auth0.example").read_text()
    (tmp_path / "env").write_text(text.replace("CLIENT_ID=", "CLIENT_ID=client-1"))
    said = stack.run(f"docker compose --env-file {tmp_path}/env config --format json")
    assert json.loads(said)["services"].keys() == SERVICES - {"dev-idp"}

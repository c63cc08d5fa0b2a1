"""`examples/docker-compose`: its files against the Compose Specification, what they promise, and
its Envoy with the real sidecar. Containers themselves are not started here.
"""

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness import client, mesh
from harness.backend import Backend, seen
from harness.built import ROOT, built
from harness.commands import mcp_auth
from harness.oauth import Site

FOLDER = ROOT / "examples/docker-compose"
FILES = ("compose.yaml", "compose.override.yaml", "auth0.yaml")
DCLINT = ROOT / "tests/schemas/node_modules/dclint/bin/dclint.cjs"
URL = "http://127.0.0.1:10000"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """What each service is told, over all files."""
    merged: dict[str, Any] = {}
    for name in FILES:
        for service, told in yaml.safe_load((FOLDER / name).read_text())["services"].items():
            merged[service] = merged.get(service, {}) | told
    return merged


def test_the_files_have_the_form_of_the_compose_specification(tmp_path):
    (tmp_path / "wrong.yaml").write_text("services: {a: {image: a, red_only: true}}")
    files = [FOLDER / name for name in FILES]
    done = subprocess.run(
        ["node", DCLINT, "--formatter", "json", *files, tmp_path / "wrong.yaml"],
        capture_output=True,
        text=True,
    )
    reports = json.loads(done.stdout)
    assert len(reports) == len(files) + 1, done.stderr
    broken = {
        Path(report["filePath"]).name
        for report in reports
        if any(it["rule"] == "invalid-schema" for it in report["messages"])
    }
    assert broken == {"wrong.yaml"}


def test_every_service_is_locked_down(services):
    assert services.keys() == {"gateway", "mcp-auth", "mcp-server", "redis", "dev-idp"}
    for told in services.values():
        assert told["read_only"] is True
        assert told["cap_drop"] == ["ALL"]
        assert told["security_opt"] == ["no-new-privileges:true"]
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", told["user"])
        assert not told.get("privileged")


def test_nothing_is_published_beyond_loopback():
    for name in FILES:
        for told in yaml.safe_load((FOLDER / name).read_text())["services"].values():
            assert all(port.startswith("127.0.0.1:") for port in told.get("ports", []))


def test_the_images_are_pinned(services):
    dockerfile = (ROOT / "Dockerfile").read_text()
    envoy = re.search(r"version=(\S+)", (ROOT / "scripts/setup-envoy.sh").read_text())[1]
    rust = re.search(r'channel = "(.+)"', (ROOT / "rust-toolchain.toml").read_text())[1]
    assert f"ENVOY_IMAGE=envoyproxy/envoy:v{envoy}\n" in dockerfile
    assert f"RUST_IMAGE=rust:{rust}-bookworm\n" in dockerfile
    arguments = services["gateway"]["build"]["args"]
    for name, given in arguments.items():
        default = re.fullmatch(r"\$\{(\w+):-(.+)\}", given)
        assert default[1] == name
        assert f"ARG {name}={default[2]}\n" in dockerfile
    targets = set(re.findall(r"^FROM \S+ AS (\S+)$", dockerfile, re.MULTILINE))
    assert {told["build"]["target"] for told in services.values() if "build" in told} <= targets


def test_the_image_that_compiles_gets_every_crate_of_the_workspace():
    """Cargo reads the manifests of all members, whichever it builds."""
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]
    copied = re.findall(r"^COPY (\S+) \1$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert len(workspace["members"]) > 5
    for member in workspace["members"]:
        for path in ROOT.glob(member):
            folder = path.relative_to(ROOT)
            assert folder.parts[0] in copied, f"the Dockerfile does not copy {folder}"
            parents = {str(it) for it in (folder, *folder.parents)}
            assert {f"!{it}" for it in parents} & {*ignored}, f".dockerignore hides {folder}"
            assert not parents & {*ignored}, f".dockerignore hides {folder}"


def test_secrets_are_made_once_and_taken_by_the_sidecar(tmp_path):
    script = tmp_path / "secrets.sh"
    script.write_bytes((FOLDER / "secrets.sh").read_bytes())
    first = subprocess.run(["bash", script], check=True, capture_output=True, text=True).stdout
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert first.count("made") == len(made) == 4
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    subprocess.run(["bash", script], check=True, capture_output=True)
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == made

    told = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]["mcp-auth"]
    told = (
        told["environment"]
        | yaml.safe_load((FOLDER / "compose.override.yaml").read_text())["services"]["mcp-auth"][
            "environment"
        ]
    )
    told = {n: v.replace("/run/secrets", str(tmp_path / "secrets")) for n, v in told.items()}
    assert "redis:6379" in mcp_auth("config", "check", environment=told).done()


def test_its_envoy_protects_the_mcp_server(tmp_path, serve):
    sidecar = serve(URL, MCP_RESOURCES=f"{URL}/mcp", MCP_AUTH_TOKEN=None)
    with Backend() as backend:
        ports = {"9100": backend.port, "8081": sidecar.port, "8082": sidecar.internal_port}
        with mesh.envoy(tmp_path, bootstrap(ports)) as envoy:
            port = envoy.ports["gateway"]
            for path in ("/healthz", "/.well-known/oauth-authorization-server"):
                assert client.http1(port, path=path).status == 200
            assert client.http1(port).status == 401
            assert client.http1(port, path="/v1/sessions").status == 404
            upstream = sidecar.upstream
            places = {URL: [port], upstream.issuer: [upstream.proxy.port]}
            site = Site(URL, places, f"{URL}/mcp")
            tokens = site.tokens()
            site.http.close()
            fields = [("authorization", f"Bearer {tokens.access}")]
            assert seen(client.http1(port, fields=fields)).header("x-user-name")
            assert is_healthy(port)
            sidecar.kill()
            assert not is_healthy(port)


def test_a_sidecar_says_by_its_exit_code_whether_it_is_ready(serve):
    sidecar = serve(MCP_AUTH_TOKEN=None)
    url = f"http://127.0.0.1:{sidecar.internal_port}"
    assert mcp_auth("health", "--internal-url", url).done() == "ready\n"
    sidecar.kill()
    mcp_auth("health", "--internal-url", url).refused(f"{url}/ does not answer")
    mcp_auth("health", "--internal-url", "ftp://a").refused("MCP_AUTH_INTERNAL_URL")


def is_healthy(port: int) -> bool:
    """What the health check of the gateway's container finds at this port."""
    told = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]["gateway"]
    kind, *command = told["healthcheck"]["test"]
    assert kind == "CMD"
    command = [
        it.replace("$$", "$").replace("127.0.0.1/10000", f"127.0.0.1/{port}") for it in command
    ]
    return subprocess.run(command, timeout=10).returncode == 0


def bootstrap(ports: dict[str, int]) -> dict[str, Any]:
    """The stack's Envoy, with loopback ports in place of its own and of the services."""
    text = (FOLDER / "envoy.yaml").read_text()
    text = text.replace("/etc/envoy/mcp_auth_filter.wasm", str(built("MCP_AUTH_WASM")))
    for theirs, ours in ports.items():
        text = text.replace(f"port_value: {theirs}}}", f"port_value: {ours}}}")
    text = text.replace("address: mcp-server,", "address: 127.0.0.1,")
    text = text.replace("0.0.0.0, port_value: 10000", "127.0.0.1, port_value: 0")
    text = text.replace("port_value: 9901", "port_value: 0")
    return yaml.safe_load(text)

"""`mcp-auth setup oidc` says whether a provider can be used, and writes what then works."""

from __future__ import annotations

import json
import re
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import client
from harness.built import built
from harness.commands import Ran, mcp_auth
from harness.envoy import Envoy, Listener
from harness.faultproxy import Fault, changed
from harness.upstream import DISCOVERY, Upstream

SECRET = "hunter2hunter2"
DEPLOYMENT = {
    "MCP_AUTH_URL": "https://mcp.example.com",
    "MCP_RESOURCES": "https://mcp.example.com/mcp,https://mcp.example.com/other",
    "OIDC_CLIENT_ID": "mcp-auth",
    "OIDC_CLIENT_SECRET": SECRET,
}


def setup(issuer: str, *arguments: str, **given: str) -> Ran:
    """Runs it; the client's secret must not be printed."""
    environment = DEPLOYMENT | {"OIDC_ISSUER": issuer} | given
    hidden = () if "--show-secrets" in arguments else (SECRET,)
    return mcp_auth("setup", "oidc", *arguments, environment=environment, secrets=hidden)


@pytest.fixture(scope="module")
def dev_idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The issuer of the project's own development provider."""
    log = tmp_path_factory.mktemp("dev-idp") / "log"
    with log.open("wb") as out:
        arguments = [built("DEV_IDP_BIN"), "--listen", "127.0.0.1:0"]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=out, text=True)
    try:
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:\d+/", line):
                yield found[0]
                break
        else:
            raise AssertionError(log.read_text())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def says(**changes: object) -> Fault:
    """The provider's metadata with changes; None leaves a member out."""

    def fault(request, onward):
        reply = onward(request)
        said = reply.json() | changes
        said = {name: value for name, value in said.items() if value is not None}
        return changed(reply, json.dumps(said).encode())

    return fault


def test_a_provider_of_others_can_be_used(upstream: Upstream) -> None:
    ran = setup(upstream.issuer)
    assert ran.code == 0, ran.out + ran.err
    assert "https://mcp.example.com/auth/callback" in ran.out
    assert setup(upstream.issuer, "--json").failed() == set()


def test_the_development_provider_can_be_used(dev_idp: str) -> None:
    assert setup(dev_idp, "--json").failed() == set()
    slashless = setup(dev_idp.rstrip("/"), "--json")
    assert slashless.failed() == {"provider: discovery"}


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"issuer": "https://other.example/"}, "provider: discovery"),
        ({"token_endpoint": None}, "provider: token_endpoint"),
        ({"authorization_endpoint": "http://idp.example/"}, "provider: authorization_endpoint"),
        ({"code_challenge_methods_supported": ["plain"]}, "provider: PKCE"),
        ({"id_token_signing_alg_values_supported": ["HS256"]}, "provider: ID tokens"),
        ({"token_endpoint_auth_methods_supported": ["none"]}, "provider: client authentication"),
        ({"response_types_supported": ["id_token"]}, "provider: code flow"),
    ],
)
def test_what_it_lacks_is_named_and_nothing_is_written(
    upstream: Upstream, tmp_path: Path, changes: dict, check: str
) -> None:
    file = tmp_path / "settings.env"
    with upstream.proxy.fault(DISCOVERY, says(**changes)):
        found = setup(upstream.issuer, "--json").failed()
        ran = setup(upstream.issuer, "--output", "env", "--output-file", str(file))
    assert found == {check}
    assert ran.code == 1
    assert "nothing was written" in ran.err
    assert not file.exists()


def test_scopes_are_asked_for_that_the_provider_has(upstream: Upstream) -> None:
    with upstream.proxy.fault(DISCOVERY, says(scopes_supported=["openid", "email"])):
        ran = setup(upstream.issuer, "--output", "env")
    assert ran.code == 0
    assert "OIDC_SCOPES='openid email'" in ran.out, ran.out
    assert "offline_access" in ran.err


def test_what_it_writes_is_what_sidecar_and_filter_take(upstream: Upstream, tmp_path: Path) -> None:
    env, filter_file = tmp_path / "settings.env", tmp_path / "filter.json"
    arguments = [
        *("--output", "env", "--output-file", str(env), "--filter-file", str(filter_file)),
        "--accept-provider-tokens",
    ]
    given = {"OIDC_AUDIENCE": "https://api.example.com/", "MCP_AUTH_TOKEN": "a-token-for-tests"}
    assert setup(upstream.issuer, *arguments, **given).code == 0
    assert [stat.S_IMODE(file.stat().st_mode) for file in (env, filter_file)] == [0o600, 0o600]
    again = setup(upstream.issuer, *arguments, **given)
    assert again.out.count("says so already") == 2, again.out

    sourced = subprocess.run(
        ["sh", "-c", f"set -a; . {env}; env"], capture_output=True, text=True, check=True
    ).stdout
    variables = dict(line.split("=", 1) for line in sourced.splitlines())
    assert variables["OIDC_CLIENT_SECRET"] == SECRET
    checked = mcp_auth("config", "check", environment=variables | {"JWT_SIGNING_KEY": "ab" * 32})
    assert checked.code == 0, checked.err
    assert upstream.issuer in checked.out

    settings = json.loads(filter_file.read_text())
    assert [it["issuer"] for it in settings["issuers"]] == [
        DEPLOYMENT["MCP_AUTH_URL"],
        upstream.issuer,
    ]
    dead = dict.fromkeys(("backend", "mcp-auth", "mcp-auth-public"), 1)
    ports = dead | {"identity-provider": upstream.proxy.port}
    with Envoy(tmp_path / "envoy", {"main": Listener(settings)}, ports) as envoy:
        reply = client.http1(envoy.ports["main"], path="/mcp")
        assert reply.status == 401
        resource = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
        assert reply.challenge().params["resource_metadata"] == resource
        public = client.http1(envoy.ports["main"], path="/authorize")
        assert public.status == 503, "it is public, and goes on to a server that is not there"
        assert "mcp_auth" not in public.body.decode()


def test_kubernetes_gets_a_secret_and_the_rest(upstream: Upstream) -> None:
    hidden = setup(upstream.issuer, "--output", "k8s")
    assert "name: mcp-oidc-credentials" in hidden.out
    shown = setup(upstream.issuer, "--output", "k8s", "--show-secrets")
    assert f'server-client-secret: "{SECRET}"' in shown.out


def test_wrong_usage_is_named(upstream: Upstream) -> None:
    for given, named in (
        ({"OIDC_ISSUER": ""}, "OIDC_ISSUER"),
        ({"MCP_RESOURCES": ""}, "MCP_RESOURCES"),
        ({"OIDC_CLIENT_ID": ""}, "OIDC_CLIENT_ID"),
        ({"MCP_AUTH_URL": "ftp://x"}, "MCP_AUTH_URL"),
    ):
        issuer = given.pop("OIDC_ISSUER", upstream.issuer)
        ran = setup(issuer, "--output", "env", **given)
        assert (ran.code, named in ran.err) == (2, True), ran

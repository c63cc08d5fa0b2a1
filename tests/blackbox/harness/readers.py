"""Who follows a document's commands, and what the document takes for given.

`AROUND` has it for the pages that need something; the others need a checkout and the programs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .built import ROOT, built
from .commands import mcp_auth
from .documents import Command, blocks, in_filter
from .kubernetes import Kubernetes
from .management import Management
from .manifests import OVERLAYS, Examples
from .oauth import Stack
from .serving import free_port
from .sidecar import RealSidecar
from .tokens import key, token
from .upstream import Upstream


@dataclass
class Reader:
    """Who follows a page: where, with what around, and what is called otherwise here."""

    folder: Path
    home: Path
    life: ExitStack
    fixture: Callable[[str], Any]
    environment: dict[str, str] = field(default_factory=dict)
    otherwise: dict[str, str] = field(default_factory=dict)
    stdin: str = ""
    afterwards: Callable[[], None] = lambda: None

    def program(self, name: str, script: str) -> None:
        """A program on the reader's path."""
        path = self.home / "bin" / name
        path.write_text(script)
        path.chmod(0o755)

    def follow(self, commands: list[Command]) -> None:
        """Types the commands; each has to end well."""
        script = "set -eu -o pipefail\n"
        for command in commands:
            text = command.text
            for theirs, ours in self.otherwise.items():
                text = text.replace(theirs, ours)
            script += f"{text}\n"
        path = f"{self.home / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", script],
            input=self.stdin,
            cwd=self.folder,
            env={"HOME": str(self.home), "PATH": path, **self.environment},
            capture_output=True,
            text=True,
            timeout=50,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"


def of_debugging(reader: Reader) -> None:
    """A request that is refused is told by the exit code."""
    reader.otherwise["--name delete_note"] = "--name delete_note || test $? = 3"


def of_rules(reader: Reader) -> None:
    """The guide's own rules, and a token that they refuse."""
    reader.folder = reader.home
    (rules,) = blocks(ROOT / "docs/how-to/rules-for-tools.md", "yaml")
    issuer = {"issuer": "https://a.example/", "jwks": {"keys": [key().jwk()]}}
    whole = in_filter({"issuers": [issuer]} | yaml.safe_load(rules.text))
    (reader.home / "filter.yaml").write_text(yaml.safe_dump(whole))
    (reader.home / "token.jwt").write_text(
        token(iss="https://a.example/", aud="https://mcp.example.com/notes", scope="notes:read")
    )
    reader.otherwise["--name delete_note"] = (
        "--name delete_note > said || test $? = 3; grep -q '403 insufficient_scope' said"
    )


def of_the_doctor(reader: Reader) -> None:
    """A stack that works."""
    stack: Stack = reader.fixture("stack")
    names = ("OIDC_ISSUER", "OIDC_AUDIENCE", "MCP_AUTH_URL", "MCP_RESOURCES", "REDIS_URL")
    reader.environment = {it: stack.server.environment[it] for it in (*names, "MCP_AUTH_TOKEN")}
    reader.environment["MCP_AUTH_INTERNAL_URL"] = f"http://127.0.0.1:{stack.server.internal_port}"
    reader.otherwise["http://127.0.0.1:15000"] = f"http://127.0.0.1:{stack.envoy.admin_port}"
    reader.folder = reader.home
    (reader.home / "token").write_text(stack.site.tokens().access)


def of_another_provider(reader: Reader) -> None:
    """The provider that the tests have."""
    reader.folder = reader.home
    reader.otherwise["https://idp.example.com/"] = reader.fixture("upstream").issuer
    (reader.home / "client-secret").write_text("a-secret")

    def check() -> None:
        mcp_auth("config", "check", "--filter", str(reader.home / "filter.json")).done()
        assert "OIDC_CLIENT_SECRET=a-secret" in (reader.home / "oidc.env").read_text()

    reader.afterwards = check


def of_revoking(reader: Reader) -> None:
    """A user with two sessions, by two clients, and a third that nobody ends."""
    sidecar = reader.life.enter_context(closing(RealSidecar(reader.home, "embedded")))
    token_file = reader.home / "token"
    token_file.write_text(sidecar.TOKEN)
    known = {
        "a" * 22: ("alice-example-com-ed9fe0b2", "c"),
        "b" * 22: ("bob", "c"),
        "d" * 22: ("bob", "leaving"),
        "e" * 22: ("bob", "c"),
    }
    for session, (user, client) in known.items():
        sidecar.record(session, user, client_id=client)
    reader.otherwise = {
        "http://127.0.0.1:8082": f"http://127.0.0.1:{sidecar.port}",
        "/run/secrets/mcp-auth/token": str(token_file),
        "SESSION ": f"{'b' * 22} ",
        "CLIENT_ID ": "leaving ",
    }

    def check() -> None:
        left = {it for it in known if not revoked(it)}
        assert left == {"e" * 22}

    def revoked(ident: str) -> bool:
        return sidecar.call("GET", f"/v1/sessions/{ident}").json()["revoked_at"] is not None

    reader.afterwards = check


def of_rotation(reader: Reader) -> None:
    """A folder of secrets, the service that uses them, and a tenant's Management API."""
    reader.folder = reader.home
    secrets = reader.home / "secrets"
    upstream: Upstream = reader.fixture("upstream")
    client = upstream.register("https://mcp.example.com/auth/callback")
    (reader.home / "given").write_text(client.client_secret)
    generate = ("secrets", "generate", "--out", "secrets", "--client-secret-file", "given")
    mcp_auth(*generate, folder=reader.home).done()
    server = reader.fixture("serve")(
        client=client,
        MCP_AUTH_TOKEN=None,
        JWT_SIGNING_KEY=None,
        JWT_SIGNING_KEY_FILE=str(secrets / "jwt-signing-key"),
        STORAGE_ENCRYPTION_KEY_FILE=str(secrets / "storage-encryption-key"),
    )
    tenant = reader.life.enter_context(Management(upstream, client))
    reader.environment = tenant.environment | {
        "MCP_AUTH_INTERNAL_URL": f"http://127.0.0.1:{server.internal_port}"
    }
    # The tenant's double takes a token, and no credentials for one.
    reader.otherwise["export AUTH0_MGMT_CLIENT_ID=… AUTH0_MGMT_CLIENT_SECRET_FILE=…"] = "true"

    def check() -> None:
        for name in ("jwt-signing-key", "storage-encryption-key"):
            assert (secrets / name).read_text().count(",") == 1, "a new key is beside the old one"
        assert (secrets / "server-client-secret-fallback").read_text().strip()

    reader.afterwards = check


def of_secrets(reader: Reader) -> None:
    """A cluster's API, and what the provider gave."""
    cluster = of_a_cluster(reader)
    reader.folder = reader.home
    (reader.home / "from-auth0").write_text("hunter2")
    reader.stdin = "hunter2"
    reader.program("kubeseal", "#!/bin/sh\nexec cat\n")  # is no package of Debian's

    def check() -> None:
        assert cluster.value("mcp-jwt-signing-key", "jwt-signing-key")
        assert cluster.value("mcp-auth0-credentials", "server-client-secret") == "hunter2"
        sealed = list(yaml.safe_load_all((reader.home / "sealed-secrets.yaml").read_text()))
        assert {it["kind"] for it in sealed} == {"Secret"}
        # Each file is one that `serve` takes.
        folder = reader.home / "secrets"
        given = {
            "JWT_SIGNING_KEY_FILE": str(folder / "jwt-signing-key"),
            "STORAGE_ENCRYPTION_KEY_FILE": str(folder / "storage-encryption-key"),
            "MCP_AUTH_TOKEN_FILE": str(folder / "mcp-auth-token"),
            "AUTH0_CLIENT_SECRET_FILE": str(folder / "server-client-secret"),
        }
        mcp_auth("config", "check", environment=DEPLOYMENT | given).done()

    reader.afterwards = check


DEPLOYMENT = {
    "AUTH0_DOMAIN": "tenant.auth0.com",
    "AUTH0_CLIENT_ID": "client-1",
    "AUTH0_AUDIENCE": "https://mcp.example.com/mcp",
    "MCP_AUTH_URL": "https://mcp.example.com",
    "MCP_RESOURCES": "https://mcp.example.com/mcp",
}


def of_a_cluster(reader: Reader) -> Kubernetes:
    """The API of Kubernetes, as far as Secrets need it, and a kubectl for it."""
    folder = reader.home / "cluster"
    folder.mkdir()
    cluster = reader.life.enter_context(Kubernetes(folder))
    reader.environment |= cluster.for_kubectl()
    return cluster


def of_kubernetes(reader: Reader) -> None:
    """A copy of the examples, what `setup auth0` wrote, and a cluster's API."""
    cluster = of_a_cluster(reader)
    examples = Examples(reader.home)
    for mesh in ("istio", "envoy-gateway"):
        (examples.folder / mesh / "base/mcp-auth-token.env").unlink()
    reader.folder = examples.folder
    (examples.folder / "auth0.env").write_text(
        "AUTH0_DOMAIN=tenant.auth0.com\nAUTH0_CLIENT_ID=client-1\nAUTH0_CLIENT_SECRET=hunter2\n"
    )
    reader.stdin = "rediss://redis.example.com:6380/0\n"
    reader.otherwise["https://idp.example.com/"] = reader.fixture("upstream").issuer
    (examples.folder / "oidc-client-secret").write_text("hunter2")
    # The double of the API reads JSON only, and `create secret` sends protobuf.
    reader.otherwise["url=/dev/stdin"] = (
        "url=/dev/stdin --dry-run=client -o json | kubectl create --validate=false -f -"
    )

    def check() -> None:
        assert cluster.value("mcp-auth0-credentials", "server-client-id") == "client-1"
        assert cluster.value("mcp-auth0-credentials", "server-client-secret") == "hunter2"
        assert cluster.value("mcp-auth-redis", "url").startswith("rediss://")
        assert "name: mcp-oidc-credentials" in (examples.folder / "oidc.yaml").read_text()
        made = cluster.value("mcp-auth-token", "mcp-auth-token")
        for overlay in OVERLAYS:
            text = yaml.safe_dump_all(examples.built(overlay))
            assert text.count(made) == 1, "the token is in the filter's configuration"
            assert "acme" in text
            assert "tenant.auth0.com" not in text
            assert "example.com" not in text, "a name of ours is left"

    reader.afterwards = check


def of_a_mesh(reader: Reader) -> None:
    """A copy of the examples; what would be applied is built."""
    reader.folder = Examples(reader.home).folder
    reader.otherwise["kubectl apply -k examples/"] = "kubectl kustomize "
    reader.otherwise["kubectl apply -k"] = "kubectl kustomize"


def of_auth0(reader: Reader) -> None:
    """What `setup auth0` wrote; `serve` is asked only whether it would start."""
    reader.folder = reader.home
    lines = [f"{name}={value}" for name, value in DEPLOYMENT.items()]
    (reader.home / "auth0.env").write_text("\n".join([*lines, "AUTH0_CLIENT_SECRET=hunter2\n"]))
    reader.otherwise["mcp-auth serve"] = "mcp-auth config check"
    # Both of its two ways to be let in would be too many, and the page says what to put for `…`.
    reader.otherwise["export AUTH0_MGMT_CLIENT_ID=… "] = "export "


def of_the_example_of_auth0(reader: Reader) -> None:
    """A copy of the folder."""
    reader.folder = reader.home / "auth0"
    shutil.copytree(ROOT / "examples/auth0", reader.folder)
    reader.environment["EDITOR"] = "true"


def of_the_sidecar(reader: Reader) -> None:
    """Its secrets; `serve` is asked only whether it would start."""
    mcp_auth("secrets", "generate", "--out", "made", folder=reader.home).done()
    (reader.home / "made/auth0").write_text("hunter2")
    (reader.home / "made/signing-key").write_bytes(
        (reader.home / "made/jwt-signing-key").read_bytes()
    )
    reader.otherwise = {
        "/run/secrets": str(reader.home / "made"),
        "AUTH0_CLIENT_ID=…": "AUTH0_CLIENT_ID=client-1",
        "mcp-auth serve": "mcp-auth config check",
    }


def of_the_development_provider(reader: Reader) -> None:
    """One that runs. Those that the page starts end as soon as they are ready."""
    port = free_port()
    process = subprocess.Popen(
        [built("DEV_IDP_BIN"), "--listen", f"127.0.0.1:{port}"], stdout=subprocess.PIPE, text=True
    )
    reader.life.callback(process.wait)
    reader.life.callback(process.kill)
    assert process.stdout.readline().startswith("ready")
    process.stdout.close()
    reader.program(
        "dev-idp",
        "#!/bin/bash\n"
        f'exec 3< <(exec {built("DEV_IDP_BIN")} "$@" --listen 127.0.0.1:0)\n'
        "read -r said <&3\n"
        "kill $!\n"
        "[[ $said == ready* ]]\n",
    )
    reader.otherwise = {
        "cargo run --release -p dev-idp -- --listen 127.0.0.1:9000": "dev-idp",
        "127.0.0.1:9000": f"127.0.0.1:{port}",
        "curl -s": "curl -sS --fail",
    }


AROUND: dict[str, Callable[[Reader], Any]] = {
    "docs/how-to/auth0.md": of_auth0,
    "docs/how-to/debug-a-401.md": of_debugging,
    "docs/how-to/doctor.md": of_the_doctor,
    "docs/how-to/identity-providers.md": of_another_provider,
    "docs/how-to/revoke-a-user.md": of_revoking,
    "docs/how-to/rotate-keys.md": of_rotation,
    "docs/how-to/rules-for-tools.md": of_rules,
    "docs/how-to/secrets.md": of_secrets,
    "examples/auth0/README.md": of_the_example_of_auth0,
    "examples/dev-idp/README.md": of_the_development_provider,
    "examples/envoy-gateway/README.md": of_a_mesh,
    "examples/istio/README.md": of_a_mesh,
    "examples/kubernetes/README.md": of_kubernetes,
    "examples/kubernetes/rotation/README.md": of_a_mesh,
    "sidecar/README.md": of_the_sidecar,
}

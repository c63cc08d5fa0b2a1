"""What was used up or replaced is not in the memory of `mcp-auth` any more."""

from __future__ import annotations

import base64
import resource
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from harness import process_memory
from harness.authserver import AuthServer
from harness.gateway import eventually
from harness.oauth import Grant, challenge, direct
from harness.upstream import Upstream

REPLACED = ("OIDC_CLIENT_SECRET", "JWT_SIGNING_KEY", "STORAGE_ENCRYPTION_KEY", "MCP_AUTH_TOKEN")


def new_secrets() -> dict[str, str]:
    """A value for each secret that may be replaced."""
    return {
        "OIDC_CLIENT_SECRET": secrets.token_hex(24),
        "JWT_SIGNING_KEY": secrets.token_hex(32),
        "STORAGE_ENCRYPTION_KEY": Fernet.generate_key().decode(),
        "MCP_AUTH_TOKEN": secrets.token_hex(16),
    }


class Kept:
    """A server whose secrets are in files and whose memory may be read."""

    def __init__(self, folder: Path, upstream: Upstream) -> None:
        self.folder = folder
        settings: dict[str, str | None] = dict.fromkeys(REPLACED)
        settings |= {f"{name}_FILE": str(folder / name) for name in REPLACED}
        settings["MCP_AUTH_ALLOW_CORE_DUMPS"] = "1"
        self.server = AuthServer(folder, upstream, "https://auth.example.com", **settings)
        self.secrets = new_secrets() | {"OIDC_CLIENT_SECRET": self.server.client.client_secret}
        self.write(self.secrets)

    def write(self, texts: dict[str, str]) -> None:
        """Replaces what the files say."""
        for name, text in texts.items():
            (self.folder / f"{name}.new").write_text(text)
            (self.folder / f"{name}.new").rename(self.folder / name)

    def has(self, wanted: dict[str, str | bytes]) -> dict[str, list[str]]:
        """Which of these lie in its memory, and where."""
        as_bytes = {
            name: value.encode() if isinstance(value, str) else value
            for name, value in wanted.items()
        }
        return process_memory.found(self.server.pid, as_bytes)

    def forgets(self, wanted: dict[str, str | bytes]) -> None:
        """None of these lies in its memory, soon."""
        with suppress(AssertionError):
            eventually(lambda: not self.has(wanted), timeout=15, every=0.5)
        assert self.has(wanted) == {}


@pytest.fixture
def kept(tmp_path, upstream) -> Iterator[Kept]:
    kept = Kept(tmp_path, upstream)
    with kept.server:
        yield kept


def test_what_a_login_has_used_up_is_forgotten(kept, upstream):
    site = direct(kept.server)
    verifier = secrets.token_urlsafe(48)
    with site.agent("forgotten@example.com") as agent:
        app = site.app()
        grant = app.log_in(agent, code_challenge=challenge(verifier))
        cookies = dict(agent.cookies)
    first = app.accepted(app.redeem(Grant(grant.code, grant.landing, verifier)))
    second = app.refreshed(first.refresh)
    site.http.close()
    asked, refreshed = upstream.token_answers()[-2:]
    used_up = {
        "our code": grant.code,
        "the client's verifier": verifier,
        "the first refresh token": first.refresh,
        "the second refresh token": second.refresh,
        "the first access token": first.access.rpartition(".")[2],
        "the second access token": second.access.rpartition(".")[2],
        "the provider's code": asked.request.form["code"],
        "our verifier at the provider": asked.request.form["code_verifier"],
        "the provider's first access token": asked.reply.json()["access_token"],
        "the provider's first ID token": asked.reply.json()["id_token"].rpartition(".")[2],
        "the provider's first refresh token": asked.reply.json()["refresh_token"],
        "the provider's second refresh token": refreshed.reply.json()["refresh_token"],
    }
    used_up |= {f"cookie {name}": value for name, value in cookies.items() if len(value) > 20}
    in_use = {"the client secret": kept.secrets["OIDC_CLIENT_SECRET"]}
    assert kept.has(in_use), "what is in use is found, so this looks in the right place"
    kept.forgets(used_up)


def test_what_was_replaced_is_forgotten(kept):
    old = kept.secrets
    new = new_secrets()
    kept.write(new)
    eventually(lambda: "new secrets are in use" in kept.server.log())
    assert kept.has({"the new client secret": new["OIDC_CLIENT_SECRET"]})
    kept.forgets(
        old
        | {
            "the signing key's bytes": bytes.fromhex(old["JWT_SIGNING_KEY"]),
            "the storage key's bytes": base64.urlsafe_b64decode(old["STORAGE_ENCRYPTION_KEY"]),
        }
    )


@pytest.mark.parametrize("allowed", [None, "1"])
def test_the_kernel_writes_no_core_dump_unless_that_is_asked_for(tmp_path, upstream, allowed):
    settings = {"MCP_AUTH_ALLOW_CORE_DUMPS": allowed}
    with AuthServer(tmp_path, upstream, "https://auth.example.com", **settings) as server:
        limits = Path(f"/proc/{server.pid}/limits").read_text().splitlines()
    (line,) = (line for line in limits if line.startswith("Max core file size"))
    usual = resource.getrlimit(resource.RLIMIT_CORE)
    words = ["unlimited" if it == resource.RLIM_INFINITY else str(it) for it in usual]
    assert line.split()[4:6] == (words if allowed else ["0", "0"])

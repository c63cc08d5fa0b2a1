"""The manifests of `examples`, as `kubectl kustomize` makes them, and what Compose reads.

Secrets that the README has the reader make are made here, in a copy of the folder.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from .built import ROOT

TOKEN = "a-token-of-the-internal-api"
OVERLAYS = (
    "istio/base",
    "istio/file",
    "istio/tools-policy",
    "envoy-gateway/base",
    "envoy-gateway/tools-policy",
)
ROTATIONS = ("kubernetes/rotation", "kubernetes/rotation/client-secret")


class Examples:
    """A copy of `examples` with the token's files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "examples"
        self._built: dict[str, str] = {}
        for name in ("kubernetes", "istio", "envoy-gateway"):
            unmade = shutil.ignore_patterns("*.env")
            shutil.copytree(ROOT / "examples" / name, self.folder / name, ignore=unmade)
        for mesh in ("istio", "envoy-gateway"):
            (self.folder / mesh / "base/mcp-auth-token.env").write_text(f"mcp-auth-token={TOKEN}\n")

    def built(self, overlay: str) -> Objects:
        """What `kubectl apply -k` would apply."""
        if overlay not in self._built:
            command = ["kubectl", "kustomize", str(self.folder / overlay)]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            self._built[overlay] = done.stdout
        return Objects([it for it in yaml.safe_load_all(self._built[overlay]) if it])


class Objects(list[dict[str, Any]]):
    """Kubernetes objects."""

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Those of a kind."""
        return [it for it in self if it["kind"] == kind]

    def one(self, kind: str, name: str | None = None) -> dict[str, Any]:
        """The only one of a kind, and of a name if one is given."""
        (found,) = [it for it in self.of(kind) if name in (None, it["metadata"]["name"])]
        return found

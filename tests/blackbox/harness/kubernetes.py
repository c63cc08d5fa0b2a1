"""A double of Kubernetes' API, as far as Secrets need it: versions, conflicts and RBAC included."""

from __future__ import annotations

import base64
import copy
import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from .cimd import certify
from .serving import Server

NAMESPACE = "mcp-auth"
ADMIN = "the-admins-token"
POD = "the-pods-token"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
DISCOVERY = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            {
                "name": "secrets",
                "singularName": "secret",
                "namespaced": True,
                "kind": "Secret",
                "verbs": ["create", "get", "update"],
            }
        ],
    },
}


class Refusal(Exception):
    """A `Status` other than success."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.body = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "reason": reason,
            "message": message,
            "code": code,
        }


@dataclass
class _State:
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    version: int = 1
    lock: threading.Lock = field(default_factory=threading.Lock)


class Kubernetes(Server):
    """Keeps Secrets of one namespace. `rules` are those of the pod's Role; the admin may do all.

    `between` is called before each change, and may make one of its own.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rules: list[dict[str, Any]] = []
        self.between: Callable[[], None] | None = None
        self.conflicts = 0
        self._state = _State()
        self._ca = folder / "kubernetes-ca.pem"
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certify(folder, self._ca))
        super().__init__(_handler(self))
        self._write_client_files()

    # --- how it is reached

    def for_kubectl(self) -> dict[str, str]:
        """The environment of an operator."""
        return {"KUBECONFIG": str(self.folder / "kubeconfig"), "HOME": str(self.folder)}

    def for_pod(self) -> dict[str, str]:
        """The environment of a pod with the service account."""
        return {
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(self.port),
            "MCP_AUTH_SERVICE_ACCOUNT": str(self.folder / "serviceaccount"),
        }

    def _write_client_files(self) -> None:
        account = self.folder / "serviceaccount"
        account.mkdir()
        (account / "token").write_text(POD)
        (account / "namespace").write_text(NAMESPACE)
        (account / "ca.crt").write_bytes(self._ca.read_bytes())
        cluster = {
            "server": f"https://127.0.0.1:{self.port}",
            "certificate-authority": str(self._ca),
        }
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": ADMIN}}],
            "contexts": [
                {"name": "x", "context": {"cluster": "c", "user": "u", "namespace": NAMESPACE}}
            ],
            "current-context": "x",
        }
        (self.folder / "kubeconfig").write_text(json.dumps(config))

    # --- what is in it

    def value(self, secret: str, key: str) -> str | None:
        """A value of a Secret."""
        with self._state.lock:
            found = self._state.objects.get(secret, {}).get("data", {}).get(key)
        return None if found is None else base64.b64decode(found).decode()

    def put(self, secret: str, **values: str) -> None:
        """Somebody else changes a Secret, or makes it (`_` in names stands for `-`)."""
        encoded = {
            name.replace("_", "-"): base64.b64encode(value.encode()).decode()
            for name, value in values.items()
        }
        with self._state.lock:
            there = self._state.objects.get(secret) or {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": secret, "namespace": NAMESPACE},
                "data": {},
                "type": "Opaque",
            }
            there["data"] |= encoded
            self._keep(secret, there)

    def object(self, secret: str) -> dict[str, Any]:
        """A whole Secret."""
        with self._state.lock:
            return copy.deepcopy(self._state.objects[secret])

    # --- what it answers

    def answer(self, method: str, path: str, token: str, body: Any) -> tuple[int, Any]:
        """One call."""
        path = path.partition("?")[0]
        if method == "GET" and path in DISCOVERY:
            return 200, DISCOVERY[path]
        name = path.removeprefix(SECRETS).removeprefix("/")
        if not path.startswith(SECRETS):
            raise Refusal(404, "NotFound", f"the server could not find {path}")
        verb = {"GET": "get", "PUT": "update", "POST": "create"}.get(method, method.lower())
        self._allow(token, verb, name)
        if verb != "get" and self.between is not None:
            self.between()
        with self._state.lock:
            return self._act(verb, name, body)

    def _act(self, verb: str, name: str, body: Any) -> tuple[int, Any]:
        objects = self._state.objects
        if verb == "create":
            name = body["metadata"]["name"]
            if name in objects:
                self.conflicts += 1
                raise Refusal(409, "AlreadyExists", f'secrets "{name}" already exists')
            body["metadata"]["namespace"] = NAMESPACE
            return 201, self._keep(name, body)
        if name not in objects:
            raise Refusal(404, "NotFound", f'secrets "{name}" not found')
        if verb == "get":
            return 200, copy.deepcopy(objects[name])
        if verb == "update":
            expected = objects[name]["metadata"]["resourceVersion"]
            if body["metadata"].get("resourceVersion") != expected:
                self.conflicts += 1
                raise Refusal(
                    409,
                    "Conflict",
                    f'Operation cannot be fulfilled on secrets "{name}": the object has been '
                    "modified; please apply your changes to the latest version and try again",
                )
            return 200, self._keep(name, body)
        raise Refusal(405, "MethodNotAllowed", f"{verb} is not for this double")

    def _keep(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        self._state.version += 1
        body["metadata"]["resourceVersion"] = str(self._state.version)
        self._state.objects[name] = body
        return copy.deepcopy(body)

    def _allow(self, token: str, verb: str, name: str) -> None:
        if token == ADMIN:
            return
        if token != POD:
            raise Refusal(401, "Unauthorized", "Unauthorized")
        for rule in self.rules:
            of = rule.get("resourceNames")
            # A rule with names never fits a creation, whose name is not in the address.
            if (
                "" in rule["apiGroups"]
                and "secrets" in rule["resources"]
                and verb in rule["verbs"]
                and (of is None or name in of)
            ):
                return
        raise Refusal(403, "Forbidden", f'secrets "{name}" is forbidden: cannot {verb}')


def _handler(server: Kubernetes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            self.request = server._tls.wrap_socket(self.request, server_side=True)
            super().setup()

        def finish(self) -> None:
            with self.request:
                super().finish()

        def _serve(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            token = self.headers.get("authorization", "").removeprefix("Bearer ")
            try:
                status, answer = server.answer(self.command, self.path, token, body)
            except Refusal as refusal:
                status, answer = refusal.code, refusal.body
            text = json.dumps(answer).encode()
            self.send_response_only(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    return Handler

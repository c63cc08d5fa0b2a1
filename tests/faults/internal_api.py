"""The operator's calls of the sidecar's internal API, straight to it."""

from __future__ import annotations

import http.client
import json
from typing import Any

from harness import client
from harness.sidecar import RealSidecar

TIMEOUT = 3.0


class Operator:
    """Records sessions and revokes them. Each call says whether the sidecar did it."""

    def __init__(self, sidecar: RealSidecar) -> None:
        self._sidecar = sidecar

    def record(self, session_id: str, user_id: str, issuer: str, expires_at: int) -> bool:
        """A session, as the token endpoint would."""
        session = {"user_id": user_id, "issuer": issuer, "expires_at": expires_at}
        return self._call("PUT", f"/v1/sessions/{session_id}", session) in (200, 201)

    def revoke_session(self, session_id: str) -> bool:
        """A session."""
        return self._call("DELETE", f"/v1/sessions/{session_id}") == 204

    def revoke_user(self, user_id: str) -> bool:
        """All of a user's sessions and tokens so far."""
        return self._call("DELETE", f"/v1/sessions?user_id={user_id}") == 200

    def _call(self, method: str, path: str, body: Any = None) -> int:
        sent = b"" if body is None else json.dumps(body).encode()
        fields = [("authorization", f"Bearer {RealSidecar.TOKEN}")]
        if sent:
            fields.append(("content-type", "application/json"))
        try:
            return client.http1(
                self._sidecar.port, method, path, fields, sent, host="localhost", timeout=TIMEOUT
            ).status
        except (OSError, http.client.HTTPException):
            return 0

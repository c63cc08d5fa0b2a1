"""The floods. Each has its bounds beside it; `share` is how much of the whole is sent."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from harness.authserver import AuthServer
from harness.fake_sidecar import FakeSidecar
from harness.stand import session_id
from harness.tokens import b64, claims, key, token
from harness.upstream import Upstream

from .ground import COOLDOWN, VMS, WORKERS, Figures, Ground

MIB = 1024 * 1024
# What a worker may keep of good tokens and sessions, and Envoy of connections (MiB).
ORDINARY = 48.0
CACHE_ENTRY = 4096 / MIB  # of a verified token with its principal
SESSION_ENTRY = 512 / MIB
REVOCATION_ENTRY = 320 / MIB  # two tables while it grows
MOST_REVOCATIONS = 500_000
MOST_SESSIONS = 100_000
TOKEN_CACHE = 10_000
MOST_KEPT = 64.0  # of all bodies in a worker
SIDECAR = 64.0

Attack = Callable[[Path, float], Figures]


def random_key_ids(folder: Path, share: float) -> Figures:
    """Tokens under key ids that nobody has: one fetch a VM and cooldown, whatever comes."""
    _, payload, signature = token().split(".")

    def requests() -> Iterator[bytes]:
        for _ in range(int(20_000 * share)):
            other = b64(json.dumps({"alg": "RS256", "kid": uuid.uuid4().hex}).encode())
            yield _get(f"{other}.{payload}.{signature}")

    with Ground(folder) as ground, ground.measured("random key ids", "keys only") as it:
        ground.send(it, ground.envoy.ports["keys only"], requests())
    it.bound("key fetches", it.calls["provider"], VMS * (it.seconds / COOLDOWN + 2))
    it.bound("memory of envoy", it.grown["envoy"], ORDINARY)
    return _only(it, 401)


def random_issuers(folder: Path, share: float) -> Figures:
    """Tokens of issuers that nobody configured: no fetch at all."""
    header, _, signature = token().split(".")

    def requests() -> Iterator[bytes]:
        for _ in range(int(20_000 * share)):
            payload = claims(iss=f"https://{uuid.uuid4().hex}.example/")
            yield _get(f"{header}.{b64(json.dumps(payload).encode())}.{signature}")

    with Ground(folder) as ground, ground.measured("random issuers", "keys only") as it:
        ground.send(it, ground.envoy.ports["keys only"], requests())
    it.bound("key fetches", it.calls["provider"], 0)
    it.bound("memory of envoy", it.grown["envoy"], ORDINARY)
    return _only(it, 401)


def huge_headers(folder: Path, share: float) -> Figures:
    """Tokens of 16 KiB, of 50 KiB, and 50 KiB of other headers that look like identities."""
    good = token()
    sixteen = token(filler="x" * 11_000)
    shapes = (
        _get(sixteen),
        _get("a" * 50_000),
        _get(good, *(("x-user-id", "mallory" * 10) for _ in range(600))),
    )

    def requests() -> Iterator[bytes]:
        for n in range(int(9_000 * share)):
            yield shapes[n % 3]

    with Ground(folder) as ground, ground.measured("huge headers", "keys only") as it:
        ground.send(it, ground.envoy.ports["keys only"], requests())
    it.bound("key fetches", it.calls["provider"], 0)
    it.bound("memory of envoy", it.grown["envoy"], ORDINARY)
    return _only(it, 200, 400, 431)


def distinct_tokens(folder: Path, share: float) -> Figures:
    """Good tokens, each seen once: the cache of verified tokens stays as large as it may be."""
    with Ground(folder) as ground, ground.measured("distinct good tokens", "keys only") as it:
        ground.send(it, ground.envoy.ports["keys only"], _good(int(100_000 * share)))
    it.bound("key fetches", it.calls["provider"], 0)
    it.bound("memory of envoy", it.grown["envoy"], ORDINARY + WORKERS * TOKEN_CACHE * CACHE_ENTRY)
    return _only(it, 200)


def unknown_sessions(folder: Path, share: float) -> Figures:
    """The same where a session is required that none of them has: one lookup for each."""
    with Ground(folder) as ground, ground.measured("tokens without a session", "required") as it:
        ground.send(it, ground.envoy.ports["required"], _good(int(100_000 * share)))
    feed = WORKERS * VMS * (it.seconds + 3) * 2
    it.bound("calls of the sidecar", it.calls["sidecar"], it.sent + feed + it.honest)
    most = WORKERS * (TOKEN_CACHE * CACHE_ENTRY + MOST_SESSIONS * SESSION_ENTRY)
    it.bound("memory of envoy", it.grown["envoy"], ORDINARY + most)
    it.bound("memory of the sidecar", it.grown["sidecar"], SIDECAR)
    return _only(it, 401)


def sightings(folder: Path, share: float) -> Figures:
    """The same where sessions are observed: one report for each worker and session."""
    with Ground(folder) as ground, ground.measured("tokens to be observed", "observe") as it:
        ground.send(it, ground.envoy.ports["observe"], _good(int(20_000 * share)))
    feed = WORKERS * VMS * (it.seconds + 3) * 2
    it.bound("calls of the sidecar", it.calls["sidecar"], it.sent + feed + it.honest)
    most = WORKERS * (TOKEN_CACHE * CACHE_ENTRY + MOST_SESSIONS * SESSION_ENTRY)
    it.bound("memory of envoy", it.grown["envoy"], ORDINARY + most)
    it.bound("memory of the sidecar", it.grown["sidecar"], SIDECAR)
    return _only(it, 200)


def slow_bodies(folder: Path, share: float) -> Figures:
    """Bodies that a rule has to see, a byte a second, on thousands of connections."""
    head = _head("POST", token(), ("content-type", "application/json"), ("content-length", "4000"))
    count, seconds = int(4_000 * share), 2 + 18 * share
    with Ground(folder) as ground, ground.measured("slow bodies", "calls") as it:
        drip = _drip(it, ground.envoy.ports["calls"], head, b'{"', count, seconds)
        ground.loop.run(drip)
    it.bound("memory of envoy", it.grown["envoy"], ORDINARY + count * 64 * 1024 / MIB)
    return it


def fat_bodies(folder: Path, share: float) -> Figures:
    """Bodies of a megabyte that never end, of which a careful reader has to keep the most."""
    count = int(400 * share)
    members = ",".join(f'"{n:x}":0' for n in range(65_000))
    body = ('{"jsonrpc":"2.0","params":{' + members).encode()
    fields = (("content-type", "application/json"), ("content-length", str(MIB)))
    head = _head("POST", token(), *fields)
    with Ground(folder) as ground, ground.measured("fat bodies that never end", "calls") as it:
        ground.loop.run(_drip(it, ground.envoy.ports["calls"], head, body, count, 2 + 8 * share))
    # Envoy has the bodies in its own buffers; what the readers keep of them is bounded.
    it.bound("bodies held", it.statuses["held"], WORKERS * (MOST_KEPT / 0.5 + 1))
    kept = min(count * 0.5, WORKERS * MOST_KEPT)
    it.bound("memory of envoy", it.grown["envoy"], ORDINARY + count * 1.0 + kept)
    return it


def registrations(folder: Path, share: float) -> Figures:
    """Registrations of one address: as many as are allowed in a minute, the others are refused."""
    body = json.dumps({"redirect_uris": ["https://app.example.com/" + "c" * 1000]}).encode()
    fields = (("content-type", "application/json"), ("content-length", str(len(body))))
    request = _head("POST", None, *fields, path="/register") + body
    with (
        Upstream(folder) as upstream,
        AuthServer(
            folder, upstream, "https://auth.example.com", MCP_REGISTRATIONS_PER_MINUTE="60"
        ) as server,
        Ground(folder / "ground", routes={"/register": server.port}) as ground,
    ):
        ground.pids["mcp-auth"] = lambda: server.pid
        with ground.measured("registrations", "registration") as it:
            many = itertools.repeat(request, int(20_000 * share))
            ground.send(it, ground.envoy.ports["registration"], many)
    it.bound("registrations", it.statuses[201], 60 * (1 + it.seconds / 60) + 1)
    it.bound("memory of mcp-auth", it.grown["mcp-auth"], SIDECAR)
    return _only(it, 201, 429)


def revocation_feed(folder: Path, share: float) -> Figures:
    """A feed with more entries than a worker holds. The sidecar is a stand-in: the real one would
    take hours to revoke so many.
    """
    sidecar = FakeSidecar()
    count = int(MOST_REVOCATIONS * 1.2 * share)
    held = min(count, MOST_REVOCATIONS)
    with (
        Ground(folder, sidecar=sidecar) as ground,
        ground.measured("revocation feed", "required") as it,
    ):
        for n in range(count):
            sidecar.revoke(session_id=session_id(str(n)))
        end = time.monotonic() + 120
        while (entries := ground.envoy.stats()["revocation.entries"]) < held - 1000:
            assert time.monotonic() < end, f"{entries} entries were read, not {held}"
            time.sleep(0.2)
        time.sleep(2)
        it.sent, entries = count, ground.envoy.stats()["revocation.entries"]
    it.bound("entries", entries, MOST_REVOCATIONS)
    listeners = 2  # those with sessions; each has a memory of its own in each VM
    most = listeners * VMS * min(count, MOST_REVOCATIONS) * REVOCATION_ENTRY
    it.bound("memory of envoy", it.grown["envoy"], ORDINARY + most)
    return it


ATTACKS: tuple[Attack, ...] = (
    random_key_ids,
    random_issuers,
    huge_headers,
    distinct_tokens,
    unknown_sessions,
    sightings,
    slow_bodies,
    fat_bodies,
    registrations,
    revocation_feed,
)


def _good(count: int) -> Iterator[bytes]:
    signer = key("ES256")
    for n in range(count):
        yield _get(token(signer, "ES256", jti=f"{n}-{uuid.uuid4().hex}"))


def _head(method: str, bearer: str | None, *fields: tuple[str, str], path: str = "/mcp") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: gateway.test"]
    if bearer:
        lines.append(f"authorization: Bearer {bearer}")
    lines += [f"{name}: {value}" for name, value in fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _get(bearer: str, *fields: tuple[str, str]) -> bytes:
    return _head("GET", bearer, *fields)


def _only(it: Figures, *statuses: int) -> Figures:
    """Nothing else may be answered."""
    others = {status: n for status, n in it.statuses.items() if status not in statuses}
    if others:
        it.breaches.append(f"unexpected answers: {others}")
    return it


async def _drip(
    it: Figures, port: int, head: bytes, first: bytes, count: int, seconds: float
) -> None:
    """Opens so many connections, sends head and first bytes on each, then a space a second."""

    async def one() -> asyncio.StreamWriter | None:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head + first)
            return writer
        return None

    writers = []
    for _ in range(count):
        writers.append(await one())
        it.sent += 1
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for writer in writers:
            if writer is not None and not writer.is_closing():
                with suppress(OSError):
                    writer.write(b" ")
        await asyncio.sleep(1)
    for writer in writers:
        it.statuses["held" if writer and not writer.is_closing() else "closed"] += 1
        if writer is not None:
            writer.transport.abort()

"""Callers: they ask on and on, each request on a connection that some others used before."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from contextlib import suppress

from .model import Answer, Policy, Readable, Token

GIVES_UP = 8.0  # seconds
PROBED_EVERY = 0.05
REQUESTS_A_CONNECTION = 20  # then a new one, which may be another worker's
IDENTITY = "x-user-id"


class Caller:
    """Asks the listeners on `ports` until stopped; a coroutine."""

    def __init__(
        self,
        ports: dict[Policy, int],
        pick: Callable[[Policy], Token],
        answers: list[Answer],
        chance: random.Random,
        pause: float,
    ) -> None:
        self._ports, self._pick, self._answers = ports, pick, answers
        self._chance, self._pause = chance, pause
        self._connections: dict[Policy, tuple[int, asyncio.StreamReader, asyncio.StreamWriter]] = {}

    async def ask_on_and_on(self) -> None:
        """Until cancelled."""
        try:
            while True:
                policy = self._chance.choice(list(self._ports))
                token = self._pick(policy)
                sent = time.monotonic()
                status, user_id = await self._ask(policy, token)
                self._answers.append(Answer(policy, token, sent, time.monotonic(), status, user_id))
                await asyncio.sleep(self._pause * self._chance.random() * 2)
        finally:
            for _, _, writer in self._connections.values():
                writer.close()

    async def _ask(self, policy: Policy, token: Token) -> tuple[int, str | None]:
        left, reader, writer = self._connections.pop(policy, (0, None, None))
        try:
            async with asyncio.timeout(GIVES_UP):
                if writer is None:
                    left = REQUESTS_A_CONNECTION
                    reader, writer = await asyncio.open_connection("127.0.0.1", self._ports[policy])
                writer.write(
                    f"GET /mcp HTTP/1.1\r\nhost: gateway.test\r\n"
                    f"authorization: Bearer {token.text}\r\n\r\n".encode()
                )
                status, body = await read(reader)
        except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError):
            if writer is not None:
                writer.close()
            return 0, None
        except asyncio.CancelledError:
            if writer is not None:
                writer.transport.abort()
            raise
        if left > 1:
            self._connections[policy] = (left - 1, reader, writer)
        else:
            writer.close()
        return status, identity(body) if status == 200 else None


class Probe:
    """Asks for something in the product's own way, on and on, and writes down how that went."""

    def __init__(self, port: int, path: str, token: str, expected: str, told: Readable) -> None:
        """`expected` is a member that only a right answer has."""
        self._port, self._expected, self._told = port, expected, told
        self._request = (
            f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
            f"authorization: Bearer {token}\r\n\r\n"
        ).encode()
        self.ok_since = 0.0  # when the first of the successes in a row was answered; 0: it failed
        self.ok_sent = 0.0  # when the newest success was asked for

    async def ask_on_and_on(self) -> None:
        """Until cancelled."""
        while True:
            sent = time.monotonic()
            ok = await self._ask()
            answered = time.monotonic()
            self._told.probed(sent, answered, ok)
            self.ok_since = (self.ok_since or answered) if ok else 0.0
            self.ok_sent = sent if ok else 0.0
            await asyncio.sleep(PROBED_EVERY)

    async def _ask(self) -> bool:
        writer = None
        try:
            async with asyncio.timeout(1.0):
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.write(self._request)
                status, body = await read(reader)
                # Whatever else is a page, or means nothing.
                return status == 200 and self._expected in json.loads(body)
        except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError, TypeError):
            return False
        finally:
            if writer is not None:
                with suppress(OSError):
                    writer.close()


async def read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of an answer that tells its length."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as e:
        raise ValueError("a head without end") from e
    lines = head.split(b"\r\n")
    status = int(lines[0].split()[1])
    length = 0
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
        elif name.lower() == b"transfer-encoding":
            return status, await _chunks(reader)
    return status, await reader.readexactly(length)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        size = int(await reader.readuntil(b"\r\n"), 16)
        body += (await reader.readexactly(size + 2))[:-2]
        if size == 0:
            return body


def identity(body: bytes) -> str | None:
    """Who the backend was told it is, from its echo; several count as nobody."""
    told = [value for name, value in json.loads(body)["fields"] if name == IDENTITY]
    return told[0] if len(told) == 1 else None

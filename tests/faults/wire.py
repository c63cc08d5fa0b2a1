"""The wires between gateway, sidecar, Redis and provider: TCP proxies that can be made to fail."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

Answer = Callable[[bytes], bytes]  # what becomes of what the server sent


class Loop:
    """An event loop on a thread of its own; a context manager."""

    def __enter__(self) -> Loop:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Its result, waited for on this thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    @contextmanager
    def busy(self, works: list[Callable[[], Coroutine[Any, Any, Any]]]) -> Iterator[list]:
        """These run meanwhile, without end. What ended one of them all the same is in the list."""
        tasks: list[asyncio.Task] = []
        ended: list[BaseException | None] = []

        async def begin() -> None:
            tasks.extend(asyncio.create_task(work()) for work in works)

        async def end() -> None:
            ended.extend(task.exception() for task in tasks if task.done())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.run(begin())
        try:
            yield ended
        finally:
            self.run(end())

    async def _cancel_all(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0.05)  # what was closed is gone before the loop is


class Wire:
    """Passes on what comes to `port` to the server on `upstream`, and its answers back."""

    def __init__(self, loop: Loop, upstream: int = 0) -> None:
        self.upstream = upstream
        self.port = 0
        self._loop = loop
        self._delay = 0.0
        self._garbage: Answer | None = None
        self._silent = 0.0
        self._chance = random.Random()
        self._open: set[asyncio.StreamWriter] = set()
        loop.run(self._listen())

    def heal(self) -> None:
        """Works again, as before."""
        self._delay, self._garbage, self._silent = 0.0, None, 0.0
        if self._server is None:
            self._loop.run(self._listen())

    def slow(self, seconds: float) -> None:
        """Answers arrive so much later."""
        self._delay = seconds

    def garbage(self, answer: Answer) -> None:
        """Answers are replaced by what this makes of them, and the connection ends."""
        self._garbage = answer

    def lose_answers(self, share: float) -> None:
        """So many of the answers never arrive, nor does what comes after them on that connection:
        TCP keeps the order.
        """
        self._silent = share

    def refuse(self) -> None:
        """Cuts all connections and takes no new one."""
        self._loop.run(self._refuse())

    def close(self) -> None:
        """Ends it."""
        if self._server is not None:
            self.refuse()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _refuse(self) -> None:
        self._server.close()
        self._server = None
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            to, out = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, out}
        self._open |= ends
        try:
            there = asyncio.create_task(_copy(reader, out))
            back = asyncio.create_task(self._back(to, writer))
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
            for task in (there, back):
                task.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
        finally:
            self._open -= ends
            for end in ends:
                end.close()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_silent = False
        with suppress(OSError):
            while chunk := await reader.read(65536):
                is_silent = is_silent or self._chance.random() < self._silent
                if is_silent:
                    continue
                if self._delay:
                    await asyncio.sleep(self._delay)
                if self._garbage is not None:
                    writer.write(self._garbage(chunk))
                    await writer.drain()
                    return
                writer.write(chunk)
                await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()

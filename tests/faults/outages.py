"""What can go wrong with each part, and how it is brought about."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from . import packets
from .wire import Wire

# What a server says that has lost its mind, or a network that wants a login first.
PAGE = b"<html><body>Please log in to the network.</body></html>"
BODIES = (PAGE, b"{}", b"[]", b"null", b'{"keys": [', b"\x00\xff" * 40, b"")
FAR_TOO_SLOW, SLOW = 3.0, 0.3


@dataclass(frozen=True)
class Part:
    """A server, and the wire by which others reach it."""

    name: str
    process: Any  # kill, open, stall, resume
    wire: Wire
    http: bool
    feed: bool  # the revocation feed needs it


@dataclass(frozen=True)
class Outage:
    """Something that goes wrong with a part; `cuts` where nothing can be read through it."""

    part: Part
    name: str
    cuts: bool
    bring: Callable[[Part, random.Random], Any]

    def __str__(self) -> str:
        return f"{self.part.name} {self.name}"

    @contextmanager
    def lasting(self, chance: random.Random) -> Iterator[None]:
        """While this lasts, it is so."""
        with contextmanager(self.bring)(self.part, chance):
            yield


def outages(parts: list[Part], with_packets: bool) -> list[Outage]:
    """All that can go wrong with all of them."""
    kinds = [
        ("killed", True, _killed),
        ("stopped", True, _stopped),
        ("far too slow", True, _far_too_slow),
        ("slow", False, _slow),
        ("answers garbage", True, _garbage),
        ("refuses connections", True, _refuses),
        ("loses half of its answers", False, _loses_answers),
    ]
    if with_packets:
        kinds.append(("loses half of the packets", False, _loses_packets))
    return [
        Outage(part, name, cuts and part.feed, bring)
        for part in parts
        for name, cuts, bring in kinds
    ]


def _killed(part: Part, _: random.Random) -> Iterator[None]:
    part.process.kill()
    yield
    part.process.open()


def _stopped(part: Part, _: random.Random) -> Iterator[None]:
    part.process.stall()
    yield
    part.process.resume()


def _far_too_slow(part: Part, _: random.Random) -> Iterator[None]:
    part.wire.slow(FAR_TOO_SLOW)
    yield
    part.wire.heal()


def _slow(part: Part, _: random.Random) -> Iterator[None]:
    part.wire.slow(SLOW)
    yield
    part.wire.heal()


def _garbage(part: Part, chance: random.Random) -> Iterator[None]:
    """Half of the time what is no protocol at all; else, of HTTP, answers that mean nothing."""
    dice = random.Random(chance.random())

    def answer(_: bytes) -> bytes:
        body = dice.choice(BODIES)
        if not part.http or dice.random() < 0.5:
            return PAGE + dice.randbytes(dice.randrange(200))
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        return head.encode() + b"\r\n\r\n" + body

    part.wire.garbage(answer)
    yield
    part.wire.heal()


def _refuses(part: Part, _: random.Random) -> Iterator[None]:
    part.wire.refuse()
    yield
    part.wire.heal()


def _loses_answers(part: Part, _: random.Random) -> Iterator[None]:
    part.wire.lose_answers(0.5)
    yield
    part.wire.heal()


def _loses_packets(part: Part, _: random.Random) -> Iterator[None]:
    with packets.lost(part.wire.port, 0.5):
        yield

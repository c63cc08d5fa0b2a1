"""`python -m faults`: the long run. Exit code 0 if nothing was wrong, 1 if something was."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from . import packets
from .logins import LoginWorld
from .model import PROMPT, Answer
from .outages import Outage
from .world import LONGEST, POLICIES, SHORTEST, World

# What the memory of a part may grow by between the second quarter of the time and the last: caches
# fill, and revocations are kept.
GROWTH, ROOM = 1.25, 32.0


def main() -> int:
    """Runs it in a network namespace of its own if there can be one."""
    arguments = _arguments()
    if packets.INSIDE not in os.environ and not arguments.here:
        command = packets.namespace([sys.executable, "-m", "faults", *sys.argv[1:]])
        if command is not None:
            os.execvpe(command[0], command, os.environ | {packets.INSIDE: "1"})
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        run = _run_logins if arguments.logins else _run
        return run(arguments, Path(folder))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20, help="how long (default: 20)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (default: 1)")
    parser.add_argument("--tokens", type=int, default=2000, help="at a time (default: 2000)")
    parser.add_argument("--callers", type=int, default=24, help="at a time (default: 24)")
    parser.add_argument("--pause", type=float, default=0.04, help="of a caller, s (default: 0.04)")
    parser.add_argument("--logins", action="store_true", help="logins and refreshes instead")
    parser.add_argument("--plot", type=Path, help="where the picture of the memory goes (SVG)")
    parser.add_argument("--here", action="store_true", help="in no namespace: lose no packets")
    return parser.parse_args()


def _run_logins(arguments: argparse.Namespace, folder: Path) -> int:
    with LoginWorld(folder, arguments.seed, arguments.callers) as world:
        end = time.monotonic() + arguments.minutes * 60
        every, faults = world.outages(), 0

        def in_time() -> Iterator[Outage]:
            nonlocal faults
            while time.monotonic() < end:
                for fault in world.chance.sample(every, len(every)):
                    if time.monotonic() < end:
                        faults += 1
                        yield fault

        world.run(in_time(), lambda: world.chance.uniform(SHORTEST, LONGEST), say)
    print(f"{faults} faults in {arguments.minutes:g} minutes, seed {arguments.seed}")
    for what, count in sorted(world.count.items()):
        print(f"{count:8} {what}")
    print(f"{world.wrongs.total():8} wrong")
    for what, count in world.wrongs.most_common(20):
        print(f"WRONG {count} times: {what}")
    return 1 if world.wrongs else 0


def _run(arguments: argparse.Namespace, folder: Path) -> int:
    why_not = packets.why_not()
    say(f"packets are lost by the kernel: {'yes' if why_not is None else f'no, {why_not}'}")
    say(f"{arguments.tokens} tokens are made and their sessions recorded")
    with World(
        folder, arguments.seed, arguments.tokens, arguments.callers, arguments.pause
    ) as world:
        say(f"they are there: {world.people.count()}")
        with world.busy():
            began = time.monotonic()
            world.run(arguments.minutes * 60, world.outages(), say)
            minutes = (time.monotonic() - began) / 60
        say("the answers are judged")
        world.broken += grown(world)
        wrong = world.wrong()
        for line in summary(world, wrong, minutes):
            print(line)
        if arguments.plot:
            spans = [(began, ended) for _, began, ended, _ in world.spans]
            title = f"Resident memory during {minutes:.0f} minutes of faults (shaded)"
            world.memory.plot(arguments.plot, title, spans)
    return 1 if wrong or world.broken else 0


def grown(world: World) -> list[str]:
    """Whose memory did not level off."""
    return [
        f"memory of {name}: {late:.0f} MiB in the last quarter, {early:.0f} in the second"
        for name in world.memory.samples
        for early, late in [world.memory.settled(name)]
        if late > GROWTH * early + ROOM
    ]


def summary(world: World, wrong: Counter, minutes: float):
    """The figures, a line each."""
    kinds = Counter(kind for (kind, _), n in wrong.items() for _ in range(n))
    answers = world.answers
    yield f"machine: {os.cpu_count()} cores, {platform.system()} {platform.release()}"
    yield f"minutes: {minutes:.1f}; faults: {len(world.spans)}; answers judged: {len(answers)}"
    tried = len({it.token.text for it in answers})
    yield f"tokens tried: {tried}; at the end there are {world.people.count()}"
    yield f"revoked: {len(world.history.revoked)}; keys withdrawn: {len(world.history.withdrawn)}"
    yield (
        f"wrong allows: {kinds['allow']}; wrong denies: {kinds['deny']}; hung: {kinds['hung']}; "
        f"unexpected answers: {kinds['odd']}; crashes and what did not recover: {len(world.broken)}"
    )
    for (kind, sentence), n in wrong.items():
        yield f"  {kind}: {sentence}: {n}; the first: {told(world, world.examples[kind, sentence])}"
    yield f"times that the gateway itself stood still for {PROMPT} s: {len(world.history.stalls)}"
    for line in world.broken:
        yield f"  broken: {line}"
    for name in world.memory.samples:
        early, late = world.memory.settled(name)
        yield (
            f"memory of {name}: {world.memory.first(name):.0f} MiB at first, median "
            f"{early:.0f} in the second quarter and {late:.0f} in the last, "
            f"{world.memory.most(name):.0f} at most"
        )
    yield ""
    yield "| during | answers | let in | of them in a documented window | 401 | 503 | slowest |"
    yield "|---|---|---|---|---|---|---|"
    for name, some in world.by_fault().items():
        yield f"| {name} | {_row(world, some)} |"
    yield ""
    yield "| policy | answers | let in | of them in a documented window | 401 | 503 | slowest |"
    yield "|---|---|---|---|---|---|---|"
    for policy in POLICIES:
        yield f"| {policy.name} | {_row(world, [a for a in answers if a.policy == policy])} |"


def told(world: World, it: Answer) -> str:
    """An answer, without its token, and when it was in the run."""
    during = next((str(o) for o, began, ended, _ in world.spans if began < it.sent < ended), "-")
    return (
        f"{it.policy.name}; {it.token.login} with key {it.token.kid}; sent {it.sent:.2f}, answered "
        f"{it.answered:.2f} with {it.status}; during: {during}"
    )


def _row(world: World, some: list[Answer]) -> str:
    count = Counter(it.status for it in some)
    stale = sum(world.history.is_late(it) for it in some)
    slowest = max((it.answered - it.sent for it in some), default=0)
    return f"{len(some)} | {count[200]} | {stale} | {count[401]} | {count[503]} | {slowest:.2f} s"


def say(line: str) -> None:
    """Progress."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

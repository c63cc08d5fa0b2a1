"""Who was allowed at what time, held against what was answered. All times are of one clock.

The feed counts as readable where somebody else reads it, so what is judged is the filter and not
the machine. Where a moment is in doubt, either answer passes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

BUSY = 0.5  # for a busy machine
BITES_WITHIN = 1 + 0.25 + BUSY  # a revocation at `revocations: 1s`: the interval and one call
HANGS_AFTER = 1.5  # beyond the timeout


@dataclass(frozen=True)
class Policy:
    """How a listener was configured: seconds, or None where it has no such thing."""

    timeout: float
    cache: float | None  # None: sessions are observed
    denies_after: float | None  # without the feed; None: it allows


@dataclass(frozen=True)
class Asked:
    """A request and its answer; status 0: none came."""

    policy: Policy
    login: str
    sent: float
    answered: float
    status: int


@dataclass
class Revocation:
    """When it was first asked for, and when the sidecar said that it was done."""

    began: float
    done: float | None = None


@dataclass(frozen=True)
class Probe:
    """An attempt to read the feed."""

    sent: float
    answered: float
    ok: bool


@dataclass
class History:
    """What happened: who had a session from the start, who lost it, when the feed could be read."""

    known: set[str]
    revocations: dict[str, Revocation] = field(default_factory=dict)
    probes: list[Probe] = field(default_factory=list)

    def faults(self, answers: Iterable[Asked]) -> list[str]:
        """What is wrong with the answers, each in a sentence."""
        readable, cut = self._runs(True), self._runs(False)
        return [
            f"{fault}: {asked}"
            for asked in answers
            if (fault := self._fault(asked, readable, cut)) is not None
        ]

    def is_stale(self, asked: Asked) -> bool:
        """Whether somebody was let in who had been revoked before."""
        revocation = self.revocations.get(asked.login)
        done = revocation and revocation.done
        return asked.status == 200 and done is not None and asked.sent > done

    def _fault(self, asked: Asked, readable: list, cut: list) -> str | None:
        if asked.status == 0 or asked.answered - asked.sent > asked.policy.timeout + HANGS_AFTER:
            return "not answered in time"
        match asked.status:
            case 200:
                return self._wrongly_allowed(asked, readable, cut)
            case 401:
                return self._wrongly_refused(asked)
            case 503:
                return self._wrongly_unavailable(asked, readable)
            case _:
                return "an answer that nobody expects"

    def _wrongly_allowed(self, asked: Asked, readable: list, cut: list) -> str | None:
        policy, revocation = asked.policy, self.revocations.get(asked.login)
        if policy.cache is not None and asked.login not in self.known:
            return "let in without a session"
        if policy.denies_after is not None and any(
            asked.sent > start.answered + policy.denies_after + BUSY and asked.answered < end.sent
            for start, end in cut
        ):
            return "let in although the feed was lost"
        if revocation is None or revocation.done is None:
            return None
        if any(
            asked.sent > max(revocation.done, start.answered) + BITES_WITHIN
            and end.sent >= max(revocation.done, start.answered) + BITES_WITHIN
            for start, end in readable
        ):
            return "let in although the revocation could be read"
        if policy.cache is not None and (
            asked.sent > revocation.done + policy.cache + policy.timeout + BUSY
        ):
            return "let in by an answer older than the cache allows"
        return None

    def _wrongly_refused(self, asked: Asked) -> str | None:
        revocation = self.revocations.get(asked.login)
        if asked.login not in self.known:
            return None if asked.policy.cache is not None else "refused, and nobody revoked it"
        is_live = revocation is None or asked.answered < revocation.began
        return "refused, and nobody revoked it" if is_live else None

    def _wrongly_unavailable(self, asked: Asked, readable: list) -> str | None:
        if asked.policy.cache is None and asked.policy.denies_after is None:
            return "unavailable, and needs nothing that could be"
        is_calm = any(
            asked.sent > start.answered + BITES_WITHIN and asked.answered < end.sent
            for start, end in readable
        )
        return "unavailable, and all was up" if is_calm else None

    def _runs(self, ok: bool) -> list[tuple[Probe, Probe]]:
        """The first and the last of the probes in a row that went well, or did not."""
        runs: list[tuple[Probe, Probe]] = []
        before = None
        for probe in self.probes:
            if probe.ok == ok and before is not None and before.ok == ok:
                runs[-1] = (runs[-1][0], probe)
            elif probe.ok == ok:
                runs.append((probe, probe))
            before = probe
        return runs

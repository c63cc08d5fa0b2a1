"""Who was allowed at what time. Nothing of the product is used, only its documented promises.

All times are seconds of one clock. An event is known by two times: it may have happened from
`began` on, and surely had when `done`. What can be read is known by probes that go the product's
own way. Where the moment is in doubt, either answer passes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

FOREVER = float("inf")
LATE = 0.75  # how far behind a busy machine may be
PROMPT = 0.25  # a call that is answered within this counts as one that works

# The promises, as the stand configures them.
LEEWAY = 1.0  # clock skew that is allowed on `exp`
REFRESH = 5.0  # how often key sets are read; a failed read is tried again as soon as this
KEYS_TIMEOUT = 1.0
FEED_EVERY = 1.0  # how often the revocation feed is read
FEED_TIMEOUT = 1.0
HANGS_AFTER = 1.5  # beyond the time that the calls of a request may take

KEYS_KNOWN = (
    REFRESH + PROMPT + LATE
)  # a change of the keys is known when they could be read so long
BITES = FEED_EVERY + PROMPT + LATE  # and a revocation when the feed could be


@dataclass(frozen=True)
class Policy:
    """What a listener is told of sessions."""

    name: str
    session: str = "off"  # off | observe | required
    timeout: float = 0.0  # of a call to the sidecar
    cache: float = 0.0  # how long a session that was looked up is trusted
    denies_after: float | None = None  # without the feed; None: it allows


@dataclass(frozen=True)
class Token:
    """A token and the truth about it."""

    text: str
    user_id: str
    login: str
    kid: str
    genuine: bool  # the provider made it for this user
    expires: float


@dataclass
class Event:
    """Something that happened between two times, or, without `done`, perhaps."""

    began: float
    done: float = FOREVER


@dataclass(frozen=True, slots=True)
class Answer:
    """A request and what it got; status 0: no answer. `user_id` is whom the server was told of."""

    policy: Policy
    token: Token
    sent: float
    answered: float
    status: int
    user_id: str | None = None


@dataclass
class Readable:
    """When something could be read: the stretches in which each probe was answered promptly."""

    spans: list[tuple[float, float]] = field(default_factory=list)  # first answer, last question
    last: float = FOREVER  # when the newest successful probe of the stretch now was sent

    def probed(self, sent: float, answered: float, ok: bool) -> None:
        """Takes the next probe."""
        if not ok or answered - sent > PROMPT:
            self.last = FOREVER
        elif self.last == FOREVER:
            self.spans.append((answered, sent))
            self.last = sent
        else:
            self.spans[-1] = (self.spans[-1][0], sent)
            self.last = sent

    def for_(self, window: float, since: float, until: float) -> bool:
        """Whether it surely was for `window` in a row, between `since` and `until`."""
        at = bisect_right(self.spans, (until, FOREVER)) - 1
        while at >= 0:
            start, end = self.spans[at]
            if min(end, until) - max(start, since) >= window:
                return True
            if start < since:
                return False
            at -= 1
        return False


@dataclass
class History:
    """What happened."""

    sessions: dict[str, Event] = field(default_factory=dict)  # logins: recorded at the sidecar
    revoked: dict[str, Event] = field(default_factory=dict)  # logins
    published: dict[str, Event] = field(default_factory=dict)  # keys, by `kid`
    withdrawn: dict[str, Event] = field(default_factory=dict)  # keys
    feed: Readable = field(default_factory=Readable)
    keys: Readable = field(default_factory=Readable)
    cuts: list[tuple[float, float]] = field(default_factory=list)  # the feed was surely unreadable
    stalls: list[tuple[float, float]] = field(default_factory=list)  # the gateway stood still

    def verdicts(self, answers: list[Answer]) -> Iterator[tuple[str, str, Answer]]:
        """What is wrong: the kind (`allow`, `deny`, `hung`, `odd`), a sentence, the answer."""
        self.stalls = sorted((it.sent, it.answered) for it in answers if self._shows_stall(it))
        for it in answers:
            if (found := self.verdict(it)) is not None:
                yield (*found, it)

    def verdict(self, it: Answer) -> tuple[str, str] | None:
        """What is wrong with an answer, if anything."""
        if it.status == 0 or it.answered - it.sent > KEYS_TIMEOUT + it.policy.timeout + HANGS_AFTER:
            return "hung", "not answered in time"
        why = {200: self._no, 401: self._yes, 503: self._ready}.get(it.status)
        if why is None:
            return "odd", "an answer that nobody expects"
        sentence = why(it)
        return sentence and ("allow" if it.status == 200 else "deny", sentence)

    def is_late(self, it: Answer) -> bool:
        """Whether it was let in although somebody knew better, be it in a window or not."""
        token = it.token
        gone, revoked = self.withdrawn.get(token.kid), self.revoked.get(token.login)
        return it.status == 200 and (
            it.sent > token.expires
            or (gone is not None and it.sent > gone.done)
            or (it.policy.session != "off" and revoked is not None and it.sent > revoked.done)
        )

    def _no(self, it: Answer) -> str | None:
        """Why it had to be refused."""
        token, policy = it.token, it.policy
        if not token.genuine:
            return "a forgery was let in"
        if it.user_id != token.user_id:
            return "let in as somebody else"
        if it.sent > token.expires + LEEWAY + LATE:
            return "let in although it had expired"
        gone = self.withdrawn.get(token.kid)
        if gone and self.keys.for_(KEYS_KNOWN, gone.done, it.sent):
            return "let in although its key was withdrawn and that could be read"
        if policy.session == "off":
            return None
        if policy.session == "required" and token.login not in self.sessions:
            return "let in without a session"
        lost = policy.denies_after
        if lost is not None and self._is_cut_for(FEED_TIMEOUT + lost + LATE, it):
            return "let in although the feed was lost"
        revoked = self.revoked.get(token.login)
        if revoked is None:
            return None
        if self.feed.for_(BITES, revoked.done, it.sent):
            return "let in although its revocation could be read"
        oldest = revoked.done + policy.cache + policy.timeout + LATE
        if policy.session == "required" and it.sent > oldest:
            return "let in by a lookup older than the cache allows"
        return None

    def _yes(self, it: Answer) -> str | None:
        """Why it had to be let in."""
        token, policy = it.token, it.policy
        if not token.genuine or it.answered >= token.expires - LATE:
            return None
        gone, new = self.withdrawn.get(token.kid), self.published.get(token.kid)
        if gone and gone.began <= it.answered:
            return None
        if new and not self.keys.for_(KEYS_KNOWN, new.done, it.sent):
            return None
        if policy.session != "off":
            revoked, session = self.revoked.get(token.login), self.sessions.get(token.login)
            if revoked and revoked.began <= it.answered:
                return None
            if policy.session == "required" and not (session and session.done + 1 < it.sent):
                return None
        return "refused, and it was good"

    def _ready(self, it: Answer) -> str | None:
        """Why the answer could be known."""
        if it.policy.session == "off" or (
            it.policy.session == "observe" and it.policy.denies_after is None
        ):
            return "unavailable, and it needs nothing that could be"
        took = it.answered - it.sent
        if self.feed.for_(BITES + took, it.sent - BITES, it.answered) and not self._stalled(it):
            return "unavailable, and all was up"
        return None

    def _shows_stall(self, it: Answer) -> bool:
        """Whether it needed no call and took long all the same: the gateway itself stood still."""
        new = self.published.get(it.token.kid)
        needs_none = it.policy.session != "required" and it.status == 200
        is_known = new is not None and self.keys.for_(KEYS_KNOWN, new.done, it.sent)
        return needs_none and it.answered - it.sent > PROMPT and is_known

    def _stalled(self, it: Answer) -> bool:
        """Whether the gateway stood still meanwhile: then a call may have timed out unread."""
        return any(sent < it.answered and it.sent < answered for sent, answered in self.stalls)

    def _is_cut_for(self, window: float, it: Answer) -> bool:
        return any(start + window < it.sent and it.answered < end for start, end in self.cuts)

"""Who asks: logins with their tokens, good and bad. What is true of each is written down as it is
brought about.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections import deque

from harness.sidecar import RealSidecar
from harness.stand import session_id
from harness.tokens import RESOURCE, b64, tampered, unb64

from .internal_api import Operator
from .model import FOREVER, Event, History, Token
from .provider import Provider

# Shares of the people; the others have good tokens.
EXPIRING, STRANGERS, FORGED, WITHDRAWN = 0.1, 0.05, 0.1, 0.1
UNSIGNED = b64(b'{"alg":"none","typ":"JWT"}')
LIFETIME = 7200
SOONEST, LATEST = 5, 60  # seconds until the tokens expire that do so soon


class People:
    """Everybody: `pick` chooses who asks next, `tend` sees to it that there are enough of them."""

    def __init__(
        self, size: int, provider: Provider, sidecar: RealSidecar, history: History, seed: int
    ) -> None:
        self._provider = provider
        self._operator = Operator(sidecar)
        self._history = history
        self._chance = random.Random(seed)
        self._offset = time.time() - time.monotonic()
        self._count = 0
        special = {
            "expiring": int(size * EXPIRING),
            "stranger": int(size * STRANGERS),
            "forged": int(size * FORGED),
            "withdrawn": int(size * WITHDRAWN),
        }
        self._wanted = {"live": size - sum(special.values())} | special
        self.groups: dict[str, list[Token]] = {name: [] for name in self._wanted}
        self._revoked: deque[Token] = deque(maxlen=size // 10)
        self._expired: deque[Token] = deque(maxlen=size // 10)
        self._fresh: deque[Token] = deque(maxlen=24)  # revoked a moment ago: the likeliest mistake

    def count(self) -> dict[str, int]:
        """How many tokens of each kind there are now."""
        kinds = {name: len(group) for name, group in self.groups.items()}
        return kinds | {"revoked": len(self._revoked), "expired": len(self._expired)}

    def pick(self, chance: random.Random) -> tuple[str, Token]:
        """Somebody, and of which kind; those who should not get in come the more often."""
        groups = self.groups
        kind = chance.choices(
            ("live", "expiring", "stranger", "forged", "withdrawn", "revoked", "fresh", "expired"),
            (50, 8, 6, 10, 8, 6, 8, 4),
        )[0]
        others = {"revoked": self._revoked, "fresh": self._fresh, "expired": self._expired}
        pool = others.get(kind) or groups.get(kind)
        if not pool:
            kind, pool = "live", groups["live"]
        try:
            return kind, chance.choice(pool)
        except IndexError:  # it became shorter meanwhile
            return "live", chance.choice(groups["live"])

    def tend(self, most: int = 1_000_000) -> None:
        """Gives new tokens to those whose key is gone, and makes good what is missing: so many of
        both at most, as far as provider and sidecar do their part.
        """
        self._renew(10 * most)
        now = time.monotonic()
        gone = [it for it in self.groups["expiring"] if it.expires < now]
        if gone:
            self._expired.extend(gone)
            self.groups["expiring"] = [it for it in self.groups["expiring"] if it.expires >= now]
        for kind, wanted in self._wanted.items():
            group = self.groups[kind]
            missing = 0 if kind == "withdrawn" else wanted - len(group)
            for _ in range(min(missing, most)):
                if (token := self._new(kind)) is None:
                    return
                group.append(token)

    def revoke(self) -> None:
        """Revokes somebody, by user or by session; those first whose revocation may have failed."""
        history = self._history
        undone = next((who for who, it in history.revoked.items() if it.done == FOREVER), None)
        if undone is None:
            live = self.groups["live"]
            token = live.pop(self._chance.randrange(len(live)))
            undone = token.login
            history.revoked[undone] = Event(time.monotonic())
            self._revoked.append(token)
            self._fresh.append(token)
        issuer = self._provider.issuer
        if len(history.revoked) % 2:
            done = self._operator.revoke_user(user_id(undone, issuer))
        else:
            done = self._operator.revoke_session(session_id(undone, issuer))
        if done:
            history.revoked[undone].done = time.monotonic()

    def note_keys(self, began: float) -> None:
        """What keys are published now, after a change that began then."""
        kids, now = self._provider.kids(), time.monotonic()
        history = self._history
        for kid in kids - history.published.keys():
            history.published[kid] = Event(began, now)
        for kid in history.published.keys() - kids:
            gone = history.withdrawn.setdefault(kid, Event(began))
            gone.done = min(gone.done, now)
        for kid in kids & history.withdrawn.keys():
            del history.withdrawn[kid]

    def note_keys_may_go(self) -> None:
        """All keys that are published now may be withdrawn from here on."""
        for kid in self._history.published.keys() - self._history.withdrawn.keys():
            self._history.withdrawn[kid] = Event(time.monotonic())

    def _renew(self, most: int) -> None:
        """Who lost their key gets a new token; some of the old ones are kept to be tried."""
        history = self._history
        withdrawn = self.groups["withdrawn"]
        for kind in ("live", "expiring", "stranger", "forged"):
            group = self.groups[kind]
            for nth, token in enumerate(group):
                if token.kid not in history.withdrawn or most <= 0:
                    continue
                most -= 1
                expires_in = int(token.expires - time.monotonic())
                if expires_in < 1:
                    continue
                new = self._token(token.login, kind, expires_in)
                if new is None:
                    return
                group[nth] = new
                if kind == "live":
                    withdrawn.append(token)
        del withdrawn[: -self._wanted["withdrawn"] or None]

    def _new(self, kind: str) -> Token | None:
        self._count += 1
        login = f"{kind}-{self._count}"
        soon = self._chance.randint(SOONEST, LATEST)
        token = self._token(login, kind, soon if kind == "expiring" else LIFETIME)
        if token is None or kind == "stranger":
            return token
        began = time.monotonic()
        id_ = session_id(login, self._provider.issuer)
        expires_at = int(token.expires + self._offset) + 2
        if not self._operator.record(id_, token.user_id, self._provider.issuer, expires_at):
            return None
        self._history.sessions[login] = Event(began, time.monotonic())
        return token

    def _token(self, login: str, kind: str, expires_in: int) -> Token | None:
        """A token by the provider, if it has one to give."""
        expires = int(time.time()) + expires_in
        order = {
            "sub": login,
            "preferred_username": login,
            "aud": RESOURCE,
            "scope": "mcp:read",
            "azp": "client-1",
            "sid": login,
            "exp": expires,
            "alg": self._chance.choice(("RS256", "ES256")),
        }
        how = self._chance.choice(("forged", "tampered", "unsigned", "other kid"))
        try:
            text = self._provider.token(**order, forged=kind == "forged" and how == "forged")
        except (OSError, AssertionError, ValueError):
            return None
        header, payload, signature = text.split(".")
        if kind == "forged" and how == "tampered":
            text = tampered(text)
        elif kind == "forged" and how == "unsigned":
            text = f"{UNSIGNED}.{payload}."
        elif kind == "forged" and how == "other kid":
            other = b64(unb64(header).replace(kid_of(header).encode(), b"nobody"))
            text = f"{other}.{payload}.{signature}"
        return Token(
            text,
            user_id(login, self._provider.issuer),
            login,
            kid_of(header),
            kind != "forged",
            expires - self._offset,
        )


def kid_of(header: str) -> str:
    """The key that a token's header names."""
    return json.loads(unb64(header))["kid"]


def user_id(username: str, issuer: str) -> str:
    """As the contract has it, for names that need no cleaning."""
    digest = hashlib.sha256(f"{username}:{issuer}".encode()).hexdigest()
    return f"{username[:20]}-{digest[:8]}"

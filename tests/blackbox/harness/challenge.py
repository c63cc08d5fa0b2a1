"""A parser of WWW-Authenticate values, as RFC 9110, section 11.6.1, writes them.

Strict: what the grammar does not allow raises `BadChallenge`, so that a test that reads a challenge
also proves that it can be read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


class BadChallenge(ValueError):
    """The value is no list of challenges."""


@dataclass(frozen=True)
class Challenge:
    """One challenge: its scheme, and its parameters with lower-case names."""

    scheme: str
    params: dict[str, str]


TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
QUOTED = re.compile(r'"((?:[\t !#-\[\]-~\x80-\xff]|\\[\t !-~\x80-\xff])*)"')
TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))")
SEPARATOR = re.compile(r"[ \t]*,[ \t,]*")


def parse(value: str) -> list[Challenge]:
    """All the challenges of one field value, in order."""
    challenges: list[Challenge] = []
    at = 0
    while at < len(value):
        scheme, at = _take(TOKEN, value, at, "a scheme")
        params, at = _params(value, at)
        challenges.append(Challenge(scheme, params))
    if not challenges:
        raise BadChallenge("no challenge at all")
    return challenges


def _params(value: str, at: int) -> tuple[dict[str, str], int]:
    params: dict[str, str] = {}
    if at == len(value) or SEPARATOR.match(value, at):
        return params, _skip_separator(value, at)
    if value[at] != " ":
        raise BadChallenge(f"no space after the scheme, at {at} of {value!r}")
    at += len(value[at:]) - len(value[at:].lstrip(" "))
    if not re.compile(TOKEN.pattern + r"[ \t]*=[ \t]*[^=\s,]").match(value, at):
        _, at = _take(TOKEN68, value, at, "token68 or a parameter")
        return params, _skip_separator(value, at)
    while True:
        name, after = _take(TOKEN, value, at, "a parameter")
        equals = re.compile(r"[ \t]*=[ \t]*").match(value, after)
        if not equals:  # the next challenge's scheme
            return params, at
        text, at = _value(value, equals.end())
        if name.lower() in params:
            raise BadChallenge(f"{name} twice in {value!r}")
        params[name.lower()] = text
        if at == len(value):
            return params, at
        at = _skip_separator(value, at)


def _value(value: str, at: int) -> tuple[str, int]:
    if quoted := QUOTED.match(value, at):
        return re.sub(r"\\(.)", r"\1", quoted.group(1)), quoted.end()
    return _take(TOKEN, value, at, "a parameter's value")


def _take(pattern: re.Pattern[str], value: str, at: int, what: str) -> tuple[str, int]:
    found = pattern.match(value, at)
    if not found:
        raise BadChallenge(f"expected {what} at {at} of {value!r}")
    return found.group(0), found.end()


def _skip_separator(value: str, at: int) -> int:
    if at == len(value):
        return at
    found = SEPARATOR.match(value, at)
    if not found:
        raise BadChallenge(f"expected a comma at {at} of {value!r}")
    return found.end()

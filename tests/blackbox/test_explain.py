"""`mcp-auth explain` decides as the filter in a real Envoy does, for the same reason."""

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from harness.backend import seen
from harness.built import ROOT
from harness.commands import Ran, mcp_auth
from harness.documents import blocks
from harness.envoy import Listener
from harness.gateway import config, issuer, resource
from harness.tokens import key, tampered, token

MODERN = "2026-07-28"
OPEN = {"path": "/open", "resource": "https://mcp.example.com/open"}
DELETE = ("tools/call", "delete_note")


@dataclass(frozen=True)
class Case:
    """A request, and why it is refused; nothing if it is not."""

    reason: str | None = None
    token: Callable[[], str] | None = token
    path: str = "/mcp"
    method: str = "GET"
    call: tuple[str, str] | None = None
    fields: list[tuple[str, str]] = field(default_factory=list)

    def message(self) -> bytes:
        """What its body says."""
        method, name = self.call
        params = {"name": name}
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return json.dumps(message).encode()


CASES = {
    "let through": Case(),
    "no token": Case("missing_token", token=None),
    "two readings of a path": Case("malformed_request", path="/mcp/%2e%2e/x"),
    "a token in the query": Case("malformed_request", path="/mcp?access_token=x"),
    "another path": Case("unmatched_path", path="/mcpx"),
    "another origin": Case("origin_not_allowed", fields=[("origin", "https://evil.example")]),
    "no JWT": Case("malformed_token", token=lambda: "abc"),
    "another issuer": Case("unknown_issuer", token=lambda: token(iss="https://evil.example/")),
    "HS256": Case("algorithm_not_allowed", token=lambda: token(algorithm="HS256")),
    "another key": Case("unknown_key", token=lambda: token(key(name="2"))),
    "another signature": Case("bad_signature", token=lambda: tampered(token())),
    "expired": Case("expired", token=lambda: token(exp=1_700_000_000)),
    "not yet": Case("not_yet_valid", token=lambda: token(nbf=4_000_000_000)),
    "another audience": Case("wrong_audience", token=lambda: token(aud="https://else.example")),
    "another client": Case("client_not_allowed", token=lambda: token(azp="stranger")),
    "no scope": Case("insufficient_scope", token=lambda: token(scope="openid")),
    "a POST that calls nothing": Case("malformed_request", method="POST"),
    "a tool that needs more": Case("insufficient_scope", call=DELETE),
    "a tool that has it": Case(token=lambda: token(scope="mcp:read mcp:write"), call=DELETE),
    "a tool that no rule is about": Case(call=("tools/call", "add")),
    "a header that says another tool": Case(
        "malformed_request", call=("tools/call", "add"), fields=[("mcp-name", "delete_note")]
    ),
}


@pytest.fixture(scope="module")
def given():
    """The filter's configuration."""
    tools = [{"name": "delete_*", "scopes": ["mcp:write"]}]
    guarded = resource(tools=tools, origins=["https://app.example.com"])
    return config(
        issuers=[issuer(clients=["client-1"])], resources=[guarded, OPEN], body_access=True
    )


@pytest.fixture(scope="module")
def gateway(start, given):
    return start({"explained": Listener(given, hold_headers=True)})


@pytest.fixture(scope="module")
def explain(given, tmp_path_factory):
    """Asks for an explanation of a request."""
    folder = tmp_path_factory.mktemp("explain")
    (folder / "filter.json").write_text(json.dumps(given))
    (folder / "keys.json").write_text(json.dumps({"keys": [key().jwk()]}))

    def ask(case: Case, jwt: str | None) -> Ran:
        arguments = ["--config", "filter.json", "--keys", "keys.json", "--path", case.path]
        arguments += ["--http-method", case.method] if case.method != "GET" else []
        if jwt:
            arguments += ["--token", "-"]
        if case.call:
            method, name = case.call
            arguments += ["--method", method, "--name", name]
        for name, value in case.fields:
            arguments += ["--header", f"{name}: {value}"]
        secrets = (jwt.rpartition(".")[2],) if jwt and "." in jwt else ()
        return mcp_auth(
            "explain", *arguments, "--json", stdin=jwt or "", folder=folder, secrets=secrets
        )

    return ask


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_explanation_is_what_envoy_does(gateway, explain, case):
    jwt = case.token and case.token()
    fields = [*case.fields]
    how = {"method": case.method}
    if case.call:
        how = {"method": "POST", "body": case.message()}
        headers = [("content-type", "application/json"), ("mcp-protocol-version", MODERN)]
        headers += zip(("mcp-method", "mcp-name"), case.call, strict=True)
        fields = headers + fields
    reply = gateway.send(case.path, jwt, fields, **how)
    ran = explain(case, jwt)
    told = json.loads(ran.out)
    if case.reason is None:
        assert reply.status == 200, reply
        assert ran.code == 0, ran
        assert told["decision"]["headers"]["x-user-id"] == seen(reply).header("x-user-id")
        return
    assert "x-from-backend" not in dict(reply.fields)
    assert ran.code == 3, ran
    decision = told["decision"]
    assert (decision["status"], decision["reason"]) == (reply.status, case.reason), told
    assert decision["headers"].get("www-authenticate") == reply.header("www-authenticate")
    refusing = [finding for finding in told["findings"] if finding["refuses"]]
    assert [finding["refuses"] for finding in refusing] == [case.reason], told
    assert refusing == told["findings"][-1:], "it goes on after it has refused"


def test_what_cannot_be_explained_says_what_to_give(tmp_path):
    (tmp_path / "bad.yaml").write_text("issuers: []\nresources: []\nresorces: []\n")
    asked = ("explain", "--config", "bad.yaml")
    mcp_auth(*asked, folder=tmp_path).refused("resorces: unknown key", code=2)
    mcp_auth("explain", "--config", "none.yaml", folder=tmp_path).refused("none.yaml", code=2)
    mcp_auth("explain").refused("--config", code=2)


def test_the_guide_shows_what_is_printed():
    guide = ROOT / "docs/how-to/debug-a-401.md"
    shown = [command for block in blocks(guide, "console") for command in block.commands]
    assert len(shown) == 2
    for command in shown:
        program, *arguments = shlex.split(command.text.replace("\\\n", ""))
        assert program == "mcp-auth"
        assert mcp_auth(*arguments, folder=ROOT).out == f"{command.shown}\n"

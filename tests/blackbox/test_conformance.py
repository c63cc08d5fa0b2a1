"""MCP's own conformance suite for servers, against one server directly and through the gateway."""

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from harness.envoy import Listener
from harness.gateway import config, resource
from harness.tokens import token
from harness.upstream import NODE_FOLDER, node

SUITE = NODE_FOLDER / "node_modules/@modelcontextprotocol/conformance/dist/index.js"
RULES = [{"name": "delete_*", "scopes": ["mcp:write"]}]
HEADERS = "http-header-validation"


def bearing(jwt: str) -> dict:
    """A filter of Envoy's that gives each request a token: the suite knows of none."""
    header = {"key": "authorization", "value": f"Bearer {jwt}"}
    mutation = {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    kind = "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
    mutations = {"request_mutations": [{"append": mutation}]}
    return {"name": "token", "typed_config": {"@type": kind, "mutations": mutations}}


@pytest.fixture(scope="module")
def gateway(start, mcp_server):
    first = bearing(token(scope="mcp:read mcp:write"))
    guarded = {
        "plain": Listener(config(), other=first),
        "trusting": Listener(
            config(resources=[resource(tools=RULES, trust_mcp_headers=True)]), other=first
        ),
        "bodies": Listener(
            config(resources=[resource(tools=RULES)], body_access=True),
            hold_headers=True,
            other=first,
        ),
    }
    return start(guarded, backend_port=mcp_server)


@pytest.fixture(scope="module")
def direct(mcp_server, tmp_path_factory):
    """What the server makes of the suite by itself."""
    return checks(mcp_server, tmp_path_factory.mktemp("direct"))


def checks(port: int, folder: Path) -> dict[str, Counter]:
    """How often each check of each scenario came out how."""
    subprocess.run(
        [
            *(node(), SUITE, "server", "--url", f"http://127.0.0.1:{port}/mcp"),
            *("--suite", "all", "--output-dir", folder),
        ],
        capture_output=True,
        timeout=60,
    )
    found = {}
    for path in folder.glob("*/checks.json"):
        scenario = path.parent.name.removeprefix("server-").rpartition("-202")[0]
        results = json.loads(path.read_text())
        found[scenario] = Counter((it["id"], it["status"]) for it in results)
    assert len(found) > 50, "the suite did not run"
    return found


def failures(found: dict[str, Counter]) -> Counter:
    """The checks that failed, by scenario."""
    return Counter(
        {
            (scenario, check): count
            for scenario, counts in found.items()
            for (check, status), count in counts.items()
            if status == "FAILURE"
        }
    )


def test_nothing_more_fails_through_the_gateway(gateway, direct, tmp_path):
    """One thing less does: the server has it from the gateway who is calling."""
    through = checks(gateway.envoy.ports["plain"], tmp_path)
    assert total(through) >= total(direct) > 150
    assert not failures(through) - failures(direct)
    healed = failures(direct) - failures(through)
    assert set(healed) == {("caching", "sep-2549-resources-read-caching-hints")}


def test_where_the_filter_reads_bodies_only_its_own_refusals_are_no_json_rpc(
    gateway, direct, tmp_path
):
    """Whoever says one thing in the headers and another in the body is refused before the server
    can, by the filter's own answer. So is a version that the server would refuse, as its headers do
    not say what is called."""
    through = failures(checks(gateway.envoy.ports["bodies"], tmp_path))
    assert set(through - failures(direct)) == {
        ("tasks-request-headers", "tasks-headers-reject-mismatched-method"),
        ("tasks-request-headers", "wire-schema-valid"),
        ("server-stateless", "sep-2575-server-unsupported-version-error"),
        ("server-stateless", "sep-2575-http-server-error-jsonrpc-id"),
    }


def test_the_server_refuses_headers_that_differ_from_the_body(gateway, direct, tmp_path):
    """Which is why `trust_mcp_headers` is safe in front of it."""
    through = checks(gateway.envoy.ports["trusting"], tmp_path)
    for found in (direct, through):
        assert found[HEADERS][("sep-2243-server-reject-invalid-headers", "SUCCESS")] == 5
        assert "FAILURE" not in {status for _, status in found[HEADERS]}


def total(found: dict[str, Counter]) -> int:
    """How many checks there were."""
    return sum(count for counts in found.values() for count in counts.values())

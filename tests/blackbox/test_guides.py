"""The commands and configurations of the documents are tried as they stand there.

A page's commands run one after the other in a shell, in surroundings that the page takes for given:
its files, a service, a cluster's API. Other names of these (ports, ids, files) are all that is
replaced. What cannot be run here is listed, each with its reason.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness.built import ROOT, built
from harness.commands import mcp_auth
from harness.documents import DOCUMENTS, Block, blocks, in_filter, name
from harness.envoy import program
from harness.manifests import ROTATIONS, Examples
from harness.readers import AROUND, Reader

SHORT = {"deploy": "deployment"}  # as kubectl takes it
TARGETS = set(re.findall(r"^([\w-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))

# Who tries the pages that are not tried here.
OF_OTHERS = {
    "docs/tutorial.md": "tests/blackbox/test_tutorial.py",
    "examples/docker-compose/README.md": "tests/compose/test_stack.py",
    "crates/proxy-wasm-testhost/README.md": "crates/proxy-wasm-testhost/src/lib.rs",
}
# What cannot be run here, by what a command has in it.
NOT_HERE = {
    "mcp-auth setup auth0": "needs a tenant: sidecar/tests/auth0/documents.rs has a copy of one",
    "docker buildx build": "needs Docker: tests/compose builds the same targets",
    " apply -f": "needs a cluster",
    "kubectl -n mcp-auth exec": "needs a cluster",
    "kubectl -n mcp-auth port-forward": "needs a cluster",
    "kubectl -n mcp-auth rollout": "needs a cluster",
    "kubectl -n mcp-auth get gateway": "needs a cluster",
    "https://mcp.example.com/mcp ": "needs a cluster",
}
# Other programs' configurations, of which nothing here can tell whether they are right.
OF_OTHER_PROGRAMS = {
    "examples/envoy-gateway/README.md": "Envoy Gateway's own",
    "docs/how-to/identity-providers.md": "Keycloak's and Dex's",
}
PAGES = [it for it in DOCUMENTS if blocks(it, "console", "sh") and name(it) not in OF_OTHERS]
CONFIGURED = [
    block
    for document in DOCUMENTS
    for block in blocks(document, "yaml", "json")
    if name(document) not in OF_OTHER_PROGRAMS
]


@pytest.fixture
def reader(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Reader]:
    """In a checkout of the repository, with what is built on the path."""
    (tmp_path / "bin").mkdir()
    with ExitStack() as life:
        reader = Reader(ROOT, tmp_path, life, request.getfixturevalue)
        (tmp_path / "bin/mcp-auth").symlink_to(built("MCP_AUTH_BIN"))
        (tmp_path / "bin/envoy").symlink_to(program())
        yield reader


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_a_page_has_its_reader_type_works(page: Path, reader: Reader) -> None:
    typed = [command for block in blocks(page, "console", "sh") for command in block.commands]
    for command in typed:
        if target := re.match(r"make ([\w-]+)", command.text):
            assert target[1] in TARGETS
    here = [it for it in typed if not any(part in it.text for part in (*NOT_HERE, "make "))]
    if here:
        AROUND.get(name(page), lambda _: None)(reader)
        reader.follow(here)
        reader.afterwards()


def test_every_exception_is_needed() -> None:
    typed = [
        command.text
        for page in PAGES
        for it in blocks(page, "console", "sh")
        for command in it.commands
    ]
    for part in NOT_HERE:
        assert any(part in text for text in typed), part
    for page, tried in OF_OTHERS.items():
        assert blocks(ROOT / page), page
        assert (ROOT / tried).is_file(), tried
    for page in OF_OTHER_PROGRAMS:
        assert blocks(ROOT / page, "yaml", "json"), page
    assert AROUND.keys() <= {name(page) for page in PAGES}


def test_nothing_to_type_hides_in_a_block_without_a_language() -> None:
    for document in DOCUMENTS:
        for block in blocks(document, ""):
            assert not re.search(
                r"^(\$ )?(mcp-auth|kubectl|make|docker|curl) ", block.text, re.MULTILINE
            ), block


def test_the_commands_that_are_listed_are_there() -> None:
    reference = (ROOT / "docs/reference/commands.md").read_text()
    (listed,) = blocks(ROOT / "sidecar/README.md", "text")
    for line in listed.text.splitlines():
        words = line.partition("#")[0].split()
        verbs = [it for it in words[1:3] if re.fullmatch(r"[a-z0-9]+", it)]
        assert f"## mcp-auth {' '.join(verbs)}\n" in reference, line
        for flag in re.findall(r"--[\w-]+", line):
            assert flag in reference, line


def test_what_kubectl_is_to_look_at_is_in_the_manifests(tmp_path: Path) -> None:
    examples = Examples(tmp_path)
    objects = [it for overlay in ("istio/base", *ROTATIONS) for it in examples.built(overlay)]
    there = {f"{it['kind'].lower()}/{it['metadata']['name']}" for it in objects}
    there.add("deployment/mcp-istio")  # Istio makes it for the Gateway
    looked = 0
    for document in DOCUMENTS:
        for line in re.findall(r"kubectl .*", document.read_text()):
            for kind, named in re.findall(r"\b(deploy|deployment|cronjob)/([\w-]+)", line):
                assert f"{SHORT.get(kind, kind)}/{named}" in there, line
                assert line.startswith("kubectl -n mcp-auth "), line
                looked += 1
    assert looked > 5


def test_every_reason_is_told() -> None:
    core = (ROOT / "crates/auth-core/src/denial.rs").read_text()
    reasons = set(re.findall(r'"([a-z_]+)",\s*([45]\d\d),', core))
    told = (ROOT / "docs/reference/filter.md").read_text()
    rows = set(re.findall(r"\| `([a-z_]+)` \| ([45]\d\d)", told))
    assert len(reasons) > 20
    assert rows == reasons


@pytest.mark.parametrize("block", CONFIGURED, ids=str)
def test_what_a_page_configures_is_accepted(block: Block, tmp_path: Path) -> None:
    """What is a part of a configuration is put into the least that is a whole one."""
    part = yaml.safe_load(block.text)
    if part is None:
        assert block.text.startswith(
            "# yaml-language-server: $schema=./filter-config.schema.json\n"
        )
        return
    if "http_filters" in part:
        bootstrap = tmp_path / "envoy.json"
        bootstrap.write_text(json.dumps(in_envoy(part["http_filters"])))
        command = [program(), "--mode", "validate", "--config-path", str(bootstrap)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert mcp_auth("config", "check", "--filter", str(bootstrap)).done()
        return
    checked = tmp_path / "filter.json"
    checked.write_text(json.dumps(in_filter(part)))
    assert "issuers:" in mcp_auth("config", "check", "--filter", str(checked)).done()


# --- whole configurations


def in_envoy(filters: list[dict[str, Any]]) -> dict[str, Any]:
    """A bootstrap with these filters."""
    router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
    text = json.dumps(filters).replace(
        "/etc/envoy/mcp_auth_filter.wasm", str(built("MCP_AUTH_WASM"))
    )
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network"
        ".http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "route_config": {},
        "http_filters": [*json.loads(text), {"name": "router", "typed_config": {"@type": router}}],
    }
    listener = {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    return {"static_resources": {"listeners": [listener]}}

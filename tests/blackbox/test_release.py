"""What is shipped says which version it is, and the images are built of all that a build reads."""

import re
import tomllib
from collections.abc import Iterator

from harness.built import ROOT, built
from harness.commands import mcp_auth

CARGO = tomllib.loads((ROOT / "Cargo.toml").read_text())
VERSION = CARGO["workspace"]["package"]["version"]


def custom_sections(module: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and content of each custom section (WebAssembly core specification, 5.5.3)."""

    def number(at: int) -> tuple[int, int]:
        value = shift = 0
        while True:
            byte = module[at]
            value |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                return value, at

    at = 8
    while at < len(module):
        kind = module[at]
        size, start = number(at + 1)
        at = start + size
        if kind == 0:
            length, name = number(start)
            yield module[name : name + length].decode(), module[name + length : at]


def test_the_module_and_the_programs_have_the_version_of_the_sources():
    sections = dict(custom_sections(built("MCP_AUTH_WASM").read_bytes()))
    assert sections["version"].decode() == VERSION
    assert sections["licenses"] == b"Apache-2.0"
    assert mcp_auth("--version").done() == f"mcp-auth {VERSION}\n"


def test_every_crate_of_the_workspace_is_there_when_an_image_is_built():
    """Cargo builds none of a workspace if one of its crates is missing."""
    copied = re.findall(r"^COPY (\S+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    sent = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    for member in CARGO["workspace"]["members"]:
        assert any(member == it or member.startswith(f"{it}/") for it in copied), member
        assert any(member == it or member.startswith(f"{it}/") for it in sent), member

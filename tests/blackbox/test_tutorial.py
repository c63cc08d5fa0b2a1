"""The tutorial's commands, run as they stand there; only its ports are others."""

import re
import subprocess

import pytest
from harness.built import ROOT
from harness.documents import blocks
from harness.serving import free_port

PORTS = ("9000", "9100", "9901", "10000")


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory) -> tuple[list[tuple[str, str]], list[str]]:
    """The blocks of the page, and what was printed by each."""
    others = {port: free_port() for port in PORTS}
    folder = tmp_path_factory.mktemp("tutorial")

    def moved(text: str) -> str:
        for port, other in others.items():
            text = re.sub(rf"\b(127\.0\.0\.1:|port_value: ){port}\b", rf"\g<1>{other}", text)
        return text

    envoy = folder / "envoy.yaml"
    envoy.write_text(moved((ROOT / "examples/tutorial/envoy.yaml").read_text()))
    text = moved((ROOT / "docs/tutorial.md").read_text())
    page = folder / "tutorial.md"
    page.write_text(text.replace("examples/tutorial/envoy.yaml", str(envoy)))
    found = [(block.kind, block.text) for block in blocks(page, "sh", "")]
    commands = [text for kind, text in found if kind == "sh" and text != "make dist\n"]
    script = "set -u\n" + "printf '\\0'\n".join(commands)
    done = subprocess.run(
        ["bash"], input=script, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return found, done.stdout.split("\0")


def test_what_the_page_shows_is_what_is_printed(tutorial):
    found, printed = tutorial
    commands = [at for at, (kind, _) in enumerate(found) if kind == "sh"][1:]
    assert len(printed) == len(commands) > 8
    shown = 0
    for at, said in zip(commands, printed, strict=True):
        if at + 1 < len(found) and found[at + 1][0] == "":
            assert same(said) == same(found[at + 1][1])
            shown += 1
    assert shown == 5


def test_the_refusal_is_explained(tutorial):
    _, printed = tutorial
    assert "✗ decision" in printed[-2]
    assert "403 insufficient_scope" in printed[-2]


def same(text: str) -> str:
    """The text without what another port of the issuer changes."""
    return re.sub(r"(alice-example-com-)[0-9a-f]{8}", r"\1", text.replace("\r", "").strip())

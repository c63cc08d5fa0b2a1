"""Whole Envoy configurations are accepted by what reads them; links of documents lead somewhere."""

import re
import subprocess
from pathlib import Path

import pytest
from harness.built import ROOT
from harness.commands import mcp_auth
from harness.documents import DOCUMENTS, name
from harness.envoy import program

BOOTSTRAPS = [*sorted((ROOT / "examples/envoy").glob("*.yaml")), ROOT / "envoy/demo.yaml"]
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
PICTURE = re.compile(r'(?:src|srcset)="([^"]+)"')


@pytest.mark.parametrize("bootstrap", BOOTSTRAPS, ids=name)
def test_envoy_and_the_filter_accept_it(bootstrap):
    command = [program(), "--mode", "validate", "--config-path", str(bootstrap)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "issuers:" in mcp_auth("config", "check", "--filter", str(bootstrap)).done()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_somewhere(document):
    text = document.read_text()
    pictures = [(path, "") for path in PICTURE.findall(text)]
    for path, anchor in LINK.findall(text) + pictures:
        if "://" in path or path.startswith("mailto:"):
            continue
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{path} is not there"
        if anchor and target.suffix == ".md":
            assert anchor[1:] in anchors(target), f"{path}{anchor} is not there"


def anchors(document: Path) -> set[str]:
    """The names of its headings, as repositories' hosts make them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", it.lower()).replace(" ", "-") for it in headings)
    return set(plain)

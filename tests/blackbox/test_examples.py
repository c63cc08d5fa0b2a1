"""What examples and guides show is accepted by what reads it; links of documents lead somewhere."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from harness.built import ROOT
from harness.commands import mcp_auth
from harness.envoy import program

BOOTSTRAPS = [*sorted((ROOT / "examples/envoy").glob("*.yaml")), ROOT / "envoy/demo.yaml"]
DOCUMENTS = [
    path
    for path in sorted(ROOT.rglob("*.md"))
    if not {"target", "node_modules", ".venv", ".tools", "release"} & {*path.parts}
]
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
PICTURE = re.compile(r'(?:src|srcset)="([^"]+)"')


def name(path: Path) -> str:
    """Its place in the repository."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("bootstrap", BOOTSTRAPS, ids=name)
def test_envoy_and_the_filter_accept_it(bootstrap):
    command = [program(), "--mode", "validate", "--config-path", str(bootstrap)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "issuers:" in mcp_auth("config", "check", "--filter", str(bootstrap)).done()


def test_the_rules_of_the_guide_are_accepted(tmp_path):
    guide = (ROOT / "docs/how-to/rules-for-tools.md").read_text()
    (rules,) = re.findall(r"^```yaml\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    issuers = [
        {"issuer": "https://a.example/", "jwks": {"uri": "https://a.example/k", "cluster": "a"}}
    ]
    whole = tmp_path / "filter.yaml"
    whole.write_text(yaml.safe_dump({"issuers": issuers} | yaml.safe_load(rules)))
    assert "delete_*" in mcp_auth("config", "check", "--filter", str(whole)).done()


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

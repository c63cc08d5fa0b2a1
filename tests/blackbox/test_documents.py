"""Documents that name tests name tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`([\w./-]+\.(?:py|rs))::(\w+)`")
DOCUMENTS = sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_test_that_a_document_names_exists(document: Path) -> None:
    missing = [
        f"{file}::{test}"
        for file, test in NAMED.findall(document.read_text(encoding="utf-8"))
        if not is_there(file, test)
    ]
    assert not missing


def is_there(file: str, test: str) -> bool:
    path = ROOT / file if "/" in file else ROOT / "tests" / "blackbox" / file
    return path.is_file() and bool(
        re.search(rf"\b(?:fn|def) {test}\b", path.read_text(encoding="utf-8"))
    )

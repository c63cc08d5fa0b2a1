#!/usr/bin/env python3
"""Checks that every crate of ours is under the workspace's lints and has no `unsafe`, and counts.

A crate under `unsafe_code = "forbid"` cannot take that back, so the compiler has checked it already;
what is left to check is that no crate is left out. Fuzz targets are a workspace of their own, with
the same lints.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Speaks the ABI of Proxy-Wasm, pointers and lengths, and is never shipped; it has its own lints.
EXCEPTED = {"proxy-wasm-testhost"}
# Comments and texts may say the word.
NO_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\])*"', re.DOTALL)
UNSAFE = re.compile(r"\bunsafe\b")


def main() -> int:
    workspace, fuzz = manifest(ROOT), manifest(ROOT / "fuzz")
    lints = workspace["workspace"]["lints"]
    problems = []
    if lints["rust"].get("unsafe_code") != "forbid":
        problems.append("Cargo.toml: workspace.lints.rust.unsafe_code is not forbid")
    if fuzz["workspace"]["lints"] != lints:
        problems.append("fuzz/Cargo.toml: its lints are not those of Cargo.toml")
    folders = [ROOT, ROOT / "fuzz", *(ROOT / member for member in workspace["workspace"]["members"])]
    total = 0
    for folder in folders:
        crate = manifest(folder)
        name, where = crate["package"]["name"], folder.relative_to(ROOT)
        count = unsafe_in(folder, folders)
        if name in EXCEPTED:
            print(f"{name:22} {count:3} unsafe (excepted)")
            continue
        print(f"{name:22} {count:3} unsafe")
        total += count
        if crate.get("lints") != {"workspace": True}:
            problems.append(f"{where / 'Cargo.toml'}: [lints] workspace = true is missing")
        if count:
            problems.append(f"{where}: {count} times `unsafe`")
    print(f"{'together':22} {total:3} unsafe in {len(folders) - len(EXCEPTED)} crates")
    for problem in problems:
        print(f"check-crates: {problem}", file=sys.stderr)
    return 1 if problems else 0


def manifest(folder: Path) -> dict:
    return tomllib.loads((folder / "Cargo.toml").read_text())


def unsafe_in(folder: Path, folders: list[Path]) -> int:
    """How often the crate's own sources say `unsafe`, those of crates below it left out."""
    below = [other for other in folders if other != folder and other.is_relative_to(folder)]
    places = [folder] if folder != ROOT else [ROOT / "src", ROOT / "tests" / "filter"]
    sources = [it for place in places for it in place.rglob("*.rs")]
    own = [it for it in sources if not any(it.is_relative_to(other) for other in below)]
    own = [it for it in own if "target" not in it.relative_to(folder).parts]
    assert own, f"no sources in {folder}"
    return sum(len(UNSAFE.findall(NO_CODE.sub("", it.read_text()))) for it in own)


if __name__ == "__main__":
    sys.exit(main())

"""Digests of the sources and of the built modules, kept beside them: a test compares them."""

import hashlib
from pathlib import Path

HERE = Path(__file__).parent
BUILT = HERE.parent / "src" / "kapi" / "policies"
PATTERNS = ("*/src/*.rs", "*/Cargo.toml", "*/Cargo.lock", "*/rust-toolchain.toml")
"""The modules share source files, so there is one digest over the sources of all."""


def of_sources() -> str:
    """SHA-256 over names and contents."""
    total = hashlib.sha256()
    for path in sorted(file for pattern in PATTERNS for file in HERE.glob(pattern)):
        name = path.relative_to(HERE).as_posix()
        total.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def lines() -> str:
    """A line for the sources and for each module, as sha256sum writes them."""
    modules = sorted(BUILT.glob("*.wasm"))
    digests = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in modules
    }
    return "".join(
        f"{digest}  {name}\n"
        for name, digest in {"sources": of_sources(), **digests}.items()
    )


if __name__ == "__main__":
    (BUILT / "modules.sha256").write_text(lines())

"""One digest over the sources of the module, beside the built module: a test compares the two."""

import hashlib
from pathlib import Path

HERE = Path(__file__).parent / "admission"


def digest() -> str:
    """SHA-256 over names and contents."""
    total = hashlib.sha256()
    for path in sorted(
        [
            *HERE.glob("src/*.rs"),
            HERE / "Cargo.toml",
            HERE / "Cargo.lock",
            HERE / "rust-toolchain.toml",
        ]
    ):
        total.update(path.relative_to(HERE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


if __name__ == "__main__":
    print(digest())

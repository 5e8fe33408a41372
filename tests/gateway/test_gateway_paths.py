"""Operation targets as patterns: what matches, and what the backend is asked."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapi.gateway.envoy.resources.routes.paths import (
    first_segment,
    match_pattern,
    rewrite,
)


def backend_path(base: str, target: str, backend: str, path: str) -> str | None:
    """What the backend is asked for `path`, or None when it does not match."""
    if not re.fullmatch(match_pattern(base, target), path):
        return None
    made = rewrite(base, target, backend)
    substitution = re.sub(r"\\(\d+)", r"\\g<\1>", made.substitution)
    return re.sub(made.pattern, substitution, path, count=1)


@pytest.mark.parametrize(
    ("target", "backend", "path", "expected"),
    [
        ("/pets", "/v2", "/b/1/pets", "/v2/pets"),
        ("/pets", "", "/b/1/pets/", "/pets"),
        ("/pets", "", "/b/1/pets//", None),
        ("/pets", "", "/b/1/petsx", None),
        ("/pets", "", "/B/1/pets", None),
        ("/pets/{id}", "/v2", "/b/1/pets/7", "/v2/pets/7"),
        ("/pets/{id}", "/v2", "/b/1/pets/7/", "/v2/pets/7"),
        ("/pets/{id}", "/v2", "/b/1/pets/", None),
        ("/pets/{id}", "/v2", "/b/1/pets/7/8", None),
        ("/a/{x}/b/{y}", "", "/b/1/a/1/b/2", "/a/1/b/2"),
        ("/{name}.json", "", "/b/1/x.json", "/x.json"),
        ("/{name}.json", "", "/b/1/xyjson", None),
        ("/files/*", "/v2", "/b/1/files", "/v2/files"),
        ("/files/*", "/v2", "/b/1/files/", "/v2/files/"),
        ("/files/*", "/v2", "/b/1/files/a/b", "/v2/files/a/b"),
        ("/files/*", "/v2", "/b/1/filesystem", None),
        ("/u/{id}/*", "/v2", "/b/1/u/7/x/y", "/v2/u/7/x/y"),
        ("/*", "", "/b/1", "/"),
        ("/*", "", "/b/1/", "/"),
        ("/*", "", "/b/1/x/", "/x/"),
        ("/*", "/v2", "/b/1", "/v2"),
        ("/*", "/v2", "/b/1/x", "/v2/x"),
        ("/", "", "/b/1", "/"),
        ("/", "", "/b/1/", "/"),
        ("/", "/v2", "/b/1/", "/v2/"),
        ("/a.b+c(d)", "", "/b/1/a.b+c(d)", "/a.b+c(d)"),
        ("/a.b+c(d)", "", "/b/1/aXb+c(d)", None),
        ("/{1}", "/1", "/b/1/5", "/1/5"),
        ("/pets/{id}/", "/v2", "/b/1/pets/7", "/v2/pets/7/"),
        ("/{x}/*", "", "/b/1/7", "/7"),
        (
            "/{a}" * 12,
            "/v2",
            "/b/1/a/b/c/d/e/f/g/h/i/j/k/l",
            "/v2/a/b/c/d/e/f/g/h/i/j/k/l",
        ),
        (
            "/{a}" * 12 + "/*",
            "/v2",
            "/b/1/a/b/c/d/e/f/g/h/i/j/k/l/m/n",
            "/v2/a/b/c/d/e/f/g/h/i/j/k/l/m/n",
        ),
    ],
)
def test_paths(target: str, backend: str, path: str, expected: str | None) -> None:
    assert backend_path("/b/1", target, backend, path) == expected


def test_a_last_slash_tells_two_targets_apart_where_both_are_there() -> None:
    for target in ("/a", "/a/", "/{x}", "/{x}/"):
        path = "/b/1" + target.replace("{x}", "7")
        other = path.removesuffix("/") if path.endswith("/") else f"{path}/"
        pattern = match_pattern("/b/1", target, exact=True)
        assert re.fullmatch(pattern, path)
        assert not re.fullmatch(pattern, other)


@given(
    st.text(alphabet="ab.{}*+?()[]|^$\\ ü", max_size=8).filter(
        lambda text: "{" not in text and "}" not in text
    )
)
def test_any_literal_target_matches_itself_only(text: str) -> None:
    target = "/" + text.replace("*", "")
    pattern = match_pattern("/b/1", target)
    assert not re.fullmatch(pattern, "/b/1/other-thing")
    re.compile(rewrite("/b/1", target, "/v2").pattern)


@pytest.mark.parametrize(
    ("path", "segment"),
    [
        ("/pets/1.0.0", "pets"),
        ("/pets", "pets"),
        ("/a b/c", "a%20b"),
        ("/", ""),
        ("", ""),
        ("/{x}/a", ""),
        ("/*", ""),
    ],
)
def test_the_first_segment(path: str, segment: str) -> None:
    assert first_segment(path) == segment

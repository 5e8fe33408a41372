"""Base64url: one text for each value, and one room that decodes it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapi.jose import base64url

SOURCES = Path(base64url.__file__).parents[1]


@given(st.binary(max_size=64))
def test_every_value_is_encoded_as_another_library_does_and_decoded(
    content: bytes,
) -> None:
    text = base64url.encode(content)
    assert text == base64.urlsafe_b64encode(content).rstrip(b"=").decode()
    assert base64url.decode(text) == content


@given(st.text(max_size=12))
def test_a_text_that_is_decoded_is_the_text_of_its_value(text: str) -> None:
    try:
        content = base64url.decode(text)
    except ValueError:
        return
    assert base64url.encode(content) == text


@pytest.mark.parametrize(
    "text",
    [
        "QQ==",
        "QR",
        "QUJ",
        "A",
        "QQ=",
        "+_8A",
        "__+A",
        "//8A",
        "QU JD",
        "QUJD\n",
        "QU\x00JD",
        "QUJDä",
    ],
)
def test_what_is_not_the_one_text_of_a_value_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        base64url.decode(text)


def test_only_this_room_decodes_base64url() -> None:
    names = [
        str(path.relative_to(SOURCES))
        for path in SOURCES.rglob("*.py")
        if any(
            word in path.read_text("utf-8") for word in ("urlsafe_b64decode", "joserfc")
        )
    ]
    assert names == []

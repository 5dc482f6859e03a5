"""The sizes of pictures, as another library writes them, and as nobody does."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as some

from openhood.engines.formats import pictures


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (640, 48)])
@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("PNG", {}),
        ("GIF", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True, "exif": b"Exif\0\0" + b"n" * 20_000}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\0\0notes"}),
    ],
)
def test_what_pillow_writes_is_read(size: tuple[int, int], form: str, options: dict[str, object]) -> None:
    images = pytest.importorskip("PIL.Image")
    out = io.BytesIO()
    images.new("RGB", size, (200, 90, 20)).save(out, form, **options)
    assert pictures.size_of(out.getvalue()[: pictures.HEAD_BYTES]) == size


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xff\xff\xff\0\0\0\1",
        b"GIF89a\0\0\0\0",
        b"\xff\xd8\xff\xe0\0\0",
        b"\xff\xd8\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"RIFF\0\0\0\0WEBPVP9 " + bytes(20),
        b"<svg width='4' height='4'/>",
    ],
)
def test_nonsense_has_no_size(head: bytes) -> None:
    assert pictures.size_of(head) is None


@given(
    some.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF0000WEBPVP8"]),
    some.binary(max_size=200),
)
def test_nothing_breaks_it(start: bytes, rest: bytes) -> None:
    found = pictures.size_of(start + rest)
    assert found is None or all(each > 0 for each in found)

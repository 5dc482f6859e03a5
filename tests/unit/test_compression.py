"""When pages are compressed, for whom, and that the bytes come back the same."""

from __future__ import annotations

import gzip

import pytest
from starlette.datastructures import Headers
from starlette.responses import Response

from openhood.http import compression

TEXT = b"<p>One line like another.</p>\n" * 200


def answer(accepts: str | None, body: bytes = TEXT, **headers: str) -> Response:
    asked = Headers({} if accepts is None else {"accept-encoding": accepts})
    return compression.shrink(asked, Response(body, 200, headers, "text/html"))


@pytest.mark.parametrize("accepts", ["gzip", "br, gzip;q=0.5", "GZIP", "*", "gzip;q=1"])
def test_who_takes_gzip_gets_it(accepts: str) -> None:
    given = answer(accepts)
    assert given.headers["Content-Encoding"] == "gzip"
    assert given.headers["Content-Length"] == str(len(given.body)) != str(len(TEXT))
    assert given.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(given.body) == TEXT


@pytest.mark.parametrize("accepts", [None, "", "identity", "br", "gzip;q=0", "gzip; q=0.0", "x-gzip-like"])
def test_others_get_it_as_it_is(accepts: str | None) -> None:
    given = answer(accepts)
    assert given.body == TEXT
    assert "Content-Encoding" not in given.headers
    assert given.headers["Vary"] == "Accept-Encoding"


def test_little_is_left_alone() -> None:
    assert answer("gzip", b"short").body == b"short"


def test_the_tag_of_other_bytes_is_a_weak_one() -> None:
    assert answer("gzip", ETag='"abc"').headers["ETag"] == 'W/"abc"'
    assert answer(None, ETag='"abc"').headers["ETag"] == '"abc"'


def test_the_length_of_a_page_tells_nothing_exact() -> None:
    assert len({len(answer("gzip").body) for _ in range(40)}) > 5


@pytest.mark.parametrize("name", [b"", b"a-name"])
@pytest.mark.parametrize("body", [b"", b"x", bytes(100_000)])
def test_what_is_packed_is_a_gzip_file(body: bytes, name: bytes) -> None:
    assert gzip.decompress(compression.compress(body, level=9, name=name)) == body

"""The part of the object store's contract that is about signed URLs: each allows one request and no other.

An implementation that has none answers None, and passes.
"""

from __future__ import annotations

import threading
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from openhood.base.ports import ObjectStore


class PresignedContract:
    """What the signed URLs of every `ObjectStore` do; ``store`` is the fixture of `ObjectStoreContract`."""

    def test_presigned_url(self, store: ObjectStore) -> None:
        key = "a/v!$&'()+,:;=@-x.bin"
        store.put(key, b"0123456789")
        headers = {
            "content-type": "text/x-made-up",
            "content-disposition": "inline; filename*=UTF-8''na%C3%AFve%20%22x%22.bin; filename=\"na ve.bin\";",
            "cache-control": "private, max-age=60",
        }
        url = store.presign_get(key, expires_s=300, headers=headers)
        if url is None:
            return
        answer = httpx.get(url)
        assert (answer.status_code, answer.content) == (200, b"0123456789")
        assert {name: answer.headers[name] for name in headers} == headers
        part = httpx.get(url, headers={"Range": "bytes=2-4"})
        assert (part.status_code, part.content) == (206, b"234")
        assert part.headers["content-range"] == "bytes 2-4/10"
        assert part.headers["content-disposition"] == headers["content-disposition"]

    def test_a_presigned_url_opens_nothing_else(self, store: ObjectStore) -> None:
        store.put("a/mine", b"mine")
        store.put("a/other", b"other")
        url = store.presign_get("a/mine", expires_s=300, headers={"content-type": "text/plain"})
        if url is None:
            return
        assert httpx.get(url).content == b"mine"
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        signature = query["X-Amz-Signature"]
        forged = [
            parts._replace(query=""),
            parts._replace(path=parts.path.replace("mine", "other")),
            parts._replace(
                query=urlencode(
                    query | {"X-Amz-Signature": signature[:-1] + ("1" if signature[-1] == "0" else "0")}
                )
            ),
            parts._replace(query=urlencode(query | {"X-Amz-Expires": "86400"})),
            parts._replace(query=urlencode(query | {"response-content-type": "text/html"})),
        ]
        for each in forged:
            assert httpx.get(each.geturl()).status_code in (400, 401, 403), each
        for method in ("PUT", "DELETE"):
            assert httpx.request(method, url).status_code in (400, 401, 403, 405)
        assert store.get("a/mine") == b"mine"

    def test_a_presigned_url_expires(self, store: ObjectStore) -> None:
        store.put("a/b", b"data")
        url = store.presign_get("a/b", expires_s=1, headers={})
        if url is None:
            return
        threading.Event().wait(2.5)
        assert httpx.get(url).status_code in (400, 401, 403)

    def test_a_presigned_range_is_that_range_only(self, store: ObjectStore) -> None:
        key = "a/v!$&'()+,:;=@-x.bin"
        store.put(key, b"0123456789")
        store.put(key.replace("-x", "-y"), b"abcdefghij")
        url = store.presign_range(key, 2, 3, expires_s=300)
        if url is None:
            return
        good = httpx.get(url, headers={"Range": "bytes=2-4"})
        assert (good.status_code, good.content) == (206, b"234")
        assert good.headers["content-range"] == "bytes 2-4/10"
        for headers in (
            {},
            {"Range": "bytes=2-5"},
            {"Range": "bytes=0-4"},
            {"Range": "bytes=2-"},
            {"Range": "bytes=2-4,6-7"},
        ):
            refused = httpx.get(url, headers=headers)
            assert refused.status_code in (400, 401, 403), headers
        other = urlsplit(url)._replace(path=urlsplit(url).path.replace("-x", "-y")).geturl()
        assert other != url
        assert httpx.get(other, headers={"Range": "bytes=2-4"}).status_code in (400, 401, 403)
        assert httpx.put(url, content=b"x", headers={"Range": "bytes=2-4"}).status_code in (400, 401, 403)
        assert store.get(key) == b"0123456789"

    def test_a_presigned_range_expires(self, store: ObjectStore) -> None:
        store.put("a/b", b"data")
        url = store.presign_range("a/b", 0, 2, expires_s=1)
        if url is None:
            return
        threading.Event().wait(2.5)
        assert httpx.get(url, headers={"Range": "bytes=0-1"}).status_code in (400, 401, 403)

    def test_a_presigned_put_takes_that_size_once(self, store: ObjectStore) -> None:
        granted = store.presign_put("a/mine", size_bytes=10, expires_s=300)
        if granted is None:
            return
        assert "content-length" not in {name.lower() for name in granted.headers}
        other = urlsplit(granted.url)._replace(path=urlsplit(granted.url).path.replace("mine", "other"))
        headers = dict(granted.headers)
        for url, content in (
            (granted.url, b"123456789"),
            (granted.url, b"1234567890A"),
            (granted.url, b""),
            (other.geturl(), b"1234567890"),
        ):
            refused = httpx.request(granted.method, url, content=content, headers=headers)
            assert refused.status_code in (400, 401, 403), (url, content)
        assert list(store.list("")) == []
        done = httpx.request(granted.method, granted.url, content=b"1234567890", headers=headers)
        assert 200 <= done.status_code < 300
        assert store.get("a/mine") == b"1234567890"
        if headers:
            # Whoever leaves out what makes it happen once has another request than the one that was signed.
            again = httpx.request(granted.method, granted.url, content=b"0987654321", headers=headers)
            assert again.status_code == 412
            without = httpx.request(granted.method, granted.url, content=b"0987654321")
            assert without.status_code in (400, 401, 403)
            assert store.get("a/mine") == b"1234567890"
        assert httpx.get(granted.url).status_code in (400, 401, 403)

    def test_a_presigned_put_expires(self, store: ObjectStore) -> None:
        granted = store.presign_put("a/b", size_bytes=4, expires_s=1)
        if granted is None:
            return
        threading.Event().wait(2.5)
        late = httpx.request(granted.method, granted.url, content=b"data", headers=dict(granted.headers))
        assert late.status_code in (400, 401, 403)
        assert store.size("a/b") is None

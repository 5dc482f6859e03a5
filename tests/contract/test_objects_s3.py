"""The S3 object store against a real S3 server: the port's contract, its options and its failures."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from openhood.base.errors import Unavailable
from openhood.base.ports import ObjectStore
from openhood.plugins.objects_s3 import open_store
from openhood.testing.contracts import ObjectStoreContract
from openhood.testing.services import S3Service, find_free_port

pytest_plugins = ["openhood.testing.fixtures"]

_KEYS = "access_key=a&secret_key=b"


class TestS3Objects(ObjectStoreContract):
    """The port's contract on a bucket."""

    @pytest.fixture
    def open_again(self, s3_url: str) -> Callable[[], ObjectStore]:
        return lambda: open_store(s3_url)

    # Swift takes the part and breaks the object, where Amazon answers NoSuchUpload.
    test_a_part_after_completion_is_refused = None


class TestS3ObjectsUnderAPrefix(ObjectStoreContract):
    """The part of the contract that a prefix could break."""

    @pytest.fixture
    def open_again(self, swift: S3Service) -> Callable[[], ObjectStore]:
        bucket, _, options = swift.make_bucket().partition("?")
        return lambda: open_store(f"{bucket}/hub/one/?{options}")

    test_a_part_after_completion_is_refused = None
    test_put_file_of_many_parts_and_of_none = None
    test_a_writer_is_invisible_until_commit = None
    test_an_aborted_writer_leaves_what_was_there = None
    test_a_hundred_threads = None
    test_a_big_object_in_little_memory = None
    test_parts_at_the_same_time = None
    test_bad_keys_are_refused = None
    test_get_range = None
    test_keys = None
    test_a_presigned_url_expires = None
    test_a_presigned_range_expires = None
    test_a_presigned_put_expires = None


def test_two_prefixes_do_not_see_each_other(swift: S3Service) -> None:
    bucket, _, options = swift.make_bucket().partition("?")
    one, two = open_store(f"{bucket}/one?{options}"), open_store(f"{bucket}/one-more?{options}")
    one.put("a", b"1")
    assert two.size("a") is None
    assert [each.key for each in one.list("")] == ["a"]
    assert list(two.list("")) == []


@pytest.mark.parametrize(
    "url",
    [
        "file:///a",
        "s3://",
        f"s3://bucket/..?{_KEYS}",
        f"s3://bucket?{_KEYS}&colour=red",
        f"s3://bucket?{_KEYS}&path_style=yes",
        f"s3://bucket?{_KEYS}&endpoint=ftp://x",
        f"s3://bucket?{_KEYS}&part_mib=64",
        "s3://bucket?access_key=a",
    ],
)
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any message will do
        open_store(url)


def test_no_credentials_is_an_error_at_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(ValueError, match="AWS_ACCESS_KEY_ID"):
        open_store("s3://bucket")


def test_credentials_from_the_environment(swift: S3Service, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = swift.make_bucket().partition("?")[0]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", swift.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", swift.secret_key)
    monkeypatch.setenv("AWS_REGION", swift.region)
    store = open_store(bucket, endpoint=swift.endpoint)
    store.put("a", b"1")
    store.check()
    assert store.get("a") == b"1"
    assert [each.key for each in store.list("")] == ["a"]


def test_wrong_credentials_and_buckets_are_unavailable(swift: S3Service, s3_url: str) -> None:
    for url in (
        s3_url.replace("secret_key=testing", "secret_key=wrong"),
        s3_url.replace("s3://", "s3://no-"),
    ):
        store = open_store(url)
        for call in (
            store.check,
            lambda s=store: s.put("a", b"1"),
            lambda s=store: s.create_parts("a"),
            lambda s=store: list(s.list("")),
        ):
            with pytest.raises(Unavailable) as caught:
                call()
            assert swift.secret_key not in caught.value.message


def test_a_server_that_is_down_is_unavailable() -> None:
    store = open_store(f"s3://bucket?{_KEYS}&endpoint=http://127.0.0.1:{find_free_port()}")
    begun = time.monotonic()
    calls: list[Callable[[], object]] = [
        store.check,
        lambda: store.size("a"),
        lambda: store.stream("a", chunk_bytes=10),
        lambda: store.create_parts("a"),
    ]
    for call in calls:
        with pytest.raises(Unavailable):
            call()
    assert time.monotonic() - begun < 100


def test_presigned_urls_name_the_public_endpoint() -> None:
    store = open_store(
        f"s3://bucket/p?{_KEYS}", endpoint="http://10.0.0.1:9000", public_endpoint="https://s3.example.org"
    )
    parts = urlsplit(store.presign_get("a/b", expires_s=60, headers={}) or "")
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "s3.example.org", "/bucket/p/a/b")
    assert "X-Amz-Expires=60" in parts.query


def test_presigned_urls_with_the_bucket_in_the_host() -> None:
    store = open_store(f"s3://bucket?{_KEYS}&region=eu-west-1")
    assert urlsplit(store.presign_get("a", expires_s=60, headers={}) or "").netloc.startswith("bucket.s3.")


def test_presigning_can_be_switched_off() -> None:
    store = open_store(f"s3://bucket?{_KEYS}&presign=0")
    assert store.presign_get("a", expires_s=60, headers={}) is None
    assert store.presign_range("a", 0, 1, expires_s=60) is None
    assert store.presign_put("a", size_bytes=1, expires_s=60) is None


def test_a_presigned_range_is_not_empty() -> None:
    store = open_store(f"s3://bucket?{_KEYS}")
    for start, length in ((-1, 5), (0, 0)):
        with pytest.raises(ValueError, match="range"):
            store.presign_range("a", start, length, expires_s=60)


def test_what_is_signed_into_a_presigned_write(s3_url: str) -> None:
    granted = open_store(s3_url).presign_put("a", size_bytes=7, expires_s=60)
    assert granted is not None
    signed = parse_qs(urlsplit(granted.url).query)["X-Amz-SignedHeaders"][0].split(";")
    assert signed == ["content-length", "host", "if-none-match"]
    assert (granted.method, dict(granted.headers)) == ("PUT", {"If-None-Match": "*"})


def test_finding_out_what_a_service_can_leaves_nothing_behind(swift: S3Service) -> None:
    url = swift.make_bucket()
    open_store(url).presign_put("a", size_bytes=7, expires_s=60)
    bucket = open_store(url)
    assert "Contents" not in bucket._client.list_objects_v2(Bucket=bucket._bucket)


def test_a_service_that_is_down_grants_no_write() -> None:
    store = open_store(f"s3://bucket?{_KEYS}&endpoint=http://127.0.0.1:{find_free_port()}")
    with pytest.raises(Unavailable):
        store.presign_put("a", size_bytes=7, expires_s=60)


def test_a_header_that_cannot_be_bound_is_refused() -> None:
    store = open_store(f"s3://bucket?{_KEYS}")
    with pytest.raises(ValueError, match="x-frame-options"):
        store.presign_get("a", expires_s=60, headers={"x-frame-options": "DENY"})


def test_sweep_aborts_forgotten_uploads(s3_url: str) -> None:
    store = open_store(s3_url)
    parts = store.create_parts("a/b")
    parts.put_part(1, 0, iter([b"x"]))
    assert store.sweep(older_than_s=3600) == 0
    assert store.sweep(older_than_s=-3600) == 1
    assert store.sweep(older_than_s=-3600) == 0

"""The object store in a bucket of any service that speaks the S3 protocol.

Opened as ``s3://bucket/prefix?option=value&…``; the options are those of `s3_options`.

Objects go through obstore, which is fast; multipart writes, listings and presigned URLs through botocore, which
can go on with another process's upload, list by any prefix and bind response headers. What is stored under
which key, and whether its hash is right, is decided elsewhere.
"""

from __future__ import annotations

import functools
import hashlib
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import botocore.session
import obstore
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import create_loader
from obstore.exceptions import BaseError, GenericError, NotFoundError
from obstore.store import S3Store

from openhood.base.errors import Conflict, ObjectMissing, PayloadTooLarge, Unavailable
from openhood.base.ports import PresignedPut, StoredObject
from openhood.plugins.s3_options import KEY, MIB, SEGMENT, S3Options, parse_options

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Credential

_PREFIX = re.compile(rf"(?!.*\.\.)(?:{SEGMENT}(?:/{SEGMENT})*/?)?")
_KEY_BYTES_MAX = 900
_PARTS_MAX = 10_000
_WINDOW_BYTES = 8 * MIB
"""Small windows cost a request each; the small-chunk stream of obstore is slower than these."""
_SPOOL_BYTES = 8 * MIB
_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 60
_REQUEST_TIMEOUT_S = 120
"""For one whole request: a part of 16 MiB at no less than 140 kB/s."""
_RETRIES = 4
_RETRY_TIMEOUT_S = 60
_CREDENTIALS_KEPT_S = 300
_PROBES = ".check/"
# The second is what Swift says of an upload that was completed.
_GONE = ("NoSuchUpload", "NoSuchKey")
_RESPONSE_HEADERS = {
    "content-type": "ResponseContentType",
    "content-disposition": "ResponseContentDisposition",
    "cache-control": "ResponseCacheControl",
}


def open_store(url: str, **options: object) -> S3Objects:
    """Open the store in the bucket of ``url``; the bucket must exist, nothing is asked of the service yet.

    Raises: ValueError for an unknown option or value, or where no credentials are found.
    """
    return S3Objects(parse_options(url, options))


class S3Objects:
    """`ObjectStore` in a bucket; several processes and threads may share it.

    It must be opened after a fork, not before: its connections and threads do not survive one.
    """

    def __init__(self, options: S3Options) -> None:
        session = botocore.session.Session()
        session.register_component("data_loader", _loader())
        if options.access_key is not None:
            session.set_credentials(options.access_key, options.secret_key)
        self._credentials = session.get_credentials()
        if self._credentials is None:
            raise ValueError(
                "No credentials for the S3 object store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESSKEY."
            )
        self._options = options
        self._bucket = options.bucket
        self._client = _client(session, options, options.endpoint)
        self._public = self._client
        if options.public_endpoint is not None:
            self._public = _client(session, options, options.public_endpoint)
        self._objects = self._open_objects()
        self._once_lock = threading.Lock()
        self._is_once: bool | None = None

    def put(self, key: str, data: bytes | bytearray) -> None:
        """See `ObjectStore.put`."""
        name = self._name(key)
        with _failures(key), self._later_write_wins(name):
            obstore.put(self._objects, name, data, use_multipart=len(data) > 2 * self._options.part_bytes)

    def put_file(self, key: str, path: Path) -> None:
        """See `ObjectStore.put_file`: in parts, four at a time, above the size of one part."""
        name = self._name(key)
        size = path.stat().st_size
        part_bytes = max(self._options.part_bytes, -(-size // _PARTS_MAX))
        with _failures(key), self._later_write_wins(name):
            obstore.put(
                self._objects,
                name,
                path,
                use_multipart=size > part_bytes,
                chunk_size=part_bytes,
                max_concurrency=4,
            )

    def open_writer(self, key: str) -> S3Writer:
        """See `ObjectStore.open_writer`."""
        self._name(key)
        return S3Writer(self, key)

    def create_parts(self, key: str) -> S3Parts:
        """See `ObjectStore.create_parts`."""
        name = self._name(key)
        with _failures(key):
            answer = self._client.create_multipart_upload(Bucket=self._bucket, Key=name)
        return S3Parts(self, key, answer["UploadId"])

    def resume_parts(self, key: str, state: str) -> S3Parts:
        """See `ObjectStore.resume_parts`. ``state`` is the service's upload id."""
        self._name(key)
        if not state:
            raise ValueError("This is not the state of a multipart write.")
        return S3Parts(self, key, state)

    def get(self, key: str) -> bytes:
        """See `ObjectStore.get`."""
        name = self._name(key)
        with _failures(key):
            return bytes(obstore.get(self._objects, name).bytes())

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """See `ObjectStore.get_range`: empty from the end on. Raises ValueError for a negative ``start``."""
        name = self._name(key)
        if start < 0:
            raise ValueError("A range starts at 0 or later.")
        with _failures(key):
            if length > 0:
                try:
                    return bytes(obstore.get_range(self._objects, name, start=start, length=length))
                except GenericError:
                    # S3 answers 416 to a range from the end on, which obstore does not tell from other failures.
                    if start < obstore.head(self._objects, name)["size"]:
                        raise
            else:
                obstore.head(self._objects, name)
        return b""

    def stream(self, key: str, *, chunk_bytes: int) -> Iterator[bytes]:
        """See `ObjectStore.stream`: ObjectMissing is raised by this call, not by the first chunk."""
        name = self._name(key)
        with _failures(key):
            meta = obstore.head(self._objects, name)
        return self._stream(key, meta["size"], meta["e_tag"], chunk_bytes)

    def size(self, key: str) -> int | None:
        """See `ObjectStore.size`."""
        name = self._name(key)
        try:
            with _failures(key):
                return obstore.head(self._objects, name)["size"]
        except ObjectMissing:
            return None

    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        name = self._name(key)
        with suppress(ObjectMissing), _failures(key):
            obstore.delete(self._objects, name)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `ObjectStore.list`."""
        if _PREFIX.fullmatch(prefix) is None:
            raise ValueError(f"Not a prefix of object keys: {prefix[:200]!r}.")
        return self._list(prefix)

    def local_path(self, key: str) -> Path | None:
        """See `ObjectStore.local_path`: always None."""
        self._name(key)
        return None

    def presign_get(self, key: str, *, expires_s: int, headers: Mapping[str, str]) -> str | None:
        """See `ObjectStore.presign_get`. Asks nothing of the service: the object may be missing.

        Raises: ValueError for a header that S3 cannot bind.
        """
        parameters = {"Bucket": self._bucket, "Key": self._name(key)}
        for header, value in headers.items():
            if header.lower() not in _RESPONSE_HEADERS:
                raise ValueError(f"A presigned URL cannot set the header {header!r}.")
            parameters[_RESPONSE_HEADERS[header.lower()]] = value
        if not self._options.is_presigning:
            return None
        with _failures(key):
            return str(
                self._public.generate_presigned_url("get_object", Params=parameters, ExpiresIn=expires_s)
            )

    def presign_range(self, key: str, start: int, length: int, *, expires_s: int) -> str | None:
        """See `ObjectStore.presign_range`: the range is among the signed headers, so it must be sent as it is.

        Raises: ValueError for an empty range or one that starts before the beginning.
        """
        name = self._name(key)
        if start < 0 or length < 1:
            raise ValueError("A range starts at 0 or later and has at least one byte.")
        if not self._options.is_presigning:
            return None
        parameters = {"Bucket": self._bucket, "Key": name, "Range": f"bytes={start}-{start + length - 1}"}
        with _failures(key):
            return str(
                self._public.generate_presigned_url("get_object", Params=parameters, ExpiresIn=expires_s)
            )

    def presign_put(self, key: str, *, size_bytes: int, expires_s: int) -> PresignedPut | None:
        """See `ObjectStore.presign_put`: the size is signed, and that the key is free if the service can check it.

        The first call asks the service whether it can. Raises Unavailable where that gets no answer.
        """
        parameters: dict[str, object] = {"Bucket": self._bucket, "Key": self._name(key)}
        if not self._options.is_presigning:
            return None
        parameters["ContentLength"] = size_bytes
        headers: dict[str, str] = {}
        if self._writes_once():
            parameters["IfNoneMatch"] = headers["If-None-Match"] = "*"
        with _failures(key):
            url = self._public.generate_presigned_url("put_object", Params=parameters, ExpiresIn=expires_s)
        return PresignedPut("PUT", str(url), headers)

    def check(self) -> None:
        """See `ObjectStore.check`: writes, reads and deletes a few bytes."""
        name = f"{self._options.prefix}{_PROBES}{secrets.token_hex(16)}"
        try:
            with _failures(name):
                obstore.put(self._objects, name, b"check")
                data = bytes(obstore.get(self._objects, name).bytes())
                obstore.delete(self._objects, name)
        except ObjectMissing as error:
            raise Unavailable("The object store does not have what was just written to it.") from error
        if data != b"check":
            raise Unavailable("The object store does not return what was written to it.")

    def close(self) -> None:
        """See `ObjectStore.close`."""
        self._client.close()
        self._public.close()

    def sweep(self, older_than_s: float) -> int:
        """Abort the multipart writes that were begun more than ``older_than_s`` seconds ago and never ended.

        Returns the number aborted. Choose an age that no live upload reaches: days, not minutes. A lifecycle
        rule of the bucket can do the same.
        """
        aborted = 0
        before_s = time.time() - older_than_s
        with _failures(""):
            pages = self._client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._bucket, Prefix=self._options.prefix
            )
            for upload in [each for page in pages for each in page.get("Uploads", ())]:
                if upload["Initiated"].timestamp() < before_s:
                    self._abort(upload["Key"], upload["UploadId"])
                    aborted += 1
        return aborted

    @contextmanager
    def _later_write_wins(self, name: str) -> Iterator[None]:
        """Take a write that another one of the same key overtook for what it is: done, and replaced.

        Swift answers it with success but without the ETag that obstore insists on.
        """
        try:
            yield
        except GenericError as error:
            if "ETag Header missing" not in str(error):
                raise
            obstore.head(self._objects, name)

    def _writes_once(self) -> bool:
        """Whether the service refuses to write to a key that is taken, where asked to; asked once.

        Amazon's does; others refuse the header itself, or leave it alone.
        """
        with self._once_lock:
            if self._is_once is None:
                self._is_once = self._try_writing_once()
            return self._is_once

    def _try_writing_once(self) -> bool:
        name = f"{self._options.prefix}{_PROBES}{secrets.token_hex(16)}"
        with _failures(name):
            try:
                for _ in range(2):
                    self._client.put_object(Bucket=self._bucket, Key=name, Body=b"once", IfNoneMatch="*")
            except ClientError as error:
                status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
                if status not in (400, 412, 501):
                    raise
                return bool(status == 412)
            finally:
                self._client.delete_object(Bucket=self._bucket, Key=name)
        return False

    def _open_objects(self) -> S3Store:
        options = self._options
        endpoint = options.endpoint
        if endpoint is not None and not options.is_path_style:
            # The Rust crate takes the host of the bucket, not the one of the service.
            parts = urlsplit(endpoint)
            endpoint = parts._replace(netloc=f"{options.bucket}.{parts.netloc}").geturl()
        config: S3Config = {
            "region": options.region,
            "virtual_hosted_style_request": not options.is_path_style,
        }
        if endpoint is not None:
            config["endpoint"] = endpoint
        return S3Store(
            options.bucket,
            config=config,
            credential_provider=self._credential,
            client_options={
                "allow_http": True,
                "connect_timeout": timedelta(seconds=_CONNECT_TIMEOUT_S),
                "read_timeout": timedelta(seconds=_READ_TIMEOUT_S),
                "timeout": timedelta(seconds=_REQUEST_TIMEOUT_S),
            },
            retry_config={"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=_RETRY_TIMEOUT_S)},
        )

    def _credential(self) -> S3Credential:
        """Return the credentials of now, which botocore renews where they belong to a role."""
        frozen = self._credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + timedelta(seconds=_CREDENTIALS_KEPT_S),
        }

    def _name(self, key: str) -> str:
        if len(key) > _KEY_BYTES_MAX or KEY.fullmatch(key) is None:
            raise ValueError(f"Not an object key: {key[:200]!r}.")
        return self._options.prefix + key

    def _stream(self, key: str, size: int, e_tag: str | None, chunk_bytes: int) -> Iterator[bytes]:
        window_bytes = max(_WINDOW_BYTES // chunk_bytes, 1) * chunk_bytes
        for start in range(0, size, window_bytes):
            with _failures(key):
                # The tag makes sure that all windows are of one version.
                window = obstore.get(
                    self._objects,
                    self._name(key),
                    options={"range": (start, min(start + window_bytes, size)), "if_match": e_tag},
                ).bytes()
            view = memoryview(window)
            for offset in range(0, len(view), chunk_bytes):
                yield bytes(view[offset : offset + chunk_bytes])

    def _list(self, prefix: str) -> Iterator[StoredObject]:
        own = self._options.prefix
        paginator = self._client.get_paginator("list_objects_v2")
        with _failures(prefix):
            for page in paginator.paginate(Bucket=self._bucket, Prefix=own + prefix):
                for each in page.get("Contents", ()):
                    key = each["Key"].removeprefix(own)
                    if not key.startswith(_PROBES):
                        yield StoredObject(key, each["Size"], each["LastModified"].timestamp())

    def _put_part(self, name: str, upload: str, number: int, body: Any) -> str:  # Any: bytes or a binary file
        answer = self._client.upload_part(
            Bucket=self._bucket, Key=name, UploadId=upload, PartNumber=number, Body=body
        )
        return str(answer["ETag"])

    def _complete(self, key: str, upload: str, tags: Sequence[str]) -> None:
        name = self._name(key)
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
        try:
            with _failures(key):
                self._client.complete_multipart_upload(
                    Bucket=self._bucket, Key=name, UploadId=upload, MultipartUpload={"Parts": parts}
                )
        except Conflict:
            # The answer to an earlier try may have been lost: botocore's own, or a process that died.
            if not self._is_complete(key, tags):
                raise

    def _is_complete(self, key: str, tags: Sequence[str]) -> bool:
        """Whether the object is the one that these parts make."""
        try:
            sums = b"".join(bytes.fromhex(tag.strip('"')) for tag in tags)
            with _failures(key):
                found = obstore.head(self._objects, self._name(key))["e_tag"]
        except (ValueError, ObjectMissing):
            return False
        # Amazon's form, which the others follow: the MD5 of the parts' MD5s and their number.
        joined = hashlib.md5(sums, usedforsecurity=False).hexdigest()
        return found is not None and found.strip('"') == f"{joined}-{len(tags)}"

    def _abort(self, name: str, upload: str) -> None:
        try:
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=name, UploadId=upload)
        except ClientError as error:
            if _code(error) not in _GONE:
                raise


class S3Writer:
    """`ObjectWriter`: one request on `commit`, or parts as they fill up once there is more than one of them."""

    def __init__(self, store: S3Objects, key: str) -> None:
        self._store = store
        self._key = key
        self._name = store._name(key)
        self._buffer = bytearray()
        self._upload: str | None = None
        self._tags: list[str] = []
        self._is_open = True

    def write(self, data: bytes | memoryview) -> None:
        """See `ObjectWriter.write`. Raises PayloadTooLarge past 10,000 parts."""
        self._require_open()
        part_bytes = self._store._options.part_bytes
        rest = memoryview(data).cast("B")
        while rest:
            if len(self._buffer) == part_bytes:
                self._flush()
            room = part_bytes - len(self._buffer)
            self._buffer += rest[:room]
            rest = rest[room:]

    def commit(self) -> None:
        """See `ObjectWriter.commit`."""
        self._require_open()
        if self._upload is None:
            self._store.put(self._key, self._buffer)
        else:
            if self._buffer:
                self._flush()
            self._store._complete(self._key, self._upload, self._tags)
        self._end()

    def abort(self) -> None:
        """See `ObjectWriter.abort`."""
        upload = self._upload
        self._end()
        if upload is not None:
            with _failures(self._key):
                self._store._abort(self._name, upload)

    def _flush(self) -> None:
        if len(self._tags) == _PARTS_MAX:
            raise PayloadTooLarge("The object is too large to be written in one stream.")
        with _failures(self._key):
            if self._upload is None:
                answer = self._store._client.create_multipart_upload(
                    Bucket=self._store._bucket, Key=self._name
                )
                self._upload = answer["UploadId"]
            self._tags.append(
                self._store._put_part(self._name, self._upload, len(self._tags) + 1, self._buffer)
            )
        # A new one, since the library may still hold the old.
        self._buffer = bytearray()

    def _require_open(self) -> None:
        if not self._is_open:
            raise ValueError("This write was committed or aborted.")

    def _end(self) -> None:
        self._is_open = False
        self._upload = None
        self._buffer = bytearray()


class S3Parts:
    """`PartWriter` over the service's own multipart upload; ``state`` is its upload id."""

    def __init__(self, store: S3Objects, key: str, state: str) -> None:
        self.state = state
        self._store = store
        self._key = key
        self._name = store._name(key)

    def put_part(self, number: int, offset_bytes: int, data: Iterator[bytes]) -> tuple[str, int]:
        """See `PartWriter.put_part`. The service wants the size first, so a big part is spooled to a file.

        Raises: Conflict if the write was completed or aborted.
        """
        if number < 1 or offset_bytes < 0:
            raise ValueError("Parts are numbered from 1 and lie at offset 0 or later.")
        size_bytes = 0
        with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
            for block in data:
                spool.write(block)
                size_bytes += len(block)
            spool.seek(0)
            with _failures(self._key):
                return self._store._put_part(self._name, self.state, number, spool), size_bytes

    def complete(self, tags: Sequence[str]) -> None:
        """See `PartWriter.complete`: a second call after a first that succeeded does nothing.

        Raises: Conflict if the tags do not fit the parts, or the write was aborted.
        """
        if not tags:
            raise ValueError("A multipart write has at least one part.")
        self._store._complete(self._key, self.state, tags)

    def abort(self) -> None:
        """See `PartWriter.abort`."""
        with _failures(self._key):
            self._store._abort(self._name, self.state)


@functools.cache
def _loader() -> Any:  # Any: botocore has no types
    """Return botocore's model of S3, megabytes of JSON, once for all stores."""
    return create_loader()


def _client(session: Any, options: S3Options, endpoint: str | None) -> Any:  # Any: botocore has no types
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if options.is_path_style else "virtual"},
        # Since 1.36 botocore adds a CRC32 trailer that services other than Amazon's do not take.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=_READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": _RETRIES + 1},
        max_pool_connections=64,
    )
    return session.create_client("s3", region_name=options.region, endpoint_url=endpoint, config=config)


def _code(error: Any) -> str:  # Any: botocore has no types
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def _failures(key: str) -> Iterator[None]:
    """Turn the two libraries' errors into what the port promises."""
    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        # obstore documents the first and raises the second.
        if "<Code>NoSuchBucket</Code>" in str(error):
            raise Unavailable("The bucket of the object store does not exist.") from error
        raise ObjectMissing(key) from error
    except ClientError as error:
        code = _code(error)
        if code == "NoSuchBucket":
            raise Unavailable("The bucket of the object store does not exist.") from error
        if code in _GONE:
            raise Conflict("The multipart write was completed or aborted.") from error
        if code in ("InvalidPart", "InvalidPartOrder", "EntityTooSmall"):
            raise Conflict("The tags do not fit the parts of the multipart write.") from error
        raise Unavailable("The object store refuses the request.") from error
    except (BaseError, BotoCoreError) as error:
        raise Unavailable("The object store does not answer.") from error

"""Pointer files are git-lfs's own, and batch requests are read strictly."""

from __future__ import annotations

import hashlib
import shutil
import subprocess

import pytest

from openhood.base.errors import HubError
from openhood.base.names import Sha256
from openhood.engines.lfs import (
    BatchObject,
    BatchRequest,
    Pointer,
    format_pointer,
    parse_batch,
    parse_pointer,
)

OID = Sha256(hashlib.sha256(b"data").hexdigest())
POINTER = Pointer(OID, 4)
TEXT = format_pointer(POINTER)


def test_round_trip() -> None:
    assert f"version https://git-lfs.github.com/spec/v1\noid sha256:{OID}\nsize 4\n".encode() == TEXT
    assert parse_pointer(TEXT) == POINTER


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs is not installed")
def test_same_bytes_as_git_lfs(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("lfs") / "f"
    path.write_bytes(b"data")
    done = subprocess.run(
        ["git-lfs", "pointer", f"--file={path}"], capture_output=True, check=True, cwd=path.parent
    )
    assert done.stdout == TEXT


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace(b"oid", b"ext-0-foo sha256:" + b"1" * 64 + b"\noid"),
        TEXT + b"ext-1-bar sha256:" + b"1" * 64 + b"\n",
        TEXT.replace(b"git-lfs.github.com", b"hawser.github.com"),
        TEXT + b"x-more things and things\n",
    ],
)
def test_other_good_pointers(text: bytes) -> None:
    assert parse_pointer(text) == POINTER


@pytest.mark.parametrize(
    "text",
    [
        b"",
        TEXT[:-1],
        TEXT.replace(b"\n", b"\r\n"),
        b"\n" + TEXT,
        TEXT + b"\n",
        TEXT.replace(b"v1", b"v3"),
        TEXT.replace(b"size 4", b"size -4"),
        TEXT.replace(b"size 4", b"size 4x"),
        TEXT.replace(b"size 4", b"size 99999999999999999999"),
        TEXT.replace(b"size 4\n", b""),
        TEXT.replace(b"sha256", b"sha1"),
        TEXT.replace(OID.encode(), OID.upper().encode()),
        TEXT.replace(OID.encode(), OID[:-1].encode()),
        TEXT + b"size 4\n",
        TEXT + b"a-key out of order\n",
        TEXT + b"\xff\n",
        TEXT + b"z " + b"z" * 1000 + b"\n",
        b"version https://git-lfs.github.com/spec/v1\nsize 4\noid sha256:" + OID.encode() + b"\n",
        b"#!/bin/sh\n",
    ],
)
def test_ordinary_files(text: bytes) -> None:
    assert parse_pointer(text) is None


def test_batch() -> None:
    item = {"oid": OID, "size": 4}
    minimal = parse_batch({"operation": "download", "objects": [item]})
    assert minimal == BatchRequest("download", ("basic",), (BatchObject(OID, 4),), None)
    full = parse_batch(
        {
            "operation": "upload",
            "transfers": ["multipart", "basic"],
            "objects": [],
            "hash_algo": "sha_256",
            "ref": {"name": "refs/heads/main"},
        }
    )
    assert full == BatchRequest("upload", ("multipart", "basic"), (), "refs/heads/main")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"operation": "steal"}, 422),
        ({"operation": None}, 422),
        ({"hash_algo": "sha512"}, 422),
        ({"transfers": "basic"}, 400),
        ({"transfers": [1]}, 400),
        ({"objects": None}, 400),
        ({"objects": ["x"]}, 400),
        ({"objects": [{"size": 1}]}, 400),
        ({"objects": [{"oid": "12", "size": 1}]}, 422),
        ({"objects": [{"oid": OID, "size": -1}]}, 422),
        ({"objects": [{"oid": OID, "size": True}]}, 422),
        ({"objects": [{"oid": OID, "size": 1.5}]}, 422),
        ({"objects": [{"oid": OID, "size": 1}] * 1001}, 413),
    ],
)
def test_bad_batches(change: dict[str, object], status: int) -> None:
    with pytest.raises(HubError) as caught:
        parse_batch({"operation": "download", "objects": [], **change})
    assert caught.value.status == status
    with pytest.raises(HubError):
        parse_batch([])

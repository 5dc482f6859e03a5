"""Files in cells: the bytes as they are, ranges of them, small pictures, permissions in links, and nothing that runs."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from PIL import Image

from openhood.testing.hub import HubUnderTest
from viewer import samples
from viewer.conftest import Desk

IMAGE, AUDIO, VIDEO = ({"_type": kind} for kind in ("Image", "Audio", "Video"))
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"


def media_table() -> pa.Table:
    kept = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    pair = [{"bytes": samples.png(3, 4), "path": None}, {"bytes": samples.png(5, 6), "path": None}]
    made = pa.table(
        {
            "image": samples.media([samples.png(20, 10), samples.jpeg(300, 200), None]),
            "audio": samples.media([samples.wav(), samples.wav(0.2), None], names=["a.wav", None, None]),
            "video": samples.media([b"\0\0\0\x18ftypisom" + bytes(2_000_000), None, None]),
            "odd / name": samples.media(
                [SVG, b"<html><script>1</script>", None], names=["x.svg", "x.html", None]
            ),
            "list": pa.array([pair, [], None], pa.list_(kept)),
            "text": pa.array(["<b>bold</b>", "x", None]),
        }
    )
    features = {
        "image": IMAGE,
        "audio": AUDIO,
        "video": VIDEO,
        "odd / name": IMAGE,
        "list": {"feature": IMAGE, "_type": "List"},
    }
    return samples.with_features(made, {**features, "text": {"dtype": "string", "_type": "Value"}})


@pytest.fixture(scope="module")
def repo(desk: Desk) -> str:
    """A public dataset of media."""
    return desk.make({"train.parquet": samples.parquet(media_table())})


def fetch(desk: Desk, url: str, *, by: Any = None, **headers: str) -> Any:
    parts = urlsplit(url)
    assert parts.netloc == "hub.test"
    return (by or desk.stranger).get(
        f"{parts.path}?{parts.query}" if parts.query else parts.path, headers=headers
    )


def row(desk: Desk, repo: str, number: int) -> dict[str, Any]:
    found: dict[str, Any] = desk.rows(repo, offset=number, length=1)["rows"][0]["row"]
    return found


def test_pictures_and_sounds_as_they_are(desk: Desk, repo: str) -> None:
    cells = row(desk, repo, 0)
    assert (cells["image"]["width"], cells["image"]["height"]) == (20, 10)
    assert "?" not in cells["image"]["src"]
    answer = fetch(desk, cells["image"]["src"])
    assert answer.status_code == 200, answer.text
    assert answer.content == samples.png(20, 10)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("inline")
    assert answer.headers["cache-control"] == "public, max-age=86400"
    again = fetch(desk, cells["image"]["src"], **{"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    sound = fetch(desk, cells["audio"][0]["src"])
    assert (sound.content, sound.headers["content-type"]) == (samples.wav(), "audio/wav")
    assert fetch(desk, row(desk, repo, 1)["image"]["src"]).headers["content-type"] == "image/jpeg"


def test_ranges(desk: Desk, repo: str) -> None:
    src = row(desk, repo, 0)["video"]["src"]
    for _time in range(2):  # out of the worker, then out of what was kept of it
        part = fetch(desk, src, Range="bytes=1000000-1000099")
        assert part.status_code == 206
        assert len(part.content) == 100
        assert part.headers["content-range"] == "bytes 1000000-1000099/2000012"
        assert part.headers["content-type"] == "video/mp4"
    assert fetch(desk, src, Range="bytes=9000000-").status_code == 416
    assert fetch(desk, row(desk, repo, 0)["audio"][0]["src"], Range="bytes=0-3").content == b"RIFF"


def test_media_inside_of_cells(desk: Desk, repo: str) -> None:
    cell = row(desk, repo, 0)["list"]
    assert [(each["width"], each["height"]) for each in cell] == [(3, 4), (5, 6)]
    assert fetch(desk, cell[1]["src"]).content == samples.png(5, 6)


def test_nothing_of_strangers_runs(desk: Desk, repo: str) -> None:
    for number in (0, 1):
        src = row(desk, repo, number)["odd / name"]["src"]
        assert "/odd%20%2F%20name" in src
        answer = fetch(desk, src)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["content-security-policy"].startswith("sandbox")
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert fetch(desk, f"{row(desk, repo, 0)['odd / name']['src']}?thumb=64").status_code == 500


def test_small_pictures(desk: Desk, repo: str) -> None:
    src = row(desk, repo, 1)["image"]["src"]
    for _time in range(2):
        answer = fetch(desk, f"{src}?thumb=100")
        assert answer.status_code == 200, answer.text
        with Image.open(io.BytesIO(answer.content)) as picture:
            assert picture.size == (128, 85)
            assert picture.format == "JPEG"
    for bad in ("0", "x", "513", "-1"):
        assert fetch(desk, f"{src}?thumb={bad}").status_code == 422


def test_what_is_not_there(desk: Desk, repo: str) -> None:
    base = row(desk, repo, 0)["image"]["src"].rsplit("/", 2)[0]
    for path in (
        "3/image",
        "0/nope",
        "0/text",
        "2/image",
        "0/image/x",
        "0/list/2",
        "0/list",
        "99999999/image",
    ):
        answer = fetch(desk, f"{base}/{path}")
        assert answer.status_code == 404, path
        assert answer.headers["x-error-code"] == "AssetNotFound"
    assert fetch(desk, f"{base}/x/image").status_code == 422


def test_links_of_private_data_carry_a_permission(hub: HubUnderTest, desk: Desk) -> None:
    repo = desk.make({"train.parquet": samples.parquet(media_table()), "test.parquet": samples.parquet(media_table())}, private=True)  # fmt: skip
    src = row(desk, repo, 0)["image"]["src"]
    assert src == row(desk, repo, 0)["image"]["src"]
    bare, _, query = src.partition("?")
    assert query.startswith("token=")
    answer = fetch(desk, src)
    assert (answer.status_code, answer.content) == (200, samples.png(20, 10))
    assert answer.headers["cache-control"] == "private, max-age=86400"
    assert fetch(desk, f"{src}&thumb=64").status_code == 200
    # Without it, or with one that is for something else, a stranger learns nothing.
    assert fetch(desk, bare).status_code == 401
    assert fetch(desk, bare, by=desk.bob).status_code == 404
    assert fetch(desk, bare, by=desk.alice).status_code == 200
    assert fetch(desk, src.replace("/train/", "/test/")).status_code == 401
    other = desk.make({"train.parquet": samples.parquet(media_table()), "x.txt": "other"}, private=True)
    theirs = row(desk, other, 0)["image"]["src"].partition("?")[0]
    missing = theirs.replace(other, "alice/nothing")
    for url in (theirs, missing):
        assert fetch(desk, f"{url}?{query}").status_code == 401
        assert fetch(desk, f"{url}?token=nonsense").status_code == 403
        assert fetch(desk, f"{url}?{query}x").status_code == 403
    hub.clock.advance(3 * 3600)
    assert fetch(desk, src).status_code == 403
    assert fetch(desk, row(desk, repo, 0)["image"]["src"]).status_code == 200


def test_a_link_behind_a_gate_is_good_for_what_it_was_made_for(hub: HubUnderTest, desk: Desk) -> None:
    files = {"train.parquet": samples.parquet(media_table()), "test.parquet": samples.parquet(media_table())}
    repo = desk.make(files, gated="manual")
    cells = row(desk, repo, 0)
    picture, video, odd = cells["image"]["src"], cells["video"]["src"], cells["odd / name"]["src"]
    bare, _, token = picture.partition("?")
    # Pieces of what is large, also from what was kept of it: never without the permission.
    for _time in range(2):
        part = fetch(desk, video, Range="bytes=4-7")
        assert (part.status_code, part.content) == (206, b"ftyp")
        assert part.headers["cache-control"] == "private, max-age=86400"
        assert fetch(desk, video.partition("?")[0], Range="bytes=4-7").status_code == 401
    # Another split, another commit, other words: none of these is what it was made for.
    assert fetch(desk, picture.replace("/train/", "/test/")).status_code == 401
    commit = bare.split("/viewer-asset/")[1].split("/")[0]
    desk.commit(repo, {"more.txt": "more"})
    later = row(desk, repo, 0)["image"]["src"].partition("?")[0]
    assert commit not in later
    assert fetch(desk, f"{later}?{token}").status_code == 401
    assert fetch(desk, f"{bare}?{token[:-2]}").status_code == 403
    assert fetch(desk, f"{bare}?token=").status_code == 401
    # A permission is no key to anything but cells.
    for path in ("viewer/rows", "viewer/first-rows", "parquet"):
        asked = f"/api/datasets/{repo}/{path}?config=default&split=train&{token}"
        assert desk.stranger.get(asked).status_code == 401
    assert desk.stranger.get(f"/datasets/{repo}/resolve/main/train.parquet?{token}").status_code == 401
    # What browsers could run is saved, whatever a request asks for, and every answer is sandboxed.
    for url in (picture, video, odd):
        answer = fetch(desk, url, Accept="text/html,image/svg+xml")
        assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in answer.headers
    for number in (0, 1):
        answer = fetch(desk, row(desk, repo, number)["odd / name"]["src"])
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment")
    hub.clock.advance(3 * 3600)
    for url in (picture, video, odd):
        ended = fetch(desk, url, Range="bytes=0-3")
        assert (ended.status_code, ended.headers["cache-control"]) == (403, "no-store")


def test_files_of_a_folder(desk: Desk) -> None:
    repo = desk.make({"train/red/a.png": samples.png(40, 30), "train/blue/b é.png": samples.png(10, 20)})
    page = desk.first_rows(repo)
    src = page["rows"][0]["row"]["image"]["src"]
    assert "/resolve/" in src
    sources = {fetch(desk, each["row"]["image"]["src"]).content for each in page["rows"]}
    assert sources == {samples.png(40, 30), samples.png(10, 20)}
    base = f"/datasets/{repo}/viewer-asset/main/default/train"
    small = desk.stranger.get(f"{base}/0/image?thumb=64")
    assert small.status_code == 200, small.text
    whole = desk.stranger.get(f"{base}/0/image")
    assert (whole.status_code, whole.headers["location"]) == (302, src)


def test_a_bomb_is_no_thumbnail(desk: Desk) -> None:
    made = samples.with_features(pa.table({"image": samples.media([bomb()])}), {"image": IMAGE})
    repo = desk.make({"train.parquet": samples.parquet(made)})
    cell = row(desk, repo, 0)["image"]
    assert cell["width"] == 60_000
    answer = fetch(desk, f"{cell['src']}?thumb=64")
    assert (answer.status_code, answer.headers["x-error-code"]) == (500, "TooBigContentError")


def bomb() -> bytes:
    """A picture of 3.6 billion pixels in a few bytes: its head says so, which is all that anybody should read."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(60_001)))
        + chunk(b"IEND", b"")
    )

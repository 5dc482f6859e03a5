"""LFS uploads in parts: joined and checked only when all is there, whatever happens on the way."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from api.lfs_client import Action, batch, create_repo, download, has, plan, sha256
from openhood.base.settings import Limits
from openhood.domain.storage.uploads import MAX_BATCH_PARTS, MAX_PARTS, SMALL_PART_BYTES, part_size
from openhood.testing.hub import HubUnderTest
from openhood.testing.transport import BrokenAnswer

PART = 5 * 1024 * 1024
LIMITS = Limits(lfs_part_bytes=PART, lfs_multipart_from_bytes=6_000_000)
DATA = os.urandom(1024) * 12_000  # two parts and a rest
HubMaker = Callable[..., HubUnderTest]


@pytest.fixture
def parts_hub(make_hub: HubMaker) -> HubUnderTest:
    return make_hub(limits=LIMITS)


@pytest.fixture
def alice(parts_hub: HubUnderTest) -> httpx.Client:
    client = parts_hub.client(parts_hub.add_user("alice"))
    create_repo(client, "alice/m")
    return client


def _pieces(data: bytes, action: Action) -> Iterator[tuple[int, str, bytes]]:
    size = action.chunk_bytes
    for number, url in enumerate(action.parts, 1):
        yield number, url, data[(number - 1) * size : number * size]


def _send(client: httpx.Client, data: bytes, action: Action) -> list[dict[str, Any]]:
    """Send all parts and return what the completion names."""
    named = []
    for number, url, piece in _pieces(data, action):
        answer = client.put(url, content=piece)
        assert answer.status_code == 200, answer.text
        named.append({"partNumber": number, "etag": answer.headers["etag"]})
    return named


def _complete(client: httpx.Client, action: Action, data: bytes, parts: object) -> httpx.Response:
    return client.post(action.href, json={"oid": sha256(data), "parts": parts})


def _check(hub: HubUnderTest, client: httpx.Client) -> None:
    answer = batch(client, "alice/m", (sha256(DATA), len(DATA)))
    assert answer.json()["transfer"] == "multipart"
    action = plan(client, "alice/m", DATA)
    assert action.chunk_bytes == PART
    assert len(action.parts) == 3
    anyone = hub.client("hf_wrong")

    named = _send(anyone, DATA, action)
    assert not has(client, "alice/m", DATA)
    done = _complete(anyone, action, DATA, named)

    assert done.status_code == 200, done.text
    assert has(client, "alice/m", DATA)
    # A client that did not get the answer asks again.
    assert _complete(anyone, action, DATA, named).status_code == 200


def test_upload_in_parts(parts_hub: HubUnderTest, alice: httpx.Client) -> None:
    _check(parts_hub, alice)
    assert download(alice, "alice/m", DATA) == DATA


def test_upload_in_parts_on_postgresql_and_s3(make_hub: HubMaker, postgres_url: str, s3_url: str) -> None:
    hub = make_hub(limits=LIMITS, database_url=postgres_url, objects_url=s3_url)
    client = hub.client(hub.add_user("alice"))
    create_repo(client, "alice/m")

    _check(hub, client)

    got = batch(client, "alice/m", (sha256(DATA), len(DATA)), operation="download").json()
    href = got["objects"][0]["actions"]["download"]["href"]
    assert not href.startswith(hub.url)
    assert httpx.get(href).content == DATA
    # A wrong whole is found out there too.
    wrong = bytearray(DATA)
    wrong[7] ^= 1
    action = plan(client, "alice/m", bytes(wrong))
    named = _send(client, DATA, action)
    assert _complete(client, action, bytes(wrong), named).status_code == 400
    hub.run_jobs()
    assert len(list(hub.sv.objects.list("lfs/"))) == 1


def test_small_files_and_plain_clients_get_one_stream(alice: httpx.Client) -> None:
    small = batch(alice, "alice/m", (sha256(b"small"), 5)).json()
    plain = batch(alice, "alice/m", (sha256(DATA), len(DATA)), transfers=("basic",)).json()

    assert small["transfer"] == plain["transfer"] == "basic"
    assert "header" not in plain["objects"][0]["actions"]["upload"]


def test_one_large_file_puts_the_whole_batch_into_parts(alice: httpx.Client) -> None:
    """git-lfs hands a whole batch to one agent, which crashes on an object without ``chunk_size``."""
    answer = batch(
        alice, "alice/m", (sha256(DATA), len(DATA)), (sha256(b"small"), 5), (sha256(b""), 0)
    ).json()
    large, small, empty = (
        Action(each["actions"]["upload"]["href"], each["actions"]["upload"]["header"])
        for each in answer["objects"]
    )

    assert [len(each.parts) for each in (large, small, empty)] == [3, 1, 0]
    assert _complete(alice, small, b"small", _send(alice, b"small", small)).status_code == 200
    assert _complete(alice, empty, b"", []).status_code == 200
    assert download(alice, "alice/m", b"small") == b"small"
    assert download(alice, "alice/m", b"") == b""


def test_parts_in_any_order_and_sent_again(alice: httpx.Client) -> None:
    action = plan(alice, "alice/m", DATA)
    pieces = list(_pieces(DATA, action))
    tags = {}
    for number, url, piece in reversed(pieces):
        tags[number] = alice.put(url, content=piece).headers["etag"]
    wrong = alice.put(pieces[1][1], content=b"x" * PART)
    assert wrong.headers["etag"] != tags[2]
    tags[2] = alice.put(pieces[1][1], content=pieces[1][2]).headers["etag"]

    # In any order, and with the quotes lost.
    named = [{"partNumber": number, "etag": tags[number].strip('"')} for number in (3, 1, 2)]

    assert _complete(alice, action, DATA, named).status_code == 200
    assert download(alice, "alice/m", DATA) == DATA


def test_missing_and_confused_parts(alice: httpx.Client) -> None:
    action = plan(alice, "alice/m", DATA)
    pieces = list(_pieces(DATA, action))
    early = _complete(alice, action, DATA, [])
    assert early.status_code == 400
    assert "Part 1 of 3 was not uploaded" in early.json()["message"]
    named = _send(alice, DATA, action)

    for parts, word in (
        (named[:2], "Part 3 of 3 is not named"),
        ([*named, {"partNumber": 4, "etag": "x"}], "not one of 1 to 3"),
        ([*named, named[0]], "twice"),
        ([{**named[0], "etag": named[1]["etag"]}, *named[1:]], "ETag of part 1"),
        ([{"partNumber": 1}], "etag"),
        ([{"partNumber": "1", "etag": "x"}], "partNumber"),
        ("nothing", "parts"),
    ):
        answer = _complete(alice, action, DATA, parts)
        assert answer.status_code == 400, answer.text
        assert word in answer.json()["message"]
    assert alice.post(action.href, json={"oid": sha256(b"x"), "parts": named}).status_code == 400
    assert alice.post(action.href, content=b"{").status_code == 400
    assert alice.put(pieces[0][1].replace("/parts/1?", "/parts/4?"), content=b"x").status_code == 400
    assert alice.put(pieces[0][1].replace("/parts/1?", "/parts/0?"), content=b"x").status_code == 400
    assert alice.put(pieces[0][1].replace("/parts/1?", "/parts/x?"), content=b"x").status_code == 400
    assert not has(alice, "alice/m", DATA)
    # None of that did any harm.
    assert _complete(alice, action, DATA, named).status_code == 200


def test_a_part_of_the_wrong_size(alice: httpx.Client) -> None:
    action = plan(alice, "alice/m", DATA)
    _number, url, piece = next(_pieces(DATA, action))

    assert alice.put(url, content=piece[:-1]).status_code == 400
    assert alice.put(url, content=iter([piece[:-1]])).status_code == 400
    assert alice.put(url, content=piece + b"!").status_code == 413
    assert alice.put(url, content=iter([piece, b"!" * 3_000_000])).status_code == 413
    answer = _complete(alice, action, DATA, [])
    assert "Part 1 of 3 was not uploaded" in answer.json()["message"]
    assert _complete(alice, action, DATA, _send(alice, DATA, action)).status_code == 200


def test_a_part_whose_repetition_breaks_off_counts_no_more(alice: httpx.Client) -> None:
    action = plan(alice, "alice/m", DATA)
    named = _send(alice, DATA, action)
    _number, url, piece = next(_pieces(DATA, action))

    assert alice.put(url, content=iter([piece[:-1]])).status_code == 400

    assert "Part 1 of 3 was not uploaded" in _complete(alice, action, DATA, named).json()["message"]
    again = alice.put(url, content=piece).headers["etag"]
    named[0] = {"partNumber": 1, "etag": again}
    assert _complete(alice, action, DATA, named).status_code == 200


def test_a_client_that_hangs_up_in_a_part(alice: httpx.Client) -> None:
    action = plan(alice, "alice/m", DATA)
    _number, url, piece = next(_pieces(DATA, action))

    def broken_off() -> Iterator[bytes]:
        yield piece[:3_000_000]
        raise ConnectionError

    with pytest.raises(BrokenAnswer):
        alice.put(url, content=broken_off())

    assert "Part 1 of 3 was not uploaded" in _complete(alice, action, DATA, []).json()["message"]
    assert _complete(alice, action, DATA, _send(alice, DATA, action)).status_code == 200
    assert download(alice, "alice/m", DATA) == DATA


def test_parts_that_make_another_object(parts_hub: HubUnderTest, alice: httpx.Client) -> None:
    action = plan(alice, "alice/m", DATA)
    named = _send(alice, b"x" * len(DATA), action)

    answer = _complete(alice, action, DATA, named)

    assert answer.status_code == 400
    assert "SHA-256" in answer.json()["message"]
    assert not has(alice, "alice/m", DATA)
    assert _complete(alice, action, DATA, named).status_code == 404
    parts_hub.run_jobs()
    assert list(parts_hub.sv.objects.list("lfs/")) == []


def test_two_uploads_of_the_same_object(parts_hub: HubUnderTest, alice: httpx.Client) -> None:
    first, second = plan(alice, "alice/m", DATA), plan(alice, "alice/m", DATA)
    named_first, named_second = _send(alice, DATA, first), _send(alice, DATA, second)

    assert _complete(alice, first, DATA, named_first).status_code == 200
    assert _complete(alice, second, DATA, named_second).status_code == 200

    parts_hub.run_jobs()
    assert len(list(parts_hub.sv.objects.list("lfs/"))) == 1
    assert download(alice, "alice/m", DATA) == DATA


def test_a_completion_that_died_before_its_rows(parts_hub: HubUnderTest, alice: httpx.Client) -> None:
    """The bytes were joined, and the process killed before anybody could know."""
    action = plan(alice, "alice/m", DATA)
    named = _send(alice, DATA, action)
    with parts_hub.sv.db.read() as tx:
        key, state = tx.exec_driver_sql("SELECT key, store_state FROM lfs_uploads").one()
    parts_hub.sv.objects.resume_parts(key, state).complete([each["etag"] for each in named])
    assert not has(alice, "alice/m", DATA)

    assert _complete(alice, action, DATA, named).status_code == 200

    assert download(alice, "alice/m", DATA) == DATA


def test_unfinished_parts_are_swept(parts_hub: HubUnderTest, alice: httpx.Client) -> None:
    unfinished = plan(alice, "alice/m", DATA)
    named = _send(alice, DATA, unfinished)
    scratch = parts_hub.data_dir / "objects" / ".parts"
    assert len(list(scratch.iterdir())) == 1

    parts_hub.clock.advance(26 * 3600)
    parts_hub.run_jobs()

    assert list(scratch.iterdir()) == []
    assert _complete(alice, unfinished, DATA, named).status_code == 403
    with parts_hub.sv.db.read() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM lfs_parts").scalar() == 0


def test_part_links_are_bound(alice: httpx.Client) -> None:
    action = plan(alice, "alice/m", DATA)
    single = plan(alice, "alice/m", b"small")
    url = action.parts[0]

    assert alice.put(url.partition("?")[0], content=b"x").status_code == 403
    assert alice.put(url[:-2] + "xx", content=b"x").status_code == 403
    assert (
        alice.put(f"{url.partition('?')[0]}?{single.href.partition('?')[2]}", content=b"x").status_code == 403
    )
    assert alice.put(action.href, content=DATA).status_code == 403


@pytest.mark.parametrize(
    ("size", "least", "expected"),
    [
        (1, PART, PART),
        (MAX_PARTS * PART, PART, PART),
        (MAX_PARTS * PART + 1, PART, 6 * 1024 * 1024),
        (500_000_000_000, 64 * 1024 * 1024, 64 * 1024 * 1024),
        (5_000_000_000_000, 64 * 1024 * 1024, 477 * 1024 * 1024),
    ],
)
def test_part_sizes_keep_to_ten_thousand_parts(size: int, least: int, expected: int) -> None:
    assert part_size(size, least) == expected
    assert -(-size // part_size(size, least)) <= MAX_PARTS


def test_a_batch_of_giants_has_a_bounded_answer(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_user("alice"))
    create_repo(client, "alice/m")
    size = 400_000_000_000

    answer = batch(client, "alice/m", *[(sha256(b"%d" % number), size) for number in range(100)])

    headers = [each["actions"]["upload"]["header"] for each in answer.json()["objects"]]
    assert len(headers) == 100
    assert sum(len(each) - 1 for each in headers) <= MAX_BATCH_PARTS + 100
    assert all(len(each) - 1 == -(-size // int(each["chunk_size"])) for each in headers)


def test_whoever_names_only_parts_gets_small_ones(make_hub: HubMaker) -> None:
    hub = make_hub()
    client = hub.client(hub.add_user("alice"))
    create_repo(client, "alice/m")
    wish = (sha256(DATA), len(DATA))
    assert batch(client, "alice/m", wish).json()["transfer"] == "basic"
    assert batch(client, "alice/m", wish, transfers=("multipart",)).json()["transfer"] == "multipart"
    action = plan(client, "alice/m", DATA, transfers=("multipart",))
    assert (action.chunk_bytes, len(action.parts)) == (SMALL_PART_BYTES, 2)
    named = _send(client, DATA, action)
    assert _complete(client, action, DATA, named).status_code == 200
    assert has(client, "alice/m", DATA)

"""What a job reads in the weights of a model, only in their headers, and the route that hands headers out."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, func, select

from api.content import Content, Large, Link
from api.desk import Desk, file, lfs_file
from api.xet_content import store_simple
from openhood.base.errors import CorruptObject, ObjectMissing
from openhood.base.names import EMPTY_TREE, Oid, RepoType
from openhood.domain.access import ANONYMOUS
from openhood.domain.repos import shard_headers, weighing
from openhood.domain.repos.contents import sum_tree
from openhood.domain.services import Services
from openhood.engines.git.packs import PackWriter
from openhood.engines.git.store import ObjectDb
from openhood.infra.db.discovery_tables import weight_headers
from openhood.infra.db.tables import jobs, lfs_objects, repo_lfs, repos
from openhood.testing.hub import HubUnderTest

INDEX = "model.safetensors.index.json"


def safetensors(tensors: Mapping[str, tuple[str, list[int]]], *, more: bytes = b"") -> bytes:
    """A file of zeros."""
    width = {"F32": 4, "F16": 2, "BF16": 2, "U8": 1, "I32": 4}
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, (dtype, shape) in tensors.items():
        size = width[dtype]
        for each in shape:
            size *= each
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at) + more


def header_of(data: bytes) -> Any:
    """The header of a file, parsed."""
    return json.loads(data[8 : 8 + struct.unpack_from("<Q", data)[0]])


def gguf(parameters: int, **facts: str | int) -> bytes:
    """A GGUF file with one tensor."""
    pairs = b""
    for key, value in facts.items():
        name = key.replace("__", ".").encode()
        pairs += struct.pack("<Q", len(name)) + name
        if isinstance(value, str):
            pairs += struct.pack("<IQ", 8, len(value)) + value.encode()
        else:
            pairs += struct.pack("<II", 4, value)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(facts)) + pairs
    return head + struct.pack("<Q", 1) + b"w" + struct.pack("<IQIQ", 1, parameters, 2, 0) + bytes(parameters)


LLAMA: dict[str, str | int] = {
    "general__architecture": "llama",
    "general__file_type": 15,
    "llama__context_length": 4096,
    "tokenizer__chat_template": "{{ messages }}",
}


def weighed(content: Content) -> tuple[Any, Any, Any]:
    """What a repository's row says, after all jobs."""
    repo = content.repo.id
    with content.sv.db.read() as tx:
        columns = (repos.c.weights, repos.c.parameters, repos.c.main_bytes)
        row = tx.execute(select(*columns).where(repos.c.id == repo)).one()
    return row.weights, row.parameters, row.main_bytes


def weigh(content: Content) -> tuple[Any, Any, Any]:
    """Weigh a repository now, and return what its row says."""
    weighing.weigh_now(content.sv, content.repo.id)
    return weighed(content)


class CountingStore:
    """The hub's store, which notes what is read of it."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.reads: list[tuple[str, int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Read and note."""
        data: bytes = self._store.get_range(key, start, length)
        self.reads.append((key, len(data)))
        return data


def counting(sv: Services) -> tuple[Services, CountingStore]:
    """The same hub with a store that counts."""
    store = CountingStore(sv.objects)
    return replace(sv, objects=store), store


@pytest.fixture
def model(hub: HubUnderTest) -> Content:
    """An empty model of alice's."""
    hub.add_user("alice")
    return Content(hub.sv, "alice/m")


def test_a_commit_leads_to_its_weights(hub_on_both: HubUnderTest) -> None:
    desk = Desk(hub_on_both)
    data = safetensors({"a": ("BF16", [4, 4]), "b": ("F32", [2])})
    desk.done(lfs_file("model.safetensors", desk.add_lfs(data)), file("notes.txt", b"12345"))
    hub_on_both.run_jobs()
    repo = desk.repo.id
    with hub_on_both.sv.db.read() as tx:
        row = tx.execute(select(repos).where(repos.c.id == repo)).one()
        kept = tx.execute(select(weight_headers)).one()
        assert (
            tx.execute(select(func.count()).select_from(jobs).where(jobs.c.kind == "weigh_tip")).scalar() == 0
        )
    assert row.weights == {
        "safetensors": {"parameters": {"BF16": 16, "F32": 2}, "total": 18, "sharded": False}
    }
    assert list(row.weights["safetensors"]["parameters"]) == ["BF16", "F32"]
    attributes = len(desk.content(".gitattributes"))
    assert (row.parameters, row.main_bytes) == (18, len(data) + 5 + attributes)
    assert (kept.kind, kept.error) == ("safetensors", None)


def test_where_the_weights_are(model: Content) -> None:
    one, two = safetensors({"a": ("F16", [3])}), safetensors({"b": ("F32", [5])})
    index = json.dumps(
        {"metadata": {}, "weight_map": {"a": "x/1.safetensors", "b": "2.safetensors"}}
    ).encode()
    for number, (files, total, sharded) in enumerate(
        (
            ({"model.safetensors": one, "other.safetensors": two}, 3, False),
            ({INDEX: index, "x/1.safetensors": one, "2.safetensors": two, "z.safetensors": one}, 8, True),
            ({INDEX: index, "x/1.safetensors": one}, None, None),
            (
                {INDEX: b'{"weight_map": {"a": "../1.safetensors", "b": "\\u0000"}}', "1.safetensors": one},
                None,
                None,
            ),
            ({INDEX: b"nonsense", "1.safetensors": one}, None, None),
            (
                {
                    "unet/diffusion_pytorch_model.safetensors": two,
                    "vae/diffusion_pytorch_model.safetensors": one,
                },
                None,
                None,
            ),
            (
                {"only.safetensors": one, "adapter_model.safetensors": two, "my_lora.safetensors": two},
                3,
                False,
            ),
            ({"adapter_model.safetensors": one}, None, None),
            ({"one.safetensors": one, "two.safetensors": two}, None, None),
            ({"w-00001-of-00002.safetensors": one, "w-00002-of-00002.safetensors": two}, 8, True),
            ({"w-00001-of-00003.safetensors": one, "w-00002-of-00003.safetensors": two}, None, None),
            ({"model.safetensors": one[:20]}, None, None),
            ({"model.safetensors": Link("other"), "deep/down/model.safetensors": one}, None, None),
        )
    ):
        each = Content(model.sv, f"alice/n{number}")
        each.commit(files)  # type: ignore[arg-type]  # any of the kinds of files
        weights, parameters, _ = weigh(each)
        assert parameters == total, files.keys()
        assert (weights is None) == (total is None)
        assert sharded is None or weights["safetensors"]["sharded"] is sharded
    pipeline = Content(model.sv, "alice/pipeline")
    pipeline.commit(
        {"unet/diffusion_pytorch_model.safetensors": two, "vae/diffusion_pytorch_model.safetensors": one}
    )
    pipeline.set(library_name="diffusers")
    assert weigh(pipeline)[1] == 5
    dataset = Content(model.sv, "alice/d", kind=RepoType.DATASET)
    dataset.commit({"model.safetensors": one})
    assert weigh(dataset) == (None, None, len(one))


def test_quantised_weights_are_counted_by_their_config(model: Content) -> None:
    data = safetensors({"a.qweight": ("I32", [10]), "a.scales": ("F16", [4]), "n.weight": ("F16", [3])})
    model.commit({"model.safetensors": Large(data)})
    assert weigh(model)[1] == 17
    model.commit({"config.json": b'{"quantization_config": {"quant_method": "gptq", "bits": 4}}'})
    sv, store = counting(model.sv)
    weighing.weigh_now(sv, model.repo.id)
    assert weighed(model)[0]["safetensors"]["parameters"] == {"I32": 80, "F16": 3}
    assert store.reads == [], "what a header says is known"
    model.commit({"config.json": b'{"quantization_config": [1'})
    assert weigh(model)[1] == 17


def test_gguf(model: Content) -> None:
    model.commit(
        {"m-Q4_K_M.gguf": Large(gguf(40, **LLAMA)), "m-mmproj-f16.gguf": gguf(9), "x/a.gguf": gguf(7)}
    )
    weights, parameters, _ = weigh(model)
    assert weights == {
        "gguf": {
            "total": 40,
            "architecture": "llama",
            "context_length": 4096,
            "chat_template": "{{ messages }}",
            "quantization": "Q4_K_M",
        }
    }
    assert parameters == 40
    model.commit({"model.safetensors": safetensors({"a": ("F16", [3])})})
    weights, parameters, _ = weigh(model)
    assert (weights["gguf"]["total"], parameters) == (40, 3), "the exact number before the packed one"
    shards = Content(model.sv, "alice/shards")
    shards.commit({"Q8/m-00001-of-00002.gguf": gguf(5, **LLAMA), "Q8/m-00002-of-00002.gguf": gguf(6)})
    assert weigh(shards)[0]["gguf"]["total"] == 11
    adapter = Content(model.sv, "alice/adapter")
    adapter.commit(
        {"a.gguf": b"GGUF nonsense", "b.gguf": gguf(5, general__type="adapter"), "c.gguf": gguf(8)}
    )
    assert weigh(adapter)[0]["gguf"]["total"] == 8


def test_a_bad_header_is_no_fact_and_no_failure(model: Content) -> None:
    bad = struct.pack("<Q", 2**40) + bytes(3_000_000)
    model.commit({"model.safetensors": Large(bad), "m.gguf": Large(b"GGUF" + bytes(100))})
    assert weigh(model) == (None, None, len(bad) + 104)
    with model.sv.db.read() as tx:
        errors = dict(tx.execute(select(weight_headers.c.kind, weight_headers.c.error)).all())
        assert set(tx.execute(select(weight_headers.c.facts)).scalars()) == {None}
    assert "25000000" in errors["safetensors"]
    assert "version" in errors["gguf"]
    assert weigh(model) == (None, None, len(bad) + 104)


def test_only_headers_are_read_and_only_once(model: Content) -> None:
    weight_map, files = {}, {}
    for number in range(100):
        name = f"model-{number:05}.safetensors"
        weight_map[f"t{number}"] = name
        files[name] = Large(safetensors({f"t{number}": ("F32", [number + 1, 1000])}, more=bytes(200_000)))
    index = json.dumps({"weight_map": weight_map}).encode()
    model.commit({**files, INDEX: index})
    sv, store = counting(model.sv)
    weighing.weigh_now(sv, model.repo.id)
    assert weighed(model)[1] == 1000 * 5050
    assert len(store.reads) == 100
    assert sum(length for _, length in store.reads) == 100 * 100_000, "of 40 MB"
    fork = Content(model.sv, "alice/fork")
    fork.commit({**files, INDEX: index})
    store.reads.clear()
    weighing.weigh_now(sv, fork.repo.id)
    assert weighed(fork) == weighed(model)
    assert store.reads == []


def test_files_of_chunks_and_large_blobs(model: Content) -> None:
    tensors = {f"tensor.{n:05}": ("F16", [2]) for n in range(3000)}
    data = safetensors(tensors, more=bytes(100)) + hashlib.sha256(b"x").digest() * 100_000
    made = store_simple(model.sv, model.repo.id, data)
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{made.sha256}\nsize {len(data)}\n"
    model.commit({"model.safetensors": pointer.encode()})
    assert weigh(model) == (
        {"safetensors": {"parameters": {"F16": 6000}, "total": 6000, "sharded": False}}, 6000, len(data)
    )  # fmt: skip
    assert made.key is None
    blob = Content(model.sv, "alice/blob")
    blob.commit({"model.safetensors": data})
    assert weigh(blob) == weighed(model)


def test_what_is_missing_is_tried_again(model: Content) -> None:
    data = Large(safetensors({"a": ("F16", [3])}))
    model.commit({"model.safetensors": data})
    key = model.store_large(model.repo, data)
    model.sv.objects.delete(key)
    with pytest.raises(ObjectMissing):
        weighing.weigh_now(model.sv, model.repo.id)
    assert weighed(model) == (None, None, len(data.data)), "what needs no bytes is written all the same"
    model.sv.objects.put(key, data.data[:-4])
    with pytest.raises(CorruptObject):
        weighing.weigh_now(model.sv, model.repo.id)
    with model.sv.db.read() as tx:
        assert tx.execute(select(weight_headers)).all() == [], "the store's fault is no fact of the file"
    model.sv.objects.put(key, data.data)
    assert weigh(model)[1] == 3


def test_a_deleted_object_is_no_weight(model: Content) -> None:
    data = Large(safetensors({"a": ("F16", [3])}))
    model.commit({"model.safetensors": data})
    with model.sv.db.write() as tx:
        tx.execute(delete(repo_lfs))
    assert weigh(model) == (None, None, len(data.data))
    with model.sv.db.write() as tx:
        tx.execute(delete(lfs_objects))
    assert weigh(model)[1] is None


def test_main_that_moved_on_is_left_to_its_own_job(model: Content) -> None:
    model.commit({"model.safetensors": safetensors({"a": ("F16", [3])})})
    head = model.repo.head_oid
    model.set(head_oid="0" * 40)
    assert weigh(model) == (None, None, 0)
    model.set(head_oid=head)
    assert weigh(model)[1] == 3
    model.commit({"model.safetensors": None, "x": b"1"})
    assert weigh(model) == (None, None, 1)
    weighing.weigh_tip(model.sv, {"repo": 999_999})


def test_reading_ends_where_it_is_too_much() -> None:
    meter = weighing.Meter(10)
    read = meter.over(lambda start, length: bytes(length))
    assert (read(0, 4), read(9, 6)) == (bytes(4), bytes(6))
    with pytest.raises(weighing.TooMuchToRead):
        read(0, 1)


def test_trees_that_name_each_other_many_times_end(model: Content, tmp_path: Path) -> None:
    """Ten names for the same tree, twenty levels deep, are as many files as there are grains of sand."""
    (tmp_path / "pack").mkdir()
    with PackWriter(tmp_path / "pack") as pack:
        tree = pack.add("tree", b"100644 x\0" + bytes.fromhex(pack.add("blob", b"12345")))
        for _ in range(20):
            tree = pack.add("tree", b"".join(b"40000 %d\0" % n + bytes.fromhex(tree) for n in range(10)))
        pack.finish()
    objects = ObjectDb(tmp_path)
    assert sum_tree(model.sv, objects, tree) == 2**63 - 1, "more than a column holds"
    assert sum_tree(model.sv, objects, EMPTY_TREE) == 0


def test_the_size_of_main_is_that_of_the_tree(model: Content) -> None:
    big = Large(b"x" * 5000)
    files = {f"d{n % 3}/e/{n}.txt": b"y" * n for n in range(500)}
    model.commit({**files, "big.bin": big, "link": Link("big.bin")})
    size = sum(range(500)) + 5000 + len("big.bin")
    assert weigh(model)[2] == size
    answer = model.sv.facts.get(
        (
            "tree size",
            ObjectDb(model.sv.packs.directory(model.repo.id)).commit(Oid(str(model.repo.head_oid))).tree,
        )
    )
    assert answer == size
    model.commit({"d1/e/1.txt": None, "more": b"12"})
    assert weigh(model)[2] == size - 1 + 2


# --- the route ------------------------------------------------------------------------------


def shards() -> dict[str, bytes]:
    """Three files of a model."""
    return {f"m-{n}.safetensors": safetensors({f"t{n}": ("F16", [n, 2])}) for n in (1, 2, 3)}


def index_of(files: Mapping[str, bytes]) -> bytes:
    """The index of a model's files."""
    weight_map = {
        name: path for path, data in files.items() for name in header_of(data) if name != "__metadata__"
    }
    return json.dumps({"metadata": {"total_size": 24}, "weight_map": weight_map}).encode()


def get(client: httpx.Client, path: str = INDEX, repo: str = "alice/m") -> httpx.Response:
    """Ask for headers."""
    return client.get(f"/api/models/{repo}/safetensors-metadata/{path}")


def test_headers_of_all_shards(hub: HubUnderTest, model: Content) -> None:
    files = shards()
    stored: dict[str, Any] = {name: Large(data) for name, data in files.items()}
    below = {f"sub/dir/{name}": data for name, data in files.items()}
    oid = model.commit(
        {**stored, INDEX: index_of(files), "sub/dir/x.safetensors.index.json": index_of(files), **below}
    )
    for path in (INDEX, "sub/dir/x.safetensors.index.json", INDEX):
        answer = get(hub.client(), path)
        assert answer.status_code == 200, answer.text
        assert answer.headers["x-repo-commit"] == oid
        assert answer.json() == {
            "index": {"metadata": {"total_size": 24}},
            "headers": {name: header_of(data) for name, data in files.items()},
        }
    sv, store = counting(hub.sv)
    found = shard_headers.read_shard_headers(
        sv, ANONYMOUS, repo_type=RepoType.MODEL, repo_id=model.repo_id, path=INDEX
    )
    assert len(found.headers) == 3
    assert store.reads == [], "remembered by content"


def test_what_cannot_be_answered_is_said(hub: HubUnderTest, model: Content) -> None:
    files = shards()
    broken = {**files, "m-2.safetensors": b"nonsense of some length"}
    model.commit(
        {
            **files,
            "good" + INDEX: index_of(files),
            "sub/" + INDEX: index_of(files),
            "no/" + INDEX: b"{}",
            "out/" + INDEX: b'{"weight_map": {"a": "../m-1.safetensors"}}',
            "dir/" + INDEX: b'{"weight_map": {"a": "x"}}',
            "dir/x/y": b"1",
            "broken/" + INDEX: index_of(files),
            **{f"broken/{name}": data for name, data in broken.items()},
        }
    )
    client = hub.client()
    for path, status, code, words in (
        ("nope", 404, "EntryNotFound", ""),
        ("sub", 404, "EntryNotFound", ""),
        ("m-1.safetensors", 400, None, "index.json"),
        ("sub/" + INDEX, 404, "EntryNotFound", "m-1.safetensors"),
        ("out/" + INDEX, 404, "EntryNotFound", "../m-1.safetensors"),
        ("dir/" + INDEX, 404, "EntryNotFound", "'x'"),
        ("no/" + INDEX, 422, None, "weight_map"),
        ("broken/" + INDEX, 422, None, "m-2.safetensors"),
    ):
        answer = get(client, path)
        assert answer.status_code == status, (path, answer.text)
        assert answer.headers.get("x-error-code") == code, path
        assert words in answer.json()["error"]
    assert get(client, "good" + INDEX).status_code == 200
    assert get(client, repo="alice/none").status_code == 401


def test_too_much_is_refused(hub: HubUnderTest, model: Content) -> None:
    text = json.dumps({"__metadata__": {"x": "y" * 23_000_000}}).encode()
    huge = struct.pack("<Q", len(text)) + text
    weight_map = {"a": "1.safetensors", "b": "2.safetensors", "c": "3.safetensors"}
    files = {name: Large(huge) for name in weight_map.values()}
    chatty = json.dumps({"weight_map": {}, "extra": "y" * 1_100_000}).encode()
    model.commit({**files, INDEX: json.dumps({"weight_map": weight_map}).encode(), "x/" + INDEX: chatty})
    answer = get(hub.client())
    assert answer.status_code == 413
    assert "get_safetensors_metadata" in answer.json()["error"]
    assert get(hub.client(), "x/" + INDEX).status_code == 422


def test_only_those_who_may_read(hub: HubUnderTest, model: Content) -> None:
    files = shards()
    content = {**files, INDEX: index_of(files)}
    model.commit({**content})
    model.set(gated="manual")
    assert get(hub.client()).status_code == 401
    stranger = hub.client(hub.add_user("bob"))
    assert get(stranger).headers["x-error-code"] == "GatedRepo"
    model.set(gated="", visibility="private")
    answer = get(stranger)
    assert (answer.status_code, answer.headers["x-error-code"]) == (404, "RepoNotFound")
    assert get(hub.client(hub.add_token("alice"))).status_code == 200
    assert hub.client().get(f"/api/datasets/alice/m/safetensors-metadata/{INDEX}").status_code == 404

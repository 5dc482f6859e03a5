"""What clients say of weights: they read the headers themselves, or ask the hub for all at once."""

from __future__ import annotations

from clients.conftest import ClientMaker
from clients.drivers import Client, Hub


def test_safetensors_metadata(alice: Client, hub: Hub, generation: str) -> None:
    def story(repo: str) -> dict:
        import json
        import struct

        import kit
        from huggingface_hub import HfApi

        def safetensors(tensors: dict, more: int = 0) -> bytes:
            header, at = {"__metadata__": {"format": "pt", "filler": "x" * more}}, 0
            for name, size in tensors.items():
                header[name] = {"dtype": "BF16", "shape": [size, 2], "data_offsets": [at, at + 4 * size]}
                at += 4 * size
            text = json.dumps(header).encode()
            return struct.pack("<Q", len(text)) + text + bytes(at)

        def told(found) -> dict:
            return {
                "sharded": found.sharded,
                "map": found.weight_map,
                "files": sorted(found.files_metadata),
                "count": found.parameter_count,
                "metadata": found.metadata,
            }

        api = HfApi()
        api.create_repo(repo)
        nothing = kit.failure(lambda: api.get_safetensors_metadata(repo))

        def put(files: dict) -> None:
            for name, data in files.items():
                api.upload_file(path_or_fileobj=data, path_in_repo=name, repo_id=repo)

        put(
            {
                "model.safetensors": safetensors({"a": 3, "b": 4}),
                "long.safetensors": safetensors({"c": 5}, 150_000),
            }
        )
        single = told(api.get_safetensors_metadata(repo))
        long = api.parse_safetensors_file_metadata(repo, "long.safetensors")
        tensor = long.tensors["c"]
        put(
            {
                "bad.safetensors": struct.pack("<Q", 2**40) + bytes(100),
                "text.safetensors": struct.pack("<Q", 9) + b"no header",
            }
        )
        bad = [
            kit.failure(lambda name=name: api.parse_safetensors_file_metadata(repo, name))
            for name in ("bad.safetensors", "text.safetensors")
        ]
        shards = {f"model-{n:05}-of-00002.safetensors": safetensors({f"t{n}": n, f"u{n}": 1}) for n in (1, 2)}
        index = {
            "metadata": {"total_size": 20},
            "weight_map": {f"{t}{n}": f"model-{n:05}-of-00002.safetensors" for n in (1, 2) for t in "tu"},
        }
        api.delete_file("model.safetensors", repo)
        put(
            {
                **shards,
                "model.safetensors.index.json": json.dumps(index).encode(),
                "sub/model.safetensors.index.json": json.dumps(index).encode(),
            }
        )
        sharded = told(api.get_safetensors_metadata(repo))
        once, missing = None, None
        if hasattr(api, "get_sharded_safetensors_metadata"):
            once = told(api.get_sharded_safetensors_metadata(repo))
            missing = [
                kit.failure(lambda path=path: api.get_sharded_safetensors_metadata(repo, filename=path))
                for path in ("none.safetensors.index.json", "sub/model.safetensors.index.json")
            ]
        return {
            "nothing": nothing, "single": single, "bad": bad, "sharded": sharded, "once": once, "missing": missing,
            "long": [tensor.dtype, tensor.shape, list(tensor.data_offsets), tensor.parameter_count, long.metadata["format"]],
        }  # fmt: skip

    found = alice.call(story, repo=hub.new_id())
    assert "NotASafetensorsRepoError" in found["nothing"]["kinds"]
    assert found["single"] == {
        "sharded": False,
        "map": {"a": "model.safetensors", "b": "model.safetensors"},
        "files": ["model.safetensors"],
        "count": {"BF16": 14},
        "metadata": None,
    }
    assert found["long"] == ["BF16", [5, 2], [0, 20], 10, "pt"]
    assert ["SafetensorsParsingError" in failed["kinds"] for failed in found["bad"]] == [True, True]
    sharded = found["sharded"]
    assert (sharded["sharded"], sharded["count"]) == (True, {"BF16": 10})
    assert sharded["metadata"] == {"total_size": 20}
    assert len(sharded["files"]) == 2
    if generation == "hub-2.4":
        assert found["once"] == sharded
        assert [failed["code"] for failed in found["missing"]] == ["EntryNotFound", "EntryNotFound"]


def test_private_weights_are_not_told(make_client: ClientMaker, hub: Hub) -> None:
    def prepare(repo: str) -> None:
        from huggingface_hub import HfApi

        api = HfApi()
        api.create_repo(repo, private=True)
        index = b'{"metadata": {}, "weight_map": {}}'
        api.upload_file(path_or_fileobj=index, path_in_repo="model.safetensors.index.json", repo_id=repo)
        assert api.get_sharded_safetensors_metadata(repo).files_metadata == {}

    def ask(repo: str) -> dict:
        import kit
        from huggingface_hub import HfApi

        return kit.failure(lambda: HfApi().get_sharded_safetensors_metadata(repo))

    repo = hub.new_id()
    make_client("hub-2.4", "alice").call(prepare, repo=repo)
    for who in (None, "bob"):
        assert "RepositoryNotFoundError" in make_client("hub-2.4", who).call(ask, repo=repo)["kinds"]

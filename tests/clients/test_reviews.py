"""The review of a pull request that every generation of huggingface_hub opens, asked for with its own session."""

from __future__ import annotations

from clients.drivers import Client, Hub


def test_a_pull_request_is_reviewed(alice: Client, hub: Hub) -> None:
    def story(repo: str) -> dict:
        import json
        import struct
        import time

        from huggingface_hub import CommitOperationAdd, HfApi, constants
        from huggingface_hub.utils import get_session

        def weights(dtype: str, *values: float) -> bytes:
            data = struct.pack(f"<{len(values)}{'f' if dtype == 'F32' else 'e'}", *values)
            header = {"w": {"dtype": dtype, "shape": [len(values)], "data_offsets": [0, len(data)]}}
            text = json.dumps(header).encode()
            return struct.pack("<Q", len(text)) + text + data

        api = HfApi()
        api.create_repo(repo)
        for number, dtype in enumerate(("F32", "F16")):
            files = {
                "model.safetensors": weights(dtype, 1.0, 2.0, 0.5),
                "config.json": json.dumps({"hidden_size": 4 + number}).encode(),
            }
            done = api.create_commit(
                repo,
                [CommitOperationAdd(path, content) for path, content in files.items()],
                commit_message="weights",
                create_pr=bool(number),
            )
        url = f"{constants.ENDPOINT}/api/models/{repo}/discussions/{done.pr_num}/review"
        end = time.monotonic() + 60
        while True:
            answer = get_session().get(url, headers=api._build_hf_headers())
            answer.raise_for_status()
            body = answer.json()
            if body["state"] == "done" or time.monotonic() > end:
                return {each["path"]: each["summary"] for each in body["files"]}
            time.sleep(0.2)

    assert alice.call(story, repo=hub.new_id()) == {
        "config.json": "1 value changed (hidden_size: 4 → 5)",
        "model.safetensors": "1 tensor recast F32→F16 without loss",
    }

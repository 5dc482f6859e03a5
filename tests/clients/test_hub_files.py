"""Files up and down through every generation of huggingface_hub, byte for byte."""

from __future__ import annotations

import pytest

from clients.drivers import Client, Hub


def test_upload_and_download_one_file(alice: Client, hub: Hub) -> None:
    def story(repo: str) -> dict:
        from huggingface_hub import HfApi, hf_hub_download
        from kit import pattern, sha256

        api = HfApi()
        api.create_repo(repo)
        seen = {}
        for name, data in {
            "small.txt": b"hello\n",
            "empty.txt": b"",
            "deep/er/ünï code.json": b'{"a": 1}',
            "weights.safetensors": pattern(12_000_001),
            "tiny.bin": b"\x00\x01",
        }.items():
            info = api.upload_file(
                path_or_fileobj=data, path_in_repo=name, repo_id=repo, commit_message=f"Add {name}"
            )
            path = hf_hub_download(repo, name)
            again = hf_hub_download(repo, name, revision=info.oid, force_download=True)
            seen[name] = [sha256(path) == sha256(data) == sha256(again), info.oid in path, info.commit_url]
        return {"seen": seen, "files": api.list_repo_files(repo), "sha": api.model_info(repo).sha,
                "exists": [api.file_exists(repo, "small.txt"), api.file_exists(repo, "no.txt")],
                "siblings": {each.rfilename: [each.size, each.lfs is not None]
                             for each in api.model_info(repo, files_metadata=True).siblings}}  # fmt: skip

    repo = hub.new_id()
    answer = alice.call(story, repo=repo)
    for name, (same, at_commit, url) in answer["seen"].items():
        assert same, name
        assert at_commit, name
        assert url.startswith(f"{hub.url}/{repo}/commit/")
    assert answer["seen"]["tiny.bin"][2].endswith(answer["sha"])
    assert sorted(answer["files"]) == sorted([".gitattributes", *answer["seen"]])
    assert answer["exists"] == [True, False]
    assert answer["siblings"]["small.txt"] == [6, False]
    assert answer["siblings"]["weights.safetensors"] == [12_000_001, True]
    assert answer["siblings"]["empty.txt"] == [0, False]


def test_upload_folder_and_snapshot(alice: Client, hub: Hub) -> None:
    def story(repo: str, home: str) -> dict:
        from huggingface_hub import HfApi, snapshot_download
        from kit import pattern, read_tree, write_tree

        api = HfApi()
        api.create_repo(repo, repo_type="dataset")
        files = {f"data/part-{number:02}/{name}.csv": f"{number},{name}\n".encode() * 50
                 for number in range(12) for name in "abc"}  # fmt: skip
        files |= {f"model-{number}.safetensors": pattern(700_000, number) for number in range(4)}
        files |= {"big/image.png": pattern(11_000_000), "README.md": b"---\nlicense: mit\n---\n# Hi\n",
                  "skipped.tmp": b"x", "empty": b""}  # fmt: skip
        write_tree(f"{home}/up", files)
        info = api.upload_folder(
            folder_path=f"{home}/up", repo_id=repo, repo_type="dataset", ignore_patterns="*.tmp"
        )
        uploaded = read_tree(f"{home}/up")
        del uploaded["skipped.tmp"]
        cached = read_tree(snapshot_download(repo, repo_type="dataset"))
        local = snapshot_download(repo, repo_type="dataset", local_dir=f"{home}/down", revision=info.oid)
        some = read_tree(snapshot_download(repo, repo_type="dataset", allow_patterns="data/part-03/*",
                                           local_dir=f"{home}/some"))  # fmt: skip
        got = read_tree(local)
        for each in (cached, got):
            each.pop(".gitattributes")
        again = api.upload_folder(
            folder_path=f"{home}/up", repo_id=repo, repo_type="dataset", ignore_patterns="*.tmp"
        )
        return {"cached": cached == uploaded, "local": got == uploaded, "some": sorted(some), "count": len(uploaded),
                "same": again.oid == api.dataset_info(repo).sha, "commits": len(api.list_repo_commits(repo, repo_type="dataset")),
                "license": api.dataset_info(repo).card_data.license, "tags": api.dataset_info(repo).tags}  # fmt: skip

    seen = alice.call(story, repo=hub.new_id(), home=str(alice.home))
    assert seen["cached"]
    assert seen["local"]
    assert seen["count"] == 43
    assert seen["some"] == ["data/part-03/a.csv", "data/part-03/b.csv", "data/part-03/c.csv"]
    assert seen["license"] == "mit"
    assert "license:mit" in seen["tags"]
    assert seen["commits"] == 2, "the same folder again is no commit"


def test_one_commit_of_many_operations(alice: Client, hub: Hub) -> None:
    def story(repo: str) -> dict:
        from huggingface_hub import (
            CommitOperationAdd,
            CommitOperationCopy,
            CommitOperationDelete,
            HfApi,
            hf_hub_download,
        )
        from kit import pattern, sha256

        api = HfApi()
        api.create_repo(repo)
        weights = pattern(300_000)
        first = api.create_commit(repo, [CommitOperationAdd("w.bin", weights), CommitOperationAdd("old/a.txt", b"a"),
                                         CommitOperationAdd("old/b.txt", b"b"), CommitOperationAdd("gone.txt", b"g")],
                                  commit_message="First", commit_description="With words")  # fmt: skip
        second = api.create_commit(repo, [CommitOperationAdd("new.txt", b"new"), CommitOperationCopy("w.bin", "copies/w.bin"),
                                          CommitOperationDelete("old/"), CommitOperationDelete("gone.txt")],
                                   commit_message="Second", parent_commit=first.oid)  # fmt: skip
        api.delete_file("new.txt", repo)
        api.upload_file(path_or_fileobj=b"1", path_in_repo="d/x/1.txt", repo_id=repo)
        files = api.list_repo_files(repo)
        api.delete_folder("d", repo)
        return {"first": api.list_repo_files(repo, revision=first.oid), "second": api.list_repo_files(repo, revision=second.oid),
                "third": files, "last": api.list_repo_files(repo),
                "copied": sha256(hf_hub_download(repo, "copies/w.bin")) == sha256(weights),
                "history": [[each.title, each.message, each.authors] for each in api.list_repo_commits(repo)]}  # fmt: skip

    seen = alice.call(story, repo=hub.new_id())
    assert seen["first"] == [".gitattributes", "gone.txt", "old/a.txt", "old/b.txt", "w.bin"]
    assert seen["second"] == [".gitattributes", "copies/w.bin", "new.txt", "w.bin"]
    assert seen["third"] == [".gitattributes", "copies/w.bin", "d/x/1.txt", "w.bin"]
    assert seen["last"] == [".gitattributes", "copies/w.bin", "w.bin"]
    assert seen["copied"]
    titles = [title for title, _, _ in seen["history"]]
    assert titles[-3:] == ["Second", "First", "initial commit"]
    assert seen["history"][-2][1].strip() == "With words"
    assert all(authors == ["alice"] for _, _, authors in seen["history"])


def test_a_stale_parent_is_refused(alice: Client, hub: Hub) -> None:
    def story(repo: str) -> list:
        from huggingface_hub import HfApi
        from kit import failure

        api = HfApi()
        api.create_repo(repo)
        parent = api.model_info(repo).sha
        api.upload_file(path_or_fileobj=b"1", path_in_repo="a", repo_id=repo, parent_commit=parent)
        stale = failure(
            lambda: api.upload_file(
                path_or_fileobj=b"2", path_in_repo="a", repo_id=repo, parent_commit=parent
            )
        )
        return [stale, api.list_repo_files(repo), len(api.list_repo_commits(repo))]

    stale, files, commits = alice.call(story, repo=hub.new_id())
    assert stale["status"] == 412
    assert files == [".gitattributes", "a"]
    assert commits == 2


def test_what_is_wrong_is_said(alice: Client, hub: Hub) -> None:
    def story(repo: str) -> dict:
        from huggingface_hub import HfApi, hf_hub_download, snapshot_download
        from huggingface_hub.utils import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError
        from kit import failure

        assert EntryNotFoundError
        assert RepositoryNotFoundError
        assert RevisionNotFoundError
        api = HfApi()
        api.create_repo(repo)
        upload = lambda path, data=b"1", **more: api.upload_file(  # noqa: E731
            path_or_fileobj=data, path_in_repo=path, repo_id=repo, **more)  # fmt: skip
        upload("dir/file.txt")
        return {
            "entry": failure(lambda: hf_hub_download(repo, "nope.txt")),
            "revision": failure(lambda: hf_hub_download(repo, "dir/file.txt", revision="nope")),
            "sha": failure(lambda: hf_hub_download(repo, "dir/file.txt", revision="0" * 40)),
            "repo": failure(lambda: hf_hub_download(repo + "x", "dir/file.txt")),
            "snapshot": failure(lambda: snapshot_download(repo, revision="nope")),
            "info": failure(lambda: api.model_info(repo, revision="nope")),
            "branch": failure(lambda: upload("x.txt", revision="nope")),
            "conflict": failure(lambda: upload("dir/file.txt/below.txt")),
            "delete": failure(lambda: api.delete_file("nope.txt", repo)),
            "yaml": failure(lambda: upload("README.md", b"---\nlicense: [\n---\n")),
        }  # fmt: skip

    seen = alice.call(story, repo=hub.new_id())
    assert "EntryNotFoundError" in seen["entry"]["kinds"]
    assert (seen["entry"]["status"], seen["entry"]["code"]) == (404, "EntryNotFound")
    for name in ("revision", "sha", "snapshot", "info", "branch"):
        assert "RevisionNotFoundError" in seen[name]["kinds"], (name, seen[name])
        assert seen[name]["status"] == 404
    assert "RepositoryNotFoundError" in seen["repo"]["kinds"]
    assert seen["conflict"]["status"] == 400 or "below" in seen["conflict"]["text"]
    assert seen["delete"]["status"] in (400, 404) or "EntryNotFoundError" in seen["delete"]["kinds"]
    assert seen["yaml"]["kinds"], "an invalid card is refused"


def test_an_interrupted_download_goes_on(alice_without_xet: Client, hub: Hub) -> None:
    def story(repo: str) -> dict:
        import os

        from huggingface_hub import HfApi, file_download, hf_hub_download
        from huggingface_hub.utils import get_session
        from kit import pattern, sha256

        api = HfApi()
        api.create_repo(repo)
        data = pattern(20_000_000)
        api.upload_file(path_or_fileobj=data, path_in_repo="w.bin", repo_id=repo)
        url = file_download.hf_hub_url(repo, "w.bin")
        etag = file_download.get_hf_file_metadata(url).etag
        blobs = os.path.join(os.environ["HF_HOME"], "hub", "models--" + repo.replace("/", "--"), "blobs")
        os.makedirs(blobs)
        with open(os.path.join(blobs, etag + ".incomplete"), "wb") as file:
            file.write(data[:13_000_000])
        path = hf_hub_download(repo, "w.bin")
        part = get_session().get(
            url,
            headers={"Range": "bytes=19999990-", **file_download.build_hf_headers()},
            **({"follow_redirects": True} if hasattr(get_session(), "follow_redirects") else {}),
        )
        return {"same": sha256(path) == sha256(data), "etag": etag == sha256(data), "part": part.status_code,
                "length": len(part.content)}  # fmt: skip

    seen = alice_without_xet.call(story, repo=hub.new_id())
    assert seen == {"same": True, "etag": True, "part": 206, "length": 10}


def test_the_hub_file_system(alice: Client, hub: Hub) -> None:
    def story(repo: str) -> dict:
        from huggingface_hub import HfApi, HfFileSystem
        from kit import pattern, sha256

        HfApi().create_repo(repo, repo_type="dataset")
        fs = HfFileSystem()
        root = f"datasets/{repo}"
        data = pattern(11_500_000)
        with fs.open(f"{root}/raw/big.bin", "wb") as file:
            file.write(data)
        with fs.open(f"{root}/raw/words.txt", "w") as file:
            file.write("one\ntwo\n")
        fs.invalidate_cache()
        with fs.open(f"{root}/raw/big.bin", "rb", block_size=1_000_000) as file:
            file.seek(5_000_000)
            middle = file.read(70_000)
            file.seek(-9, 2)
            end = file.read()
        seen = {
            "ls": sorted(fs.ls(f"{root}/raw", detail=False)),
            "glob": fs.glob(f"{root}/**/*.txt"),
            "middle": middle == data[5_000_000:5_070_000],
            "end": end == data[-9:],
            "whole": sha256(fs.cat_file(f"{root}/raw/big.bin")) == sha256(data),
            "size": fs.info(f"{root}/raw/big.bin")["size"],
            "text": fs.read_text(f"{root}/raw/words.txt"),
            "exists": [fs.exists(f"{root}/raw"), fs.exists(f"{root}/nope")],
            "walk": [[path[len(root):], sorted(folders), sorted(files)] for path, folders, files in fs.walk(root)],
        }  # fmt: skip
        fs.rm(f"{root}/raw/words.txt")
        fs.cp_file(f"{root}/raw/big.bin", f"{root}/copy.bin")
        fs.invalidate_cache()
        seen["after"] = sorted(fs.find(root))
        return seen

    repo = hub.new_id()
    seen = alice.call(story, repo=repo)
    root = f"datasets/{repo}"
    assert seen["ls"] == [f"{root}/raw/big.bin", f"{root}/raw/words.txt"]
    assert seen["glob"] == [f"{root}/raw/words.txt"]
    assert seen["middle"]
    assert seen["end"]
    assert seen["whole"]
    assert seen["size"] == 11_500_000
    assert seen["text"] == "one\ntwo\n"
    assert seen["exists"] == [True, False]
    assert seen["walk"][1] == ["/raw", [], ["big.bin", "words.txt"]]
    assert seen["after"] == [f"{root}/.gitattributes", f"{root}/copy.bin", f"{root}/raw/big.bin"]


def test_many_threads_download(alice: Client, hub: Hub) -> None:
    def story(repo: str, home: str) -> dict:
        from huggingface_hub import CommitOperationAdd, HfApi, snapshot_download
        from kit import pattern, read_tree

        api = HfApi()
        api.create_repo(repo)
        api.create_commit(repo, [CommitOperationAdd(f"f/{number}.bin", pattern(40_000, number)) for number in range(60)],
                          commit_message="many")  # fmt: skip
        path = snapshot_download(repo, max_workers=16, local_dir=f"{home}/down")
        return read_tree(path)

    import hashlib

    from clients.scripts.kit import pattern

    seen = alice.call(story, repo=hub.new_id(), home=str(alice.home))
    seen.pop(".gitattributes")
    assert seen == {
        f"f/{number}.bin": hashlib.sha256(pattern(40_000, number)).hexdigest() for number in range(60)
    }


def test_cards(alice: Client, hub: Hub, generation: str) -> None:
    def story(repo: str, validates_here: bool) -> dict:
        from huggingface_hub import HfApi, ModelCard, ModelCardData, metadata_load, metadata_update

        api = HfApi()
        api.create_repo(repo)
        data = ModelCardData(license="mit", tags=["odd"], language="en", library_name="transformers")
        card = ModelCard(f"---\n{data.to_yaml()}\n---\n\n# By hand\n")
        if validates_here:
            card.push_to_hub(repo)
        else:
            # Older clients send every card to a fixed address for validation.
            api.upload_file(path_or_fileobj=str(card).encode(), path_in_repo="README.md", repo_id=repo)
        loaded = ModelCard.load(repo)
        metadata_update(repo, {"pipeline_tag": "text-generation"}) if validates_here else None
        info = api.model_info(repo)
        return {"license": loaded.data.license, "text": loaded.text.strip(), "tags": sorted(info.tags),
                "card": info.card_data.to_dict()["tags"], "pipeline": info.pipeline_tag, "module": metadata_load.__module__}  # fmt: skip

    newest = generation == "hub-2.4"
    seen = alice.call(story, repo=hub.new_id(), validates_here=newest)
    assert seen["license"] == "mit"
    assert seen["text"] == "# By hand"
    assert {"license:mit", "odd", "en", "transformers"} <= set(seen["tags"])
    assert seen["card"] == ["odd"]
    assert seen["pipeline"] == ("text-generation" if newest else seen["pipeline"])


def test_a_killed_upload_goes_on(alice_without_xet: Client, hub: Hub) -> None:
    def start(repo: str, home: str) -> str:
        import os

        from huggingface_hub import HfApi, lfs
        from kit import pattern, write_tree

        api = HfApi()
        api.create_repo(repo)
        write_tree(f"{home}/up", {f"w{number}.bin": pattern(6_000_000, number) for number in range(4)})
        real = lfs._upload_single_part
        calls = []

        def die_after_two(*arguments, **named):
            real(*arguments, **named)
            calls.append(1)
            if len(calls) == 2:
                os._exit(9)

        lfs._upload_single_part = die_after_two
        api.upload_folder(folder_path=f"{home}/up", repo_id=repo)
        return "finished"

    def finish(repo: str, home: str) -> dict:
        from huggingface_hub import HfApi, lfs, snapshot_download
        from kit import read_tree

        before = HfApi().list_repo_files(repo)
        calls = []
        real = lfs._upload_single_part

        def count(*arguments, **named):
            calls.append(1)
            return real(*arguments, **named)

        lfs._upload_single_part = count
        HfApi().upload_folder(folder_path=f"{home}/up", repo_id=repo)
        down = read_tree(snapshot_download(repo))
        down.pop(".gitattributes")
        return {"before": before, "sent": len(calls), "same": down == read_tree(f"{home}/up")}

    repo = hub.new_id()
    with pytest.raises(AssertionError):
        alice_without_xet.call(start, repo=repo, home=str(alice_without_xet.home))
    seen = alice_without_xet.call(finish, repo=repo, home=str(alice_without_xet.home))
    assert seen["before"] == [".gitattributes"], "nothing is seen before the commit"
    assert seen["sent"] <= 2, "what arrived is not sent again"
    assert seen["same"]

"""What the viewer says of a dataset as a whole, in the original's shapes, and the Hub's own routes of it."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from viewer import samples
from viewer.conftest import Desk


def run_jobs(desk: Desk) -> None:
    """Do what waits, also what waits a little on purpose."""
    desk.hub.run_jobs()
    desk.hub.clock.advance(5)
    desk.hub.run_jobs()


TRAIN, TEST = samples.table(300), samples.table(40, start=5000)


@pytest.fixture(scope="module")
def repo(desk: Desk) -> str:
    """A Parquet dataset of two configs, published."""
    card = (
        "---\nlicense: mit\npretty_name: Rows\ntags: [numbers]\nconfigs:\n- config_name: one\n  data_files:\n"
        "  - {split: train, path: one/train-*}\n  - {split: test, path: one/test*}\n"
        "- config_name: two\n  data_files: two.parquet\n---\n# Rows\n\nRows of numbers.\n"
    )
    made = desk.make(
        {
            "README.md": card,
            "one/train-0.parquet": samples.parquet(TRAIN.slice(0, 200), group=50),
            "one/train-1.parquet": samples.parquet(TRAIN.slice(200), group=50),
            "one/test.parquet": samples.parquet(TEST),
            "two.parquet": samples.parquet(TEST),
        }
    )
    run_jobs(desk)
    return made


def test_splits(desk: Desk, repo: str) -> None:
    answer = desk.ask(repo, "splits")
    names = [("one", "train"), ("one", "test"), ("two", "train")]
    assert answer.json() == {
        "splits": [{"dataset": repo, "config": config, "split": split} for config, split in names],
        "pending": [],
        "failed": [],
    }
    assert answer.headers["cache-control"] == "public, max-age=120"
    assert desk.get(repo, "splits", config="two") == {
        "splits": [{"dataset": repo, "config": "two", "split": "train"}]
    }
    again = desk.alice.get(
        f"/api/datasets/{repo}/viewer/splits", headers={"If-None-Match": answer.headers["etag"]}
    )
    assert again.status_code == 304
    missing = desk.ask(repo, "splits", config="three")
    assert (missing.status_code, missing.headers["x-error-code"]) == (404, "ConfigNotFoundError")
    assert missing.headers["x-revision"] == answer.headers["x-revision"]


def test_is_valid(desk: Desk, repo: str) -> None:
    everything = dict.fromkeys(("preview", "viewer", "search", "filter", "statistics"), True)
    assert desk.get(repo, "is-valid") == everything
    assert desk.get(repo, "is-valid", config="one", split="test") == everything
    assert desk.ask(repo, "is-valid", config="one", split="dev").status_code == 404
    numbers = desk.make({"a.parquet": samples.parquet(pa.table({"a": [1, 2]}))})
    assert desk.get(numbers, "is-valid") == {**everything, "search": False}


def test_parquet(desk: Desk, repo: str) -> None:
    found = desk.get(repo, "parquet")
    assert (found["pending"], found["failed"], found["partial"]) == ([], [], False)
    site = f"{desk.alice.base_url}".rstrip("/")
    first = found["parquet_files"][0]
    assert first == {
        "dataset": repo,
        "config": "one",
        "split": "train",
        "url": f"{site}/datasets/{repo}/resolve/refs%2Fconvert%2Fparquet/one/train/0000.parquet",
        "filename": "0000.parquet",
        "size": len(samples.parquet(TRAIN.slice(0, 200), group=50)),
    }
    assert [file["filename"] for file in found["parquet_files"]] == [
        "0000.parquet",
        "0001.parquet",
        "0000.parquet",
        "0000.parquet",
    ]
    for file in found["parquet_files"]:
        answer = desk.alice.get(file["url"], follow_redirects=True)
        assert (answer.status_code, len(answer.content)) == (200, file["size"])
    of_config = desk.get(repo, "parquet", config="two")
    assert set(of_config) == {"parquet_files", "features", "partial"}
    assert of_config["features"]["id"] == {"dtype": "int64", "_type": "Value"}


def test_size(desk: Desk, repo: str) -> None:
    found = desk.get(repo, "size")
    assert (found["pending"], found["failed"], found["partial"]) == ([], [], False)
    total = found["size"]["dataset"]
    assert total["num_rows"] == 380
    assert total["estimated_num_rows"] is None
    assert total["num_bytes_parquet_files"] == sum(
        file["size"] for file in desk.get(repo, "parquet")["parquet_files"]
    )
    assert [(each["config"], each["num_rows"], each["num_columns"]) for each in found["size"]["configs"]] == [
        ("one", 340, 7),
        ("two", 40, 7),
    ]
    assert [(each["split"], each["num_rows"]) for each in found["size"]["splits"]] == [
        ("train", 300),
        ("test", 40),
        ("train", 40),
    ]
    of_config = desk.get(repo, "size", config="one")
    assert of_config["size"]["config"]["num_rows"] == 340
    assert len(of_config["size"]["splits"]) == 2


def test_info(desk: Desk, repo: str) -> None:
    found = desk.get(repo, "info")
    assert list(found["dataset_info"]) == ["one", "two"]
    one = found["dataset_info"]["one"]
    assert one["builder_name"] == "parquet"
    assert one["config_name"] == "one"
    assert one["splits"]["train"]["num_examples"] == 300
    assert one["features"]["tags"] == {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"}
    assert one["download_size"] > 0
    assert desk.get(repo, "info", config="one")["dataset_info"] == one


def test_declared_features_count(desk: Desk) -> None:
    card = "---\ndataset_info:\n  features:\n  - {name: l, dtype: {class_label: {names: {'0': a, '1': b}}}}\n  - {name: x, dtype: int32}\n---\n"
    made = desk.make({"README.md": card, "a.parquet": samples.parquet(pa.table({"l": [0, 1], "x": [5, 6]}))})
    features = desk.get(made, "info")["dataset_info"]["default"]["features"]
    assert features["l"] == {"names": ["a", "b"], "_type": "ClassLabel"}


def test_compatible_libraries(desk: Desk, repo: str) -> None:
    found = desk.get(repo, "compatible-libraries")
    assert found["formats"] == ["parquet"]
    assert [each["library"] for each in found["libraries"]] == ["datasets", "dask", "polars", "mlcroissant"]
    datasets, dask, _polars, _croissant = found["libraries"]
    assert datasets["function"] == "load_dataset"
    assert f'load_dataset("{repo}", "one")' in datasets["loading_codes"][0]["code"]
    assert dask["loading_codes"][0]["arguments"]["splits"] == {
        "train": "one/train-*.parquet",
        "test": "one/test.parquet",
    }
    for library in found["libraries"]:
        for each in library["loading_codes"]:
            assert set(each) == {"config_name", "arguments", "code"}
            compile(each["code"], "code", "exec")
    gated = desk.make({"a.csv": "a\n1\n"}, gated="auto")
    code = desk.get(gated, "compatible-libraries")["libraries"][1]["loading_codes"][0]["code"]
    assert "hf auth login" in code
    assert "pd.read_csv" in code


def test_hub_cache_and_tags(desk: Desk, repo: str) -> None:
    found = desk.get(repo, "hub-cache")
    assert found["preview"] is found["viewer"] is True
    assert (found["num_rows"], found["partial"], found["formats"]) == (380, False, ["parquet"])
    tags = desk.alice.get(f"/api/datasets/{repo}").json()["tags"]
    assert "size_categories:n<1K" in tags
    assert "format:parquet" in tags
    assert {"modality:text", "modality:tabular"} <= set(tags)
    assert [tag.partition(":")[2] for tag in tags if tag.startswith("library:")] == [
        "datasets",
        "dask",
        "polars",
        "mlcroissant",
    ]
    desk.commit(repo, {"two.parquet": samples.parquet(samples.table(1500))})
    run_jobs(desk)
    assert "size_categories:1K<n<10K" in desk.alice.get(f"/api/datasets/{repo}").json()["tags"]
    desk.commit(repo, {"two.parquet": samples.parquet(TEST)})
    run_jobs(desk)


def test_what_others_would_have_to_tell(desk: Desk, repo: str) -> None:
    found = desk.get(repo, "opt-in-out-urls", config="one", split="train")
    assert found["has_urls_columns"] is False
    assert found["urls_columns"] == []
    answer = desk.ask(repo, "presidio-entities")
    assert answer.status_code == 501
    assert answer.headers["x-error-code"] == "PresidioScanNotEnabledForThisDatasetError"


def test_croissant(desk: Desk, repo: str) -> None:
    answer = desk.stranger.get(f"/api/datasets/{repo}/croissant")
    assert answer.status_code == 200
    found = answer.json()
    assert found["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    assert found["name"] == repo.partition("/")[2]
    assert found["license"] == "https://choosealicense.com/licenses/mit/"
    assert found["alternateName"] == [repo, "Rows"]
    assert [each["@type"] for each in found["distribution"]] == ["cr:FileObject", "cr:FileSet", "cr:FileSet"]
    assert found["distribution"][1]["includes"] == "one/*/*.parquet"
    assert [each["@id"] for each in found["recordSet"]] == ["one_splits", "one", "two_splits", "two"]
    fields = {field["@id"]: field for field in found["recordSet"][1]["field"]}
    assert fields["one/id"]["dataType"] == "cr:Int64"
    assert fields["one/tags"]["isArray"] is True
    assert fields["one/text"]["source"]["extract"] == {"column": "text"}
    crumbs = desk.get(repo, "croissant-crumbs")
    assert crumbs["recordSet"] == found["recordSet"]
    assert desk.ask(repo, "croissant-crumbs", full="maybe").status_code == 422


def test_croissant_of_many_columns_is_cut(desk: Desk) -> None:
    wide = pa.table({f"c{number}": [number] for number in range(1200)})
    made = desk.make({"a.parquet": samples.parquet(wide)})
    full = desk.get(made, "croissant-crumbs")["recordSet"][1]
    cut = desk.get(made, "croissant-crumbs", full="false")["recordSet"][1]
    assert (len(full["field"]), len(cut["field"])) == (1201, 1000)
    assert "201 skipped columns" in cut["description"]


def test_croissant_of_a_dataset_without_data(desk: Desk) -> None:
    made = desk.make({"README.md": "---\nlicense: mit\n---\nNothing yet.\n"})
    found = desk.alice.get(f"/api/datasets/{made}/croissant").json()
    assert found["description"] == "Nothing yet."
    assert "recordSet" not in found


def test_parquet_routes_of_the_hub(desk: Desk, repo: str) -> None:
    base = f"/api/datasets/{repo}/parquet"
    site = f"{desk.alice.base_url}".rstrip("/")
    found = desk.alice.get(base).json()
    one = {
        "train": [f"{site}{base}/one/train/0.parquet", f"{site}{base}/one/train/1.parquet"],
        "test": [f"{site}{base}/one/test/0.parquet"],
    }
    assert found == {"one": one, "two": {"train": [f"{site}{base}/two/train/0.parquet"]}}
    assert desk.alice.get(f"{base}/one").json() == one
    assert desk.alice.get(f"{base}/one/train").json() == one["train"]
    answer = desk.stranger.get(f"{base}/one/train/1.parquet")
    assert answer.status_code == 302
    assert answer.headers["location"].endswith(
        f"/datasets/{repo}/resolve/refs%2Fconvert%2Fparquet/one/train/0001.parquet"
    )
    for method in ("HEAD", "GET"):
        through = desk.stranger.request(
            method, f"{base}/one/train/1.parquet", headers={"Range": "bytes=0-3"}, follow_redirects=True
        )
        assert through.status_code in ((206,) if method == "GET" else (200, 206))
        assert through.content == (b"PAR1" if method == "GET" else b"")
    assert desk.alice.get(f"{base}/one/train/2.parquet").status_code == 404
    assert desk.alice.get(f"{base}/one/dev").status_code == 404
    assert desk.alice.get(f"{base}/three").status_code == 404
    assert desk.alice.get(f"{base}/one/train/x.parquet").status_code == 404


def test_parquet_is_there_before_it_is_published(desk: Desk) -> None:
    data = samples.parquet(TEST)
    made = desk.make({"data/one two.parquet": data})
    (file,) = desk.get(made, "parquet")["parquet_files"]
    assert "/resolve/refs" not in file["url"]
    assert desk.alice.get(file["url"], follow_redirects=True).content == data
    answer = desk.alice.get(f"/api/datasets/{made}/parquet/default/train/0.parquet", follow_redirects=True)
    assert answer.content == data


def test_gated_and_private_datasets(desk: Desk) -> None:
    private = desk.make({"a.parquet": samples.parquet(TEST)}, private=True)
    assert desk.stranger.get(f"/api/datasets/{private}/parquet").status_code in (401, 404)
    assert desk.bob.get(f"/api/datasets/{private}/croissant").status_code == 404
    assert desk.ask(private, "size").headers["cache-control"] == "private, max-age=120"
    gated = desk.make({"a.parquet": samples.parquet(TEST)}, gated="manual")
    for path in ("parquet", "parquet/default/train/0.parquet", "croissant"):
        assert desk.bob.get(f"/api/datasets/{gated}/{path}").status_code == 403


def test_other_formats_are_pending_until_they_were_converted(desk: Desk) -> None:
    made = desk.make({"train.csv": samples.csv(TRAIN), "test.csv": samples.csv(TEST)})
    answer = desk.ask(made, "size")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["pending"] == [
        {"kind": "config-size", "dataset": made, "config": "default", "split": None}
    ]
    assert answer.json()["size"]["configs"] == []
    waiting = desk.ask(made, "info", config="default")
    assert (waiting.status_code, waiting.headers["x-error-code"]) == (500, "ResponseNotReady")
    assert desk.get(made, "is-valid")["viewer"] is True
    run_jobs(desk)
    size = desk.get(made, "size")
    assert (size["pending"], size["failed"]) == ([], [])
    assert [each["num_rows"] for each in size["size"]["splits"]] == [300, 40]
    files = desk.get(made, "parquet")["parquet_files"]
    assert [(file["split"], file["filename"]) for file in files] == [
        ("train", "0000.parquet"),
        ("test", "0000.parquet"),
    ]
    assert desk.alice.get(files[0]["url"], follow_redirects=True).content[:4] == b"PAR1"
    assert desk.get(made, "info")["dataset_info"]["default"]["builder_name"] == "csv"
    run_jobs(desk)
    tags = desk.alice.get(f"/api/datasets/{made}").json()["tags"]
    assert "size_categories:n<1K" in tags


def test_what_cannot_be_read_is_failed(desk: Desk) -> None:
    card = "---\nconfigs:\n- {config_name: good, data_files: good.parquet}\n- {config_name: bad, data_files: bad.parquet}\n- {config_name: gone, data_files: gone.parquet}\n---\n"
    made = desk.make({"README.md": card, "good.parquet": samples.parquet(TEST), "bad.parquet": "no table"})
    found = desk.get(made, "size")
    assert [each["config"] for each in found["size"]["configs"]] == ["good"]
    assert [each["config"] for each in found["failed"]] == ["bad", "gone"]
    assert "bad.parquet" in json.dumps(found["failed"][0])
    answer = desk.ask(made, "size", config="bad")
    assert (answer.status_code, answer.headers["x-error-code"]) == (500, "StreamingRowsError")
    assert desk.get(made, "is-valid", config="bad")["viewer"] is False
    splits = desk.get(made, "splits")
    assert [each["config"] for each in splits["failed"]] == ["gone"]


def test_the_viewers_own_host(desk: Desk, repo: str) -> None:
    def ask(path: str, **params: Any) -> Any:
        return desk.alice.get(path, params=params, headers={"Host": "datasets-server.hub.test"})

    assert ask("/splits", dataset=repo).json() == desk.get(repo, "splits")
    assert ask("/info", dataset=repo).status_code == 200
    assert ask("/splits").status_code == 422
    # That name serves no files, so addresses are those of the hub.
    (first, *_others) = ask("/parquet", dataset=repo).json()["parquet_files"]
    assert first["url"].startswith("http://hub.test/datasets/")
    assert ask("/parquet", dataset=repo).json() == desk.get(repo, "parquet")

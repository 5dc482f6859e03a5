"""The plan of a dataset: found, kept, made anew for each commit, and refused where there is nothing to show."""

from __future__ import annotations

import io
import threading
import time
import zipfile
from typing import Any

import pytest

from openhood.base.errors import HubError, TableUnreadable
from openhood.base.names import RepoId
from openhood.domain.access import SYSTEM
from openhood.domain.viewer import footer_rows, footers, plan_rows, planning
from openhood.domain.viewer.types import Plan
from viewer import samples
from viewer.conftest import Desk

TABLE = samples.parquet(samples.table(100), group=40)


def plan_of(desk: Desk, repo: str, revision: str = "main") -> Plan:
    """Return the plan that the hub makes."""
    sv = desk.hub.sv
    return planning.plan_of(sv, planning.locate(sv, SYSTEM, RepoId(*repo.split("/")), revision))


def shown(plan: Plan) -> dict[str, dict[str, list[str]]]:
    """Return the paths of the files by config and split."""
    return {
        config.name: {split.name: [file.path for file in split.files] for split in config.splits}
        for config in plan.configs
    }


def test_a_plan_names_files_contents_and_sizes(desk: Desk) -> None:
    large = samples.parquet(samples.table(9000))
    assert len(large) > 200_000
    repo = desk.make({"data/train-00000-of-00001.parquet": large, "data/test-00000-of-00001.parquet": TABLE})
    plan = plan_of(desk, repo)
    (config,) = plan.configs
    assert (config.name, config.format, config.is_default) == ("default", "parquet", True)
    assert [split.name for split in config.splits] == ["train", "test"]
    (train,), (test,) = (split.files for split in config.splits)
    assert train.size_bytes == len(large)
    assert len(train.key) == 64
    assert test.size_bytes == len(TABLE)
    assert test.key == test.oid


def test_a_plan_is_kept_and_read_again_as_it_was(desk: Desk) -> None:
    card = (
        "---\nconfigs:\n- config_name: a\n  data_files: 'a/*.csv'\n  sep: ';'\n"
        "- config_name: b\n  data_files: b.csv\n  default: true\n- config_name: c\n  data_files: none.csv\n"
        "dataset_info:\n- config_name: a\n  features:\n  - {name: x, dtype: int64}\n---\n"
    )
    repo = desk.make({"README.md": card, "a/1.csv": "x\n1\n", "a/2.csv": "x\n2\n", "b.csv": "y\n1\n"})
    made = plan_of(desk, repo)
    assert shown(made) == {"a": {"train": ["a/1.csv", "a/2.csv"]}, "b": {"train": ["b.csv"]}}
    assert made.default.name == "b"
    assert made.config("a").options == {"sep": ";"}
    assert made.config("a").features == {"x": {"dtype": "int64", "_type": "Value"}}
    assert list(made.failed) == ["c"]
    sv = desk.hub.sv
    at = planning.locate(sv, SYSTEM, RepoId(*repo.split("/")), "main")
    with sv.db.read() as tx:
        document = plan_rows.get(tx, at.repo.id, at.commit, version=planning.VERSION)
    assert document is not None
    assert planning._kept(sv, at) == made


def test_each_commit_has_its_own_plan_and_old_ones_go(desk: Desk) -> None:
    repo = desk.make({"data.csv": "a\n1\n"})
    first = plan_of(desk, repo)
    commits = [first.commit]
    for number in range(plan_rows.KEPT_PER_REPO + 3):
        commits.append(plan_of_commit(desk, repo, {f"more-{number}.csv": "a\n2\n"}))
    plan = plan_of(desk, repo)
    assert len(plan.configs[0].splits[0].files) == plan_rows.KEPT_PER_REPO + 4
    sv = desk.hub.sv
    at = planning.locate(sv, SYSTEM, RepoId(*repo.split("/")), "main")
    with sv.db.read() as tx:
        kept = [
            commit for commit in commits if plan_rows.get(tx, at.repo.id, commit, version=planning.VERSION)
        ]
    assert kept == commits[-plan_rows.KEPT_PER_REPO :]
    # What was forgotten is made again.
    assert shown(plan_of(desk, repo, first.commit)) == {"default": {"train": ["data.csv"]}}


def plan_of_commit(desk: Desk, repo: str, files: dict[str, str]) -> Any:
    """Commit files, and return the commit that the plan then made is of."""
    desk.commit(repo, files)
    return plan_of(desk, repo).commit


@pytest.mark.parametrize(
    ("files", "code", "status"),
    [
        ({"LICENSE": "MIT"}, "DataFilesNotFoundError", 500),
        ({"README.md": "# Nothing"}, "EmptyDatasetError", 500),
        (
            {"README.md": "---\nviewer: false\n---\n", "a.csv": "a\n1\n"},
            "NotSupportedDisabledViewerError",
            501,
        ),
        ({"README.md": "---\nconfigs: [{x: 1}]\n---\n", "a.csv": "a\n"}, "ConfigNamesError", 500),
        (
            {"README.md": f"---\nconfigs: [{{config_name: {'n' * 201}}}]\n---\n", "a.csv": "a\n"},
            "ConfigNamesError",
            500,
        ),
        ({"a.csv": "a\n", "train.csv": "a\n", "test.jsonl": "{}\n"}, "ConfigNamesError", 500),
    ],
)
def test_what_cannot_be_shown_says_why(desk: Desk, files: dict[str, str], code: str, status: int) -> None:
    repo = desk.make(files)
    for _time in range(2):
        answer = desk.ask(repo, "splits")
        assert (answer.status_code, answer.headers["x-error-code"]) == (status, code)
        assert len(answer.headers["x-revision"]) == 40
        assert answer.json()["error"]


def test_scripts_are_not_run(desk: Desk) -> None:
    repo = desk.new_id()
    name = repo.partition("/")[2]
    assert desk.alice.post("/api/repos/create", json={"type": "dataset", "name": name}).status_code == 200
    desk.commit(repo, {f"{name}.py": "raise SystemExit", "a.csv": "a\n1\n"})
    answer = desk.ask(repo, "splits")
    assert (answer.status_code, answer.headers["x-error-code"]) == (501, "DatasetWithScriptNotSupportedError")


def test_a_standalone_file_counts_before_the_card(desk: Desk) -> None:
    repo = desk.make(
        {
            "README.md": "---\nconfigs: [{config_name: card, data_files: a.csv}]\n---\n",
            ".huggingface.yaml": "configs: [{config_name: alone, data_files: b.csv}]\n",
            "a.csv": "a\n1\n",
            "b.csv": "a\n1\n",
        }
    )
    assert shown(plan_of(desk, repo)) == {"alone": {"train": ["b.csv"]}}


def test_archives_are_looked_into(desk: Desk) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(3):
            archive.writestr(f"inner/{number}.jsonl", '{"a": 1}\n')
    repo = desk.make({"train.zip": packed.getvalue()})
    (config,) = plan_of(desk, repo).configs
    assert config.format == "json"
    assert shown(plan_of(desk, repo)) == {"default": {"train": ["train.zip"]}}


def test_a_folder_keeps_metadata_apart(desk: Desk) -> None:
    repo = desk.make({"img/1.png": samples.png(), "img/metadata.csv": "file_name,t\n1.png,x\n"})
    (config,) = plan_of(desk, repo).configs
    (split,) = config.splits
    assert config.format == "imagefolder"
    assert [file.path for file in split.files] == ["img/1.png"]
    assert [file.path for file in split.metadata] == ["img/metadata.csv"]


def test_strangers_learn_nothing(desk: Desk) -> None:
    repo = desk.make({"a.csv": "a\n1\n"}, private=True)
    answer = desk.ask(repo, "splits", by=desk.stranger)
    assert (answer.status_code, answer.headers["x-error-code"]) == (401, "ExternalUnauthenticatedError")
    answer = desk.ask(repo, "splits", by=desk.bob)
    assert (answer.status_code, answer.headers["x-error-code"]) == (404, "ExternalAuthenticatedError")
    gated = desk.make({"a.csv": "a\n1\n"}, gated="manual")
    assert desk.ask(gated, "splits", by=desk.bob).status_code == 404
    assert desk.ask(gated, "splits").status_code == 200


def test_ten_thousand_files(desk: Desk) -> None:
    repo = desk.make({f"train/{number % 100}/{number}.txt": f"line {number}\n" for number in range(10_000)})
    sv = desk.hub.sv
    at = planning.locate(sv, SYSTEM, RepoId(*repo.split("/")), "main")
    started = time.process_time()
    plan = planning._make(sv, at)
    made = time.process_time() - started
    assert len(plan.configs[0].splits[0].files) == 10_000
    planning.plan_of(sv, at)
    started = time.process_time()
    assert planning._kept(sv, at) == plan
    read = time.process_time() - started
    started = time.process_time()
    planning.plan_of(sv, at)
    again = time.process_time() - started
    print(f"made in {1000 * made:.0f} ms, read in {1000 * read:.0f} ms, then {1000 * again:.2f} ms")
    assert again < 0.002


def test_footers_are_read_once_for_each_content(desk: Desk) -> None:
    shards = {
        f"data/train-{number:05d}-of-00005.parquet": samples.parquet(
            samples.table(50 + number, start=1000 * number), group=20
        )
        for number in range(5)
    }
    repo = desk.make(shards)
    sv = desk.hub.sv
    at = planning.locate(sv, SYSTEM, RepoId(*repo.split("/")), "main")
    files = planning.plan_of(sv, at).configs[0].splits[0].files
    found = footers.footers_of(sv, at.repo, files)
    assert [footer.rows for footer in found] == [50, 51, 52, 53, 54]
    assert [rows for rows, _start, _size in found[0].groups] == [20, 20, 10]
    assert found[0].groups[0][1] == 4
    assert all(size > 0 for footer in found for _rows, _start, size in footer.groups)
    assert sum(size for _rows, _start, size in found[0].groups) < files[0].size_bytes
    assert found[0].has_page_index
    assert found[0].features["text"] == {"dtype": "string", "_type": "Value"}
    assert found[0].features["tags"] == {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"}
    assert found[0].memory_bytes > 1000
    with sv.db.read() as tx:
        assert (
            len(footer_rows.find(tx, at.repo.id, [file.key for file in files], version=footers.VERSION)) == 5
        )


def test_broken_files_are_told_apart(desk: Desk) -> None:
    lying = bytearray(TABLE)
    lying[-8:-4] = (2**31 - 1).to_bytes(4, "little")
    repo = desk.make(
        {
            "good.parquet": TABLE,
            "bad/text.parquet": "no table at all",
            "bad/cut.parquet": TABLE[:-20],
            "bad/lying.parquet": bytes(lying),
            "bad/empty.parquet": b"",
        }
    )
    sv = desk.hub.sv
    at = planning.locate(sv, SYSTEM, RepoId(*repo.split("/")), "main")
    files = planning.plan_of(sv, at).configs[0].splits[0].files
    for file in files:
        if file.path.startswith("bad/"):
            with pytest.raises(TableUnreadable, match=r"\.parquet"):
                footers.footers_of(sv, at.repo, [file])
        else:
            assert footers.footers_of(sv, at.repo, [file])[0].rows == 100
    with pytest.raises(HubError):
        footers.footers_of(sv, at.repo, files)


def test_a_plan_that_many_want_at_once_is_made_once(desk: Desk) -> None:
    repo = desk.make({f"data/{number}.csv": "a\n1\n" for number in range(500)})
    sv = desk.hub.sv
    at = planning.locate(sv, SYSTEM, RepoId.parse(repo), "main")
    start = threading.Barrier(8)
    plans = []

    def look() -> None:
        start.wait(10)
        plans.append(planning.plan_of(sv, at))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(plans) == 8
    assert all(plan is plans[0] for plan in plans)

"""``openhood storage report``: what storage is used for, and what deleting would give back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from openhood.base.names import RepoId, RepoType
from openhood.cli.options import Config, Data, opened
from openhood.cli.output import AsJson, count_text, out, refusals, refuse, write_facts, write_json, write_rows

if TYPE_CHECKING:
    from openhood.domain.xet.report import DamagedXorb, FileUse, Leaving, Report, RepoUse, Use

app = typer.Typer(help="Look at the storage that repositories use.", no_args_is_help=True)

T = TypeVar("T")

_STEPS = ("kB", "MB", "GB", "TB", "PB")


@app.callback()
def root() -> None:
    """Look at the storage that repositories use."""


@app.command("report")
@refusals
def report(
    repo_id: Annotated[
        str | None, typer.Argument(help="Report on this repository (namespace/name) only; unset: all.")
    ] = None,
    repo_type: Annotated[str, typer.Option("--type", help="model, dataset or space.")] = "model",
    files: Annotated[
        bool, typer.Option("--files", help="List the large files of the repository too.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=0, help="Rows of a table, those that free most first; 0: all.")
    ] = 50,
    data: Data = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Say what large files take: logical, stored, unique and shared bytes, and what deleting would free."""
    from openhood.domain.xet import report as reports

    if repo_id is None:
        if files:
            raise refuse("--files lists the files of one repository: name it.")
        with opened(data, config, create=False) as sv:
            made = reports.report_all(sv)
        if as_json:
            write_json(_report_facts(made))
        else:
            _write_report(made, limit=limit)
        return
    kind = next((each for each in RepoType if repo_type in (each.value, each.plural)), None)
    if kind is None:
        raise refuse(f"Unknown repository type {repo_type!r}. Use model, dataset or space.")
    with opened(data, config, create=False) as sv:
        holder = reports.find_holder(sv, kind, RepoId.parse(repo_id))
        found = reports.report_repo(sv, holder)
        listed = sorted(reports.report_files(sv, holder), key=_most_freed) if files else []
    if as_json:
        facts = _repo_facts(found)
        write_json({**facts, "contents": [_file_facts(each) for each in listed]} if files else facts)
        return
    write_facts(_repo_row(found), as_json=False)
    if files:
        out.print()
        write_rows(
            [_file_row(each) for each in _first(listed, limit)], as_json=False, empty="It has no large files."
        )
        _write_rest(len(listed), limit)


def size_text(size_bytes: int) -> str:
    """Return a number of bytes as people write it, in powers of 1,000."""
    if size_bytes < 1000:
        return f"{size_bytes} B"
    value = float(size_bytes)
    for unit in _STEPS:
        value /= 1000
        if value < 999.95 or unit == _STEPS[-1]:
            return f"{value:.1f} {unit}"
    raise AssertionError("the last unit takes everything")


def _write_report(made: Report, *, limit: int) -> None:
    repositories = sorted(made.repositories, key=lambda each: -each.use.freed_bytes)
    rows = [_repo_row(each) for each in _first(repositories, limit)]
    write_rows(rows, as_json=False, empty="There are no repositories.")
    _write_rest(len(repositories), limit)
    out.print()
    total = made.total
    write_facts(
        {
            "In total": f"{count_text(total.files, 'large file')} in "
            f"{count_text(len(repositories), 'repository', many='repositories')}, "
            f"{made.contents} different ones ({size_text(made.content_bytes)})",
            "Logical": size_text(total.logical_bytes),
            "Stored": f"{size_text(total.stored_bytes)}: {size_text(total.whole_bytes)} as whole files, "
            f"{size_text(total.xorb_bytes)} in {count_text(total.xorbs, 'xorb')}",
            "Unique": f"{size_text(total.unique_bytes)} that one repository alone needs",
            "Shared": f"{size_text(total.shared_bytes)} that several need",
            "Git packs": size_text(total.git_bytes),
            "Ratio": _ratios(total),
            "Named by nobody": _leaving(made.unnamed, "large file", "forgotten within six hours"),
            "Kept for caches of clients": _leaving(made.leased, "xorb", ""),
            "Condemned": _leaving(made.condemned, "xorb", ""),
            "Waiting for deletion": _doomed(made),
            "Damaged": count_text(len(made.damaged), "xorb"),
        },
        as_json=False,
    )
    for each in made.damaged:
        _write_damaged(each)


def _write_damaged(damaged: DamagedXorb) -> None:
    since = f"{damaged.since:%Y-%m-%d %H:%M} UTC"
    out.print("[bold red]damaged[/] ", end="")
    out.print(f"xorb {damaged.name} ({size_text(damaged.size_bytes)}), since {since}. Files:", markup=False)
    for file in damaged.files:
        where = f"{file.holder.type.value} {file.holder.repo_id}"
        out.print(f"  {where}: {file.path or file.sha256}", markup=False)
    if not damaged.files:
        out.print("  none: it will be deleted.")


def _write_rest(count: int, limit: int) -> None:
    if limit and count > limit:
        out.print(f"… and {count - limit} more: --limit 0 shows all.", markup=False)


def _first(items: list[T], limit: int) -> list[T]:
    return items[:limit] if limit else items


def _most_freed(file: FileUse) -> tuple[int, str]:
    return -file.freed_bytes, file.path or ""


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _ratios(use: Use) -> str:
    if use.ratio is None:
        return ""
    text = f"{use.ratio:.2f} logical by stored"
    if use.dedup_ratio is None:
        return text
    return f"{text}; of chunks: sharing {use.dedup_ratio:.2f}, compression {_ratio(use.compression_ratio)}"


def _leaving(leaving: Leaving, noun: str, when: str) -> str:
    if not leaving.count:
        return "nothing"
    text = f"{count_text(leaving.count, noun)} ({size_text(leaving.size_bytes)})"
    if leaving.first_at is not None and leaving.last_at is not None:
        when = f"deleted from {leaving.first_at:%Y-%m-%d} to {leaving.last_at:%Y-%m-%d}"
    return f"{text}, {when}"


def _doomed(made: Report) -> str:
    if made.doomed_until is None:
        return "nothing"
    return f"{made.doomed_keys} keys of the object store, the last on {made.doomed_until:%Y-%m-%d %H:%M} UTC"


def _repo_row(found: RepoUse) -> dict[str, object]:
    use = found.use
    return {
        "type": found.holder.type.value,
        "id": str(found.holder.repo_id),
        "files": use.files,
        "logical": size_text(use.logical_bytes),
        "stored": size_text(use.stored_bytes),
        "unique": size_text(use.unique_bytes),
        "shared": size_text(use.shared_bytes),
        "git": size_text(use.git_bytes),
        "ratio": _ratio(use.ratio),
        "deleting_frees": size_text(use.freed_bytes),
    }


def _file_row(file: FileUse) -> dict[str, object]:
    return {
        "path": file.path or f"(no commit names it) {file.sha256[:16]}",
        "size": size_text(file.size_bytes),
        "kept": " and ".join(_kept(file)),
        "elsewhere": file.is_elsewhere,
        "deleting_frees": size_text(file.freed_bytes),
    }


def _kept(file: FileUse) -> list[str]:
    whole = ["whole"] if file.is_whole else []
    return [*whole, f"in {count_text(file.xorbs, 'xorb')}"] if file.xet_hash is not None else whole


# --- for machines ---------------------------------------------------------------------------


def _use_facts(use: Use) -> dict[str, object]:
    return {
        "files": use.files,
        "logical_bytes": use.logical_bytes,
        "stored_bytes": use.stored_bytes,
        "whole_bytes": use.whole_bytes,
        "xorbs": use.xorbs,
        "xorb_bytes": use.xorb_bytes,
        "unique_bytes": use.unique_bytes,
        "shared_bytes": use.shared_bytes,
        "git_bytes": use.git_bytes,
        "freed_bytes": use.freed_bytes,
        "ratio": use.ratio,
        "dedup_ratio": use.dedup_ratio,
        "compression_ratio": use.compression_ratio,
    }


def _repo_facts(found: RepoUse) -> dict[str, object]:
    return {
        "type": found.holder.type.value,
        "id": str(found.holder.repo_id),
        **_use_facts(found.use),
    }


def _file_facts(file: FileUse) -> dict[str, object]:
    return {
        "path": file.path,
        "sha256": file.sha256,
        "xet_hash": file.xet_hash,
        "bytes": file.size_bytes,
        "is_whole": file.is_whole,
        "xorbs": file.xorbs,
        "is_elsewhere": file.is_elsewhere,
        "freed_bytes": file.freed_bytes,
    }


def _report_facts(made: Report) -> dict[str, object]:
    total = {name: value for name, value in _use_facts(made.total).items() if name != "freed_bytes"}
    return {
        "total": {**total, "contents": made.contents, "content_bytes": made.content_bytes},
        "repositories": [_repo_facts(each) for each in made.repositories],
        "unnamed": asdict(made.unnamed),
        "leased": asdict(made.leased),
        "condemned": asdict(made.condemned),
        "doomed": {"keys": made.doomed_keys, "last_at": made.doomed_until},
        "damaged": [
            {
                "xorb": each.name,
                "bytes": each.size_bytes,
                "since": each.since,
                "files": [
                    {
                        "type": file.holder.type.value,
                        "id": str(file.holder.repo_id),
                        "path": file.path,
                        "sha256": file.sha256,
                    }
                    for file in each.files
                ],
            }
            for each in made.damaged
        ],
    }

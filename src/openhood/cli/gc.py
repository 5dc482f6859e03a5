"""``openhood gc``: says what storage nobody needs any more, and gives it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from openhood.cli.options import Config, Data, opened
from openhood.cli.output import AsJson, Yes, confirm, count_text, err, out, refusals, refuse, write_json
from openhood.cli.storage import size_text

if TYPE_CHECKING:
    from openhood.domain.services import Services
    from openhood.domain.xet.gc import Amount, Collected, Decision, Purged

_MARKS = {"keep": "[dim]keep   [/]", "forget": "[red]forget [/]", "condemn": "[yellow]condemn[/]"}
_DELETE = "[bold red]delete [/]"

_PURGE = """\
This deletes every large file that no repository holds and every xorb that no file needs, now and for good, also those
that clients may count on. The address of the Xet service changes first, so clients begin with empty caches: their next
upload sends again what was deleted. Transfers under way may fail, and succeed when repeated after a minute. Delete
what has to go from its repositories before."""


@refusals
def gc(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done, and change nothing.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="List the xorbs that files need too, not only their number.")
    ] = False,
    purge_now: Annotated[
        bool,
        typer.Option(
            "--purge-now",
            help="Delete at once all that no repository needs, without waiting for the caches of clients.",
        ),
    ] = False,
    yes: Yes = False,
    data: Data = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Give back the storage of large files and xorbs that nobody needs any more, and say why each goes or stays.

    The hub does the same by itself, every six hours. Works beside a running hub.
    """
    if purge_now and (dry_run or everything):
        raise refuse("--purge-now deletes and lists nothing: leave --dry-run and --all out.")
    with opened(data, config, create=False) as sv:
        if purge_now:
            _purge(sv, yes=yes, as_json=as_json)
        else:
            _collect(sv, dry_run=dry_run, everything=everything, as_json=as_json)


def _collect(sv: Services, *, dry_run: bool, everything: bool, as_json: bool) -> None:
    from openhood.domain.xet import gc as collection

    listed: list[Decision] = []
    needed_count = needed_bytes = 0
    for decision in collection.explain(sv):
        if decision.is_needed:
            needed_count += 1
            needed_bytes += decision.size_bytes
        if not decision.is_needed or everything:
            if as_json:
                listed.append(decision)
            else:
                _write(decision)
    done = None if dry_run else collection.collect(sv)
    if as_json:
        document: dict[str, object] = {
            "dry_run": dry_run,
            "needed": {"xorbs": needed_count, "bytes": needed_bytes},
            "decisions": [_facts(each) for each in listed],
        }
        write_json(document if done is None else {**document, "done": _done(done)})
        return
    out.print(f"Files need {count_text(needed_count, 'xorb')} ({size_text(needed_bytes)}).")
    if done is None:
        out.print("Nothing was changed.")
        return
    out.print(
        f"Forgot {count_text(done.forgotten.count, 'large file')} ({size_text(done.forgotten.size_bytes)} kept whole), condemned "
        f"{_xorbs(done.condemned)}, deleted {_xorbs(done.deleted)}."
    )
    given_back = done.forgotten.size_bytes + done.deleted.size_bytes
    if given_back:
        out.print(
            f"The running hub gives {size_text(given_back)} back in six hours, when nobody reads them any more."
        )


def _purge(sv: Services, *, yes: bool, as_json: bool) -> None:
    from openhood.domain.xet import gc as collection

    if not as_json:
        err.print(_PURGE)
    confirm("Delete now?", yes=yes)
    done = collection.purge(sv)
    if as_json:
        write_json(_purged(done))
        return
    out.print(
        f"Deleted {count_text(done.forgotten.count, 'large file')} ({size_text(done.forgotten.size_bytes)} kept whole) and "
        f"{_xorbs(done.deleted)}. {size_text(done.forgotten.size_bytes + done.deleted.size_bytes)} were given back."
    )
    out.print(f"The Xet service is at /cas/{done.epoch} from now on, everywhere within half a minute.")


def _xorbs(amount: Amount) -> str:
    return f"{count_text(amount.count, 'xorb')} ({size_text(amount.size_bytes)})"


def _write(decision: Decision) -> None:
    out.print(f"{_MARKS.get(decision.action, _DELETE)} ", end="")
    subject = f"{decision.kind} {decision.name} ({size_text(decision.size_bytes)})"
    out.print(f"{subject}: {decision.reason}", markup=False)


def _facts(decision: Decision) -> dict[str, object]:
    return {
        "kind": decision.kind,
        "name": decision.name,
        "bytes": decision.size_bytes,
        "action": decision.action,
        "reason": decision.reason,
        "until": decision.until,
    }


def _amount(amount: Amount) -> dict[str, int]:
    return {"count": amount.count, "bytes": amount.size_bytes}


def _done(done: Collected) -> dict[str, object]:
    return {
        "forgotten": _amount(done.forgotten),
        "condemned": _amount(done.condemned),
        "deleted": _amount(done.deleted),
    }


def _purged(done: Purged) -> dict[str, object]:
    return {"epoch": done.epoch, "forgotten": _amount(done.forgotten), "deleted": _amount(done.deleted)}

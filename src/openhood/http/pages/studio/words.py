"""The words that the studio's scripts show, in the language of whoever asks."""

from __future__ import annotations

from openhood.http.context import Call
from openhood.http.pages.language import words_of


def studio_words(call: Call) -> dict[str, str]:
    """Return the words by the names that the scripts know; ``{n}`` and the like are filled in there."""
    _ = words_of(call).gettext
    return {
        "rows": _("{n} rows"),
        "found": _("{n} rows found"),
        "partial": _("{n} rows so far: the rest is being prepared"),
        "null": _("empty"),
        "loading": _("Loading…"),
        "failed": _("These rows could not be read."),
        "again": _("Try again"),
        "copied": _("Copied"),
        "copyCell": _("Copy the cell"),
        "copyRow": _("Copy the row as JSON"),
        "copyLink": _("Copy a link to this row"),
        "close": _("Close"),
        "row": _("Row {n}"),
        "previous": _("Previous"),
        "next": _("Next"),
        "unknown": _("distribution not known"),
        "nulls": _("{n}% empty"),
        "distinct": _("{n} different values"),
        "between": _("{low} to {high}"),
        "lengths": _("lengths {low} to {high}"),
        "bars": _("Distribution of {name}: a bar is a condition"),
        "sort": _("Sort by {name}"),
        "hide": _("Hide {name}"),
        "width": _("Width of {name}"),
        "picture": _("Picture in {name}, row {n}"),
        "condition": _("Condition"),
        "column": _("Column"),
        "operator": _("Operator"),
        "value": _("Value"),
        "remove": _("Remove"),
        "and": _("and"),
        "contains": _("contains"),
        "startsWith": _("starts with"),
        "isNull": _("is empty"),
        "isNotNull": _("is not empty"),
        "longerThan": _("longer than"),
        "running": _("Running…"),
        "ran": _("{n} rows in {ms} ms"),
        "cut": _("Only the first {n} rows are shown."),
        "nothing": _("No rows."),
        "history": _("Earlier statements"),
        "changes": _("{n} changes"),
        "undo": _("Undo"),
        "changedCell": _("Row {n}, {name}: {value}"),
        "deletedRow": _("Row {n} is deleted"),
        "addedRow": _("A new row"),
        "proposed": _("The changes were proposed: "),
        "committed": _("The changes were committed: "),
        "movedTable": _(
            "Your changes are kept here: as a pull request they can be put together with the others."
        ),
        "badValue": _("This is not a value of type {type}."),
        "added": _("added"),
        "removed": _("removed"),
        "changed": _("changed"),
        "diffCounts": _("{added} added, {removed} removed, {changed} changed, {unchanged} unchanged"),
        "same": _("Both revisions have the same rows."),
        "byKey": _("Compared by {name}"),
        "byContent": _("Compared by content"),
    }

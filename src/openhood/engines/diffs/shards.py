"""What changed in the index of a model in shards: which tensors went to which file, and the facts beside."""

from __future__ import annotations

from openhood.engines.diffs import settings
from openhood.engines.diffs.parts import MAX_NAMED, Side, Unreadable, clip, counted


def compare_indexes(old: Side, new: Side) -> dict[str, object]:
    """Compare ``*.index.json`` files. Raises Unreadable and what reading raises."""
    (before, facts_before), (after, facts_after) = _read(old), _read(new)
    added = [name for name in after if name not in before]
    removed = [name for name in before if name not in after]
    moved = [name for name, file in before.items() if name in after and after[name] != file]
    files_before, files_after = len(set(before.values())), len(set(after.values()))
    changes = settings.differ(facts_before, facts_after)
    lines = [
        f"{counted(len(names), 'tensor')} {what}"
        for names, what in ((added, "added"), (removed, "removed"), (moved, "moved to another file"))
        if names and old and new
    ]
    if files_before != files_after and old and new:
        lines.append(f"{counted(files_before, 'file')} → {counted(files_after, 'file')}")
    tensors, files = (after, files_after) if new else (before, files_before)
    return {
        "counts": {"added": len(added), "removed": len(removed), "moved": len(moved)},
        "files": {"old": files_before, "new": files_after},
        "added": [clip(name) for name in added[:MAX_NAMED]],
        "removed": [clip(name) for name in removed[:MAX_NAMED]],
        "changes": [each.shown() for each in changes.first],
        "summary": "; ".join(lines)
        or f"index of {counted(len(tensors), 'tensor')} in {counted(files, 'file')}",
    }


def _read(side: Side) -> tuple[dict[str, str], dict[str, object]]:
    document = settings.load_json(side, limit_bytes=100_000_000)
    if document is None:
        return {}, {}
    places = document.pop("weight_map", None) if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(places, dict):
        raise Unreadable("The index has no 'weight_map'.")
    return {name: str(file) for name, file in places.items()}, document

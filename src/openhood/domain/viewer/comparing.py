"""Which rows of a split differ between two revisions of a dataset."""

from __future__ import annotations

from collections.abc import Sequence

from openhood.base.errors import ConfigNotFound, SplitNotFound
from openhood.base.names import RepoId
from openhood.domain.access import Viewer
from openhood.domain.services import Services
from openhood.domain.viewer import footers, links, planning, running
from openhood.domain.viewer.planning import Place
from openhood.domain.viewer.searching import Page
from openhood.domain.viewer.tables import tables_of
from openhood.domain.viewer.types import DataFile, MadeFile, Tables


def compare_split(
    sv: Services,
    viewer: Viewer,
    *,
    repo_id: RepoId,
    base: str,
    revision: str,
    config: str,
    split: str,
    key: str | None,
    offset: int,
    length: int,
    base_url: str,
) -> Page:
    """Return a page of the rows that were added, removed or changed from ``base`` to ``revision``.

    ``key``: names of columns, comma-separated, that name a row; ``none`` compares contents; None looks for a key.
    A split that only one side has is all added, or all removed. Raises: what `planning.split_at` raises where no side
    has it, what `tables_of` raises, InvalidParameter for a key that is none.
    """
    new = _place(sv, viewer, repo_id, revision, config, split)
    old = _place(sv, viewer, repo_id, base, config, split)
    shown = new or old
    if shown is None:
        shown = planning.split_at(sv, viewer, repo_id, revision, config, split)
    sides = [
        Tables(()) if place is None else tables_of(sv, place, wait_s=_wait_s(sv)) for place in (old, new)
    ]
    counts = [[footer.rows for footer in footers.footers_of(sv, shown.repo, side.files)] for side in sides]
    features = [side.features or _features_of(sv, shown, side.files) for side in sides]
    kept = [
        _differing(side.files, other.files) for side, other in ((sides[0], sides[1]), (sides[1], sides[0]))
    ]
    files = [sides[at].files[number] for at in (0, 1) for number in kept[at]]
    params = {
        "base_files": len(kept[0]),
        "starts": [[sum(counts[at][:number]) for number in kept[at]] for at in (0, 1)],
        "totals": [sum(counts[0]), sum(counts[1])],
        "features": features,
        "key": None if key is None else [] if key == "none" else [name for name in key.split(",") if name],
        "offset": offset,
        "length": length,
        "links": [links.links_for(sv, place or shown, base_url, viewer) for place in (old, new)],
    }
    answer = running.run(sv, shown.repo, "diff_rows", files=files, params=params, lane=running.QUERY)
    is_final = not any(side.is_partial for side in sides)
    return Page(answer.body, shown.at.commit, links.is_open(shown.repo), is_final)


def _place(
    sv: Services, viewer: Viewer, repo_id: RepoId, revision: str, config: str, split: str
) -> Place | None:
    try:
        return planning.split_at(sv, viewer, repo_id, revision, config, split)
    except (ConfigNotFound, SplitNotFound):
        return None


def _features_of(sv: Services, place: Place, files: Sequence[DataFile | MadeFile]) -> object:
    known = footers.footers_of(sv, place.repo, files[:1])
    return known[0].features if known else {}


def _differing(files: Sequence[DataFile | MadeFile], others: Sequence[DataFile | MadeFile]) -> list[int]:
    """Return the numbers of the files whose content the other side does not have: the others' rows are the same."""
    left: dict[str, int] = {}
    for file in others:
        left[file.key] = left.get(file.key, 0) + 1
    kept = []
    for number, file in enumerate(files):
        if left.get(file.key, 0):
            left[file.key] -= 1
        else:
            kept.append(number)
    return kept


def _wait_s(sv: Services) -> float:
    return sv.settings.viewer.page_timeout_s

"""Links to what is in cells: for datasets that anybody may read plain ones, else with a permission in them.

A permission is good for one split at one commit. It lasts an hour at least and is the same for half an hour, so that
browsers and caches know what they have already.
"""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

from openhood.base.names import Oid, RepoId
from openhood.domain import links
from openhood.domain.access import Viewer
from openhood.domain.repos import rows
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.domain.viewer.planning import Place

PURPOSE = "viewer-asset"
_STEP_S = 1800
_LEAST_S = 3600


def is_open(repo: Repo) -> bool:
    """Tell whether anybody may read a repository's files."""
    return repo.visibility == "public" and not repo.gated


def links_for(sv: Services, place: Place, base_url: str, viewer: Viewer) -> dict[str, str]:
    """Return what `engines.tables.cells` makes links of: ``asset``, ``query`` and ``resolve``.

    ``viewer`` is who will be given them and was let in; the permission names nobody.
    """
    del viewer
    repo, commit = place.repo, place.at.commit
    names = "/".join(quote(part, safe="") for part in (commit, place.config.name, place.split.name))
    site = f"{base_url}{quote(repo.web_path)}"
    return {
        "asset": f"{site}/viewer-asset/{names}",
        "query": "" if is_open(repo) else f"token={_token(sv, place)}",
        "resolve": f"{site}/resolve/{commit}",
    }


def admitted(sv: Services, token: str, *, repo_id: RepoId, commit: str, config: str, split: str) -> bool:
    """Tell whether a permission is for this split. Opens a read unit.

    The dataset is looked up by the permission, never by what is asked for: nobody learns what exists by trying.
    Raises: BadLink for a permission that is none of ours, ExpiredLink.
    """
    facts = links.check_token(sv, token, purpose=PURPOSE)
    if (facts["commit"], facts["config"], facts["split"]) != (commit, config, split):
        return False
    with sv.db.read() as tx:
        repo = rows.get_repo_by_number(tx, int(facts["repo"]))
    return repo is not None and not repo.is_disabled and repo.repo_id.key == repo_id.key


def quoted(path: str) -> str:
    """Return a path in a repository as it stands in a URL."""
    return quote(path)


def _token(sv: Services, place: Place) -> str:
    expires_s = int(sv.clock.now().timestamp()) // _STEP_S * _STEP_S + _STEP_S + _LEAST_S
    return links.make_token_until(
        sv,
        purpose=PURPOSE,
        facts=_facts(place.repo, place.at.commit, place.config.name, place.split.name),
        expires_at=datetime.fromtimestamp(expires_s, UTC),
    )


def _facts(repo: Repo, commit: Oid, config: str, split: str) -> dict[str, str | int]:
    return {"repo": repo.id, "commit": commit, "config": config, "split": split}

"""Tags: lightweight ones are a ref alone, annotated ones also a tag object in a pack."""

from __future__ import annotations

from openhood.base.errors import BadRequest, Conflict, RevisionNotFound
from openhood.base.names import Oid, RefName, RepoId, RepoType, tag_ref
from openhood.domain.access import Need, Viewer
from openhood.domain.repos import lookup, publish, refs, rows
from openhood.domain.repos.authors import sign
from openhood.domain.repos.types import At, Consequences, RefUpdate
from openhood.domain.services import Services
from openhood.engines.git.objects import encode_tag
from openhood.engines.git.packs import PackWriter


def create_tag(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    revision: str,
    tag: str,
    message: str | None,
) -> Oid:
    """Tag a revision; with a message the tag is annotated. Returns the tagged commit.

    Raises: Conflict where the tag exists, InvalidName, RevisionNotFound, what `lookup.find` raises.
    **Source**: huggingface_hub ``HfApi.create_tag``.
    """
    at = lookup.locate(sv, viewer, repo_type, repo_id, revision=revision, need=Need.WRITE)
    name = _tag_name(tag)
    with sv.db.read() as tx:
        if rows.get_ref(tx, at.repo.id, name) is not None:
            raise Conflict(f"Reference {name} already exists")
    try:
        with publish.Landing(sv, at.repo) as landing:
            oid = at.commit if message is None else _annotate(sv, viewer, at, name, message, landing)
            update = RefUpdate(name, None, oid, at.commit)
            with landing.unit() as tx:
                refs.move(tx, viewer, at.repo, [update], consequences=Consequences(), now=sv.clock.now())
    except refs.RefRaceLost as error:
        raise Conflict(f"Reference {name} already exists") from error
    return at.commit


def _annotate(
    sv: Services, viewer: Viewer, at: At, name: RefName, message: str, landing: publish.Landing
) -> Oid:
    with publish.bench(sv) as directory, PackWriter(directory / "pack") as writer:
        raw = encode_tag(
            target=at.commit,
            target_type="commit",
            name=name.removeprefix("refs/tags/"),
            tagger=sign(sv, viewer),
            message=message,
        )
        oid = writer.add("tag", raw)
        landing.put(writer.finish())
    return oid


def delete_tag(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, tag: str) -> None:
    """Delete a tag. Raises: RevisionNotFound, InvalidName, what `lookup.find` raises."""
    name = _tag_name(tag)
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.WRITE)
        before = rows.get_ref(tx, repo.id, name)
    if before is None:
        raise RevisionNotFound(tag)
    with sv.db.write() as tx:
        update = RefUpdate(name, before.oid, None, None)
        refs.move(tx, viewer, repo, [update], consequences=Consequences(), now=sv.clock.now())


def _tag_name(tag: str) -> RefName:
    if tag.startswith("refs/") and not tag.startswith("refs/tags/"):
        raise BadRequest(f"Invalid tag name '{tag[:200]}': tags live under refs/tags/ only.")
    return tag_ref(tag)

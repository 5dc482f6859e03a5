"""Bringing files from the browser: a form that works without scripts, and the page whose script takes large ones.

With scripts the same routes as other clients' are used: advice, LFS uploads, one commit. Without, files come in one
form, and those that belong into LFS are put there before the commit.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import IO

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import Response

from openhood.base.errors import BadRequest, BranchMoved, HubError
from openhood.base.names import PathInRepo, parse_path
from openhood.domain.access import Viewer
from openhood.domain.repos import editing, preupload
from openhood.domain.repos.editing import Desk
from openhood.domain.repos.operations import AddFile, AddLfsFile, Operation
from openhood.domain.services import Services
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.pages.files.edit import Form, commit, done, draft_of, opened_desk, place_at, refused
from openhood.http.pages.files.places import routes, shown_of
from openhood.http.pages.render import page

_MAX_FILES = 200
_MAX_FIELDS = 20
_SAMPLE_BYTES = 512


async def get_upload(call: Call) -> Response:
    """The form; a path in the address is the folder that files go into."""
    desk = await opened_desk(call)
    if isinstance(desk, Response):
        return desk
    return await _show(call, desk, {})


async def post_upload(call: Call) -> Response:
    """Commit the files of the form."""
    call.check_origin()
    desk = await opened_desk(call)
    if isinstance(desk, Response):
        return desk
    data = await _read(call)
    form = {key: value for key, value in data.multi_items() if isinstance(value, str)}
    try:
        files = [each for each in data.getlist("files") if isinstance(each, UploadFile) and each.filename]
        if not files:
            raise BadRequest("Choose at least one file.")
        folder = form.get("folder", desk.path).strip().strip("/")
        names = [_path(folder, each.filename or "") for each in files]
        operations = await call.act(
            _operations,
            call=call,
            desk=desk,
            files=[(name, each.file) for name, each in zip(names, files, strict=True)],
        )
        what = names[0].rpartition("/")[2] if len(names) == 1 else f"{len(names)} files"
        draft = draft_of(desk, form, otherwise=f"Upload {what}")
        result = await commit(call, desk, draft, operations)
    except HubError as error:
        refused(error)
        return await _show(call, desk, form, error=error)
    finally:
        await data.close()
    return done(place_at(desk, folder), result, word="tree")


def _path(folder: str, name: str) -> PathInRepo:
    # Browsers send the bare name; what else sends a path may mean it.
    return parse_path(f"{folder}/{name}" if folder else name)


def _operations(
    sv: Services, viewer: Viewer, *, call: Call, desk: Desk, files: Sequence[tuple[PathInRepo, IO[bytes]]]
) -> list[Operation]:
    candidates = []
    for path, file in files:
        size_bytes = file.seek(0, 2)
        file.seek(0)
        candidates.append(preupload.Candidate(path, size_bytes, file.read(_SAMPLE_BYTES)))
    advices = preupload.advise(
        sv,
        viewer,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        revision=desk.ref,
        create_pr=not desk.may_commit,
        files=candidates,
        attributes=None,
        ignore=None,
    )
    made: list[Operation] = []
    for (path, file), advice in zip(files, advices.files, strict=True):
        if advice.by_lfs:
            kept = editing.keep_large(sv, viewer, repo_type=call.repo_type, repo_id=call.repo_id, file=file)
            made.append(AddLfsFile(path, kept.sha256, kept.size_bytes))
        else:
            file.seek(0)
            made.append(AddFile(path, file.read()))
    return made


async def _read(call: Call) -> FormData:
    if not call.request.headers.get("content-type", "").startswith("multipart/form-data"):
        await bodies.read_all(call, limit_bytes=call.sv.settings.limits.json_body_bytes)
        return FormData()

    async def stream() -> AsyncGenerator[bytes, None]:
        async for chunk in bodies.chunks(call, limit_bytes=call.sv.settings.limits.commit_body_bytes):
            yield chunk

    parser = MultiPartParser(call.request.headers, stream(), max_files=_MAX_FILES, max_fields=_MAX_FIELDS)
    try:
        return await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise BadRequest(f"The form cannot be read: at most {_MAX_FILES} files at once.") from error


async def _show(call: Call, desk: Desk, form: Form, *, error: HubError | None = None) -> Response:
    limits = call.sv.settings.limits
    return await page(
        call,
        "files/upload.html",
        status=200 if error is None else error.status,
        shown=await shown_of(call),
        place=place_at(desk),
        desk=desk,
        form=form,
        error=None if error is None else error.message,
        has_moved=isinstance(error, BranchMoved),
        body_bytes=limits.commit_body_bytes,
        most_files=_MAX_FILES,
    )


ROUTES = routes(
    (
        ("GET", "/upload/{rev}", get_upload),
        ("POST", "/upload/{rev}", post_upload),
        ("GET", "/upload/{rev}/{path:path}", get_upload),
        ("POST", "/upload/{rev}/{path:path}", post_upload),
    )
)

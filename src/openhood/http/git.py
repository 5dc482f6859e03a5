"""Git over smart HTTP: advertisements, fetches and pushes at every URL shape the clients use.

Bodies are spooled to disk before git sees them, so that a slow client costs a file and not a process;
answers stream at the client's pace. What may be fetched and pushed is the domain's.
**Source**: git ``Documentation/gitprotocol-http.txt``, ``http-backend.c``.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from typing import IO

import anyio
import structlog
from anyio import CancelScope
from anyio.lowlevel import RunVar
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from openhood.base.errors import BadRequest, HubError, Moved, Unauthorized, Unavailable
from openhood.domain.repos import fetch, gitdb, push
from openhood.domain.repos.push import PushOutcome, SpooledPush
from openhood.domain.repos.types import Repo
from openhood.engines.git.process import GitProcess
from openhood.engines.git.wire import PktReader, error_pkt, report_status
from openhood.engines.git.wire_v2 import parse_ls_refs
from openhood.http import bodies, errors
from openhood.http.context import Call
from openhood.http.router import Handler, Route

# What git's own server sends (`http-backend.c::hdr_nocache`).
NO_CACHE = {
    "Cache-Control": "no-cache, max-age=0, must-revalidate",
    "Expires": "Fri, 01 Jan 1980 00:00:00 GMT",
    "Pragma": "no-cache",
}

_BATCH_BYTES = 1024 * 1024
_READ_BYTES = 256 * 1024
# Wants and haves of a fetch: about 50 bytes for each ref and each commit both sides talk about.
_MAX_NEGOTIATION_BYTES = 64 * 1024 * 1024
_MAX_COMMANDS_BYTES = 16 * 1024 * 1024
_KEEPALIVE_S = 5.0
_KEEPALIVE = b"0005\x02"
# Once this much was sent, git has counted and compressed; what is left is copied at the client's pace.
_COPYING_AFTER_BYTES = 512 * 1024
_SLOW_CLIENTS_PER_TURN = 16

_log = structlog.get_logger("git")


class WrongContentType(HubError):
    """A git request whose body is announced as something else."""

    status = 415


class _Turns:
    """How much git runs at once: ``busy`` at work, and ``open`` with a client still taking the result."""

    def __init__(self, processes: int) -> None:
        self.busy = anyio.Semaphore(processes)
        self.open = anyio.Semaphore(processes * _SLOW_CLIENTS_PER_TURN)


_turns: RunVar[_Turns] = RunVar("openhood_git_turns")


def _get_turns(call: Call) -> _Turns:
    try:
        return _turns.get()
    except LookupError:
        turns = _Turns(call.sv.settings.git.processes)
        _turns.set(turns)
        return turns


async def _wait_for(turn: anyio.Semaphore, call: Call) -> None:
    """Take a turn. Raises Unavailable."""
    with anyio.move_on_after(call.sv.settings.git.timeout_s):
        await turn.acquire()
        return
    raise Unavailable("The server is busy with other git work. Try again in a moment.")


# Doors


async def info_refs(call: Call) -> Response:
    """``GET …/info/refs?service=…``: how every clone, fetch and push begins."""
    service = call.query("service")
    if service == "git-upload-pack":
        body = await call.act(
            fetch.advertise, repo_type=call.repo_type, repo_id=call.repo_id, protocol=_protocol(call)
        )
    elif service == "git-receive-pack":
        await _require_credentials(call)
        body = await call.act(push.advertise, repo_type=call.repo_type, repo_id=call.repo_id)
    elif service is None:
        raise BadRequest("This hub speaks git's smart HTTP protocol only. Please use git 1.6.6 or newer.")
    else:
        raise BadRequest("The service must be git-upload-pack or git-receive-pack.")
    return Response(body, headers=NO_CACHE, media_type=f"application/x-{service}-advertisement")


async def alias(call: Call) -> Response:
    """A repository named without its owner (``gpt2``): 307 to where it is."""
    target = await call.act(fetch.find_alias, repo_type=call.repo_type, name=call.params["ns"])
    raise Moved(old=call.params["ns"], new=str(target))


async def upload_pack(call: Call) -> Response:
    """``POST …/git-upload-pack``: list refs, negotiate, send a pack."""
    _check_content_type(call, "application/x-git-upload-pack-request")
    repo = await call.act(fetch.find, repo_type=call.repo_type, repo_id=call.repo_id)
    with ExitStack() as stack:
        spool = stack.enter_context(tempfile.TemporaryFile(prefix="openhood-fetch-", buffering=0))
        await _spool(call, spool, limit_bytes=_MAX_NEGOTIATION_BYTES)
        protocol = _protocol(call)
        if protocol == 2:
            spool.seek(0)
            request = await call.run(parse_ls_refs, PktReader(spool))
            if request is not None:
                body = await call.act(
                    fetch.list_refs, repo_type=call.repo_type, repo_id=call.repo_id, request=request
                )
                return Response(body, headers=NO_CACHE, media_type="application/x-git-upload-pack-result")
        spool.seek(0)
        return _PackAnswer(call, repo, spool, protocol=protocol, held=stack.pop_all())


async def receive_pack(call: Call) -> Response:
    """``POST …/git-receive-pack``: take a push and report what became of each ref."""
    _check_content_type(call, "application/x-git-receive-pack-request")
    await _require_credentials(call)
    await call.act(push.check_may_push, repo_type=call.repo_type, repo_id=call.repo_id)
    with ExitStack() as stack:
        workdir = stack.enter_context(gitdb.scratch(call.sv))
        path = workdir / "request"
        with path.open("wb", buffering=0) as file:
            limit_bytes = call.sv.settings.limits.push_bytes + _MAX_COMMANDS_BYTES
            await _spool(call, file, limit_bytes=limit_bytes)
        spooled = await call.run(push.read_request, path)
        if not spooled.request.commands:
            # A lone flush: git asks whether its credentials are good before it sends much.
            return Response(b"", headers=NO_CACHE, media_type="application/x-git-receive-pack-result")

        async def work() -> PushOutcome:
            turn = _get_turns(call).busy
            await _wait_for(turn, call)
            try:
                return await call.act(
                    push.receive,
                    repo_type=call.repo_type,
                    repo_id=call.repo_id,
                    spooled=spooled,
                    workdir=workdir,
                )
            finally:
                turn.release()

        return _PushAnswer(call, spooled, work, held=stack.pop_all())


# Requests


def _protocol(call: Call) -> int:
    """Return the newest version the client asks for in ``Git-Protocol``; 0 where it does not."""
    asked = re.findall(r"(?:^|:)version=([0-2])(?=:|$)", call.request.headers.get("git-protocol", ""))
    return max(map(int, asked), default=0)


def _check_content_type(call: Call, expected: str) -> None:
    if call.request.headers.get("content-type", "").split(";")[0].strip() != expected:
        raise WrongContentType(f"The Content-Type must be {expected}.")


async def _require_credentials(call: Call) -> None:
    """Ask everybody who pushes for credentials first: the answer tells nothing of the repository."""
    viewer = await call.viewer()
    if viewer.is_anonymous:
        raise Unauthorized("Pushing needs a token: give one with the role 'write' as the password.")


async def _spool(call: Call, file: IO[bytes], *, limit_bytes: int) -> None:
    """Write the inflated body to ``file``, large ones from a worker thread. Raises PayloadTooLarge."""
    batch: list[bytes] = []
    size = 0
    async for chunk in bodies.chunks(call, limit_bytes=limit_bytes):
        batch.append(chunk)
        size += len(chunk)
        if size >= _BATCH_BYTES:
            await call.run(_write, file, b"".join(batch))
            batch, size = [], 0
    _write(file, b"".join(batch))


def _write(file: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
    file.flush()


# Answers


class _Answer(Response):
    """An answer that works while it is sent. What it holds is given back when it ends, however it ends."""

    media_type = ""

    def __init__(self, call: Call, *, held: ExitStack) -> None:
        super().__init__(None, 200, NO_CACHE, self.media_type)
        del self.headers["content-length"]  # unknown when the answer starts
        self._call = call
        self._held = held
        self._started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer; a refusal that comes before its first byte is rendered as any other."""
        try:
            await self.answer(receive, send)
        except HubError as error:
            if self._started:
                raise
            refusal = errors.render(error, self._call, request_id=scope["openhood.request_id"])
            await refusal(scope, receive, send)
        finally:
            with CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._held.close)

    async def answer(self, receive: Receive, send: Send) -> None:
        """Do the work and send what comes of it."""
        raise NotImplementedError

    async def _send(self, send: Send, data: bytes, *, more: bool = True) -> None:
        if not self._started:
            self._started = True
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": data, "more_body": more})


class _PackAnswer(_Answer):
    """The output of ``git upload-pack``, which is killed when the client goes away."""

    media_type = "application/x-git-upload-pack-result"

    def __init__(self, call: Call, repo: Repo, request: IO[bytes], *, protocol: int, held: ExitStack) -> None:
        super().__init__(call, held=held)
        self._repo = repo
        self._request = request
        self._protocol = protocol

    async def answer(self, receive: Receive, send: Send) -> None:
        """Stream until git ends, the client leaves, or nothing moves for too long."""
        turns = _get_turns(self._call)
        await _wait_for(turns.open, self._call)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(_cancel_when_gone, receive, group.cancel_scope)
                await self._run(turns.busy, send)
                group.cancel_scope.cancel()
        except ExceptionGroup as many:
            raise many.exceptions[0] from None
        finally:
            turns.open.release()

    async def _run(self, busy: anyio.Semaphore, send: Send) -> None:
        await _wait_for(busy, self._call)
        is_busy = True
        try:
            running = await self._start()
            sent = 0
            timeout_s = self._call.sv.settings.git.timeout_s
            with CancelScope(deadline=anyio.current_time() + timeout_s) as patience:
                async for chunk in _chunks(running.stdout.fileno()):
                    await self._send(send, chunk)
                    sent += len(chunk)
                    if is_busy and sent >= _COPYING_AFTER_BYTES:
                        is_busy = False
                        busy.release()
                    if not is_busy:  # from here on only a standstill ends it
                        patience.deadline = anyio.current_time() + timeout_s
            if patience.cancelled_caught:
                _log.warning("git.fetch_timed_out", repo=self._repo.id, sent_bytes=sent)
                if not self._started:
                    raise Unavailable("The server took too long to prepare this fetch. Try again later.")
                return  # without a last message, so that the server breaks the connection off
            await self._finish(running, send, sent)
        finally:
            if is_busy:
                busy.release()

    async def _start(self) -> GitProcess:
        opening = fetch.upload_pack(self._call.sv, self._repo, request=self._request, protocol=self._protocol)
        # Not interrupted half-way: what was started must be given back.
        with CancelScope(shield=True):
            running = await self._call.run(self._held.enter_context, opening)
        return running

    async def _finish(self, running: GitProcess, send: Send, sent: int) -> None:
        returncode = await self._call.run(running.wait, 10.0)
        if returncode != 0:
            _log.warning(
                "git.fetch_failed", repo=self._repo.id, returncode=returncode, stderr=running.stderr_text()
            )
        # git tells the client itself what it does not like; only where it said nothing we do.
        last = error_pkt("The server could not answer this fetch.") if returncode and not sent else b""
        await self._send(send, last, more=False)


class _PushAnswer(_Answer):
    """The report on a push, with a sign of life every few seconds while the push is worked on."""

    media_type = "application/x-git-receive-pack-result"

    def __init__(
        self, call: Call, spooled: SpooledPush, work: Callable[[], Awaitable[PushOutcome]], *, held: ExitStack
    ) -> None:
        super().__init__(call, held=held)
        self._spooled = spooled
        self._work = work
        self._report = b""

    async def answer(self, receive: Receive, send: Send) -> None:
        """Wait for the outcome, whether or not the client still does, and report it."""
        done = anyio.Event()
        # A push that is under way is finished: its quarantine must not go away under it.
        with CancelScope(shield=True):
            async with anyio.create_task_group() as group:
                group.start_soon(self._settle, done)
                while not done.is_set():
                    with anyio.move_on_after(_KEEPALIVE_S):
                        await done.wait()
                    if not done.is_set() and "side-band-64k" in self._spooled.request.capabilities:
                        await self._send(send, _KEEPALIVE)
        await self._send(send, self._report, more=False)

    async def _settle(self, done: anyio.Event) -> None:
        request = self._spooled.request
        try:
            outcome = await self._work()
        except HubError as error:
            outcome = _all_refused(self._spooled, error.message)
        except Exception as error:  # the last resort, as for every request: log everything, tell nothing
            request_id = self._call.request.scope["openhood.request_id"]
            _log.error("git.push_failed", request_id=request_id, exc_info=error)
            outcome = _all_refused(self._spooled, f"internal error (request {request_id})")
        if "report-status" in request.capabilities:
            self._report = report_status(
                outcome.unpack_error,
                outcome.results,
                sideband="side-band-64k" in request.capabilities,
                messages=outcome.messages,
            )
        done.set()


def _all_refused(spooled: SpooledPush, message: str) -> PushOutcome:
    results = tuple((command.name, "unpacker error") for command in spooled.request.commands)
    return PushOutcome(message, results, ())


async def _chunks(descriptor: int) -> AsyncIterator[bytes]:
    """Yield what comes out of a pipe, as it comes."""
    os.set_blocking(descriptor, False)
    with contextlib.suppress(OSError):  # an unprivileged user may have few pages for pipes
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _BATCH_BYTES)
    while True:
        try:
            chunk = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            await _readable(descriptor)
            continue
        if not chunk:
            return
        yield chunk
        await asyncio.sleep(0)  # sending to a fast client never waits, and others want their turn


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)


async def _cancel_when_gone(receive: Receive, scope: CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _routes() -> tuple[Route, ...]:
    doors: tuple[tuple[str, str, Handler], ...] = (
        ("GET", "info/refs", info_refs),
        ("POST", "git-upload-pack", upload_pack),
        ("POST", "git-receive-pack", receive_pack),
    )
    routes: list[Route] = []
    for prefix, plural in (("", "models"), ("/datasets", "datasets"), ("/spaces", "spaces")):
        for ending in ("", ".git"):
            for method, tail, handler in doors:
                routes += [
                    Route(
                        (method,),
                        f"{prefix}/{place}{ending}/{tail}",
                        door,
                        fixed={"type": plural},
                        dialect="git",
                        bucket="resolvers",
                    )
                    for place, door in (("{ns}/{name}", handler), ("{ns}", alias))
                ]
    return tuple(routes)


ROUTES: tuple[Route, ...] = _routes()

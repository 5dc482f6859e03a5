"""Every way the hub refuses: one class per kind of refusal, with its code and HTTP status.

Raised by the domain and the engines, which know no HTTP; rendered by the doors in the form each
client understands. The message is public and says what went wrong and what to do.
"""

from __future__ import annotations


class HubError(Exception):
    """A refusal with a public message. ``code`` becomes ``X-Error-Code`` when set."""

    code: str | None = None
    status: int = 500

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts
        """Extra JSON keys for the client (for example ``url`` on a 409), or headers' raw values."""


# 400
class BadRequest(HubError):
    """The request cannot be understood or asks for something impossible."""

    status = 400


class InvalidName(BadRequest):
    """A repository, account, ref or hash name breaks the rules."""


class InvalidPath(HubError):
    """A path in a repository breaks the rules."""

    status = 422

    def __init__(self, path: str, why: str) -> None:
        shown = path.encode("unicode_escape", "backslashreplace").decode("ascii")[:200]
        super().__init__(f"Invalid path '{shown}': {why}.")


class InvalidCard(BadRequest):
    """The YAML front matter of a card is invalid; ``errors`` and ``warnings`` are in the facts."""


class Unprocessable(HubError):
    """The request is well formed but its content breaks a rule of the repository."""

    status = 422


class LfsObjectMissing(Unprocessable):
    """A commit or push names an LFS object this repository does not have."""


class PayloadTooLarge(HubError):
    """A body, a line or a file is over its limit."""

    status = 413


class AddressRefused(BadRequest):
    """A URL that somebody chose leads to where this hub must not call, or is none."""


class HashMismatch(BadRequest):
    """Bytes do not have the hash or size that was announced."""


class BadXorb(BadRequest):
    """The bytes of a xorb break its format, its limits, or do not have the hash they were sent under."""


class BadShard(BadRequest):
    """A shard is malformed, or what it says of files and xorbs is not true."""


class OauthRefused(HubError):
    """An OAuth request is refused; ``error`` is the protocol's own word for why (RFC 6749, RFC 8628)."""

    status = 400

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error


# 401
class Unauthorized(HubError):
    """No or wrong credentials; ``invalid_credentials`` in the facts tells wrong ones."""

    status = 401


class InvalidCredentials(Unauthorized):
    """A token, password or session is wrong, expired or revoked."""

    def __init__(self, message: str = "Invalid credentials in Authorization header") -> None:
        super().__init__(message)


# 403
class Forbidden(HubError):
    """The viewer is known and may not do this."""

    status = 403


class RepoDisabled(Forbidden):
    """The repository was disabled; clients compare this very sentence."""

    def __init__(self) -> None:
        super().__init__("Access to this resource is disabled.")


class GatedRepo(HubError):
    """The repository's content is gated and the viewer is not on its list (401 or 403)."""

    code = "GatedRepo"

    def __init__(self, message: str, *, anonymous: bool) -> None:
        super().__init__(message)
        self.status = 401 if anonymous else 403


# 404
class NotFound(HubError):
    """Something other than a repository, revision or entry does not exist."""

    status = 404


class RepoNotFound(HubError):
    """The repository does not exist, or the viewer must not learn that it does.

    Anonymous viewers get 401 with the Hub's wording, others 404. The code goes with both, since
    huggingface_hub recognises a bare 401 only on https (``utils/_http.py::REPO_API_REGEX``).
    """

    code = "RepoNotFound"

    def __init__(self, *, anonymous: bool) -> None:
        super().__init__("Invalid username or password." if anonymous else "Repository not found")
        self.status = 401 if anonymous else 404


class RevisionNotFound(HubError):
    """No branch, tag, pull request or commit has this name."""

    code = "RevisionNotFound"
    status = 404

    def __init__(self, revision: str) -> None:
        super().__init__(f"Invalid rev id: {revision[:200]}")


class EntryNotFound(HubError):
    """The path does not exist at this revision; ``commit`` in the facts is the revision's oid."""

    code = "EntryNotFound"
    status = 404

    def __init__(self, message: str = "Entry not found", **facts: object) -> None:
        super().__init__(message, **facts)


# Redirect
class Moved(HubError):
    """The repository has another id now: doors answer 307 with the same route under the new id."""

    status = 307

    def __init__(self, *, old: str, new: str) -> None:
        super().__init__(f"Temporary Redirect. The repository {old} is now {new}.")
        self.old = old
        self.new = new


# 409 and friends
class Conflict(HubError):
    """Something with this name exists already, or is in a state that forbids the change."""

    status = 409


class RepoExists(Conflict):
    """The id is taken; clients with ``exist_ok`` go on with the ``url`` that the doors add."""

    def __init__(self, repo_type: str, repo_id: str, web_path: str) -> None:
        super().__init__(f"A {repo_type} repository called {repo_id} already exists")
        self.repo_type = repo_type
        self.web_path = web_path


class BranchMoved(HubError):
    """``parentCommit`` is not the tip of the branch any more."""

    status = 412

    def __init__(self) -> None:
        super().__init__("The branch was updated since you opened this page. Please refresh and try again.")


class RangeNotSatisfiable(HubError):
    """The requested range lies past the end; ``size`` (bytes) is in the facts."""

    status = 416


class TooManyRequests(HubError):
    """The rate limit is used up; ``retry_after_s`` is in the facts."""

    status = 429


class QuotaExceeded(Forbidden):
    """A namespace's storage quota would be exceeded."""


class NotSupported(HubError):
    """The Hub has this route, this hub has not (yet)."""

    status = 501


class Unavailable(HubError):
    """A part the hub needs (database, object store, git) does not answer now."""

    status = 503


class PeerUnreachable(HubError):
    """Another server that this hub had to call did not answer, or not in time."""

    status = 502


class LetterRefused(HubError):
    """A letter that no later try can deliver: its address or its content is refused for good."""

    status = 422


class DatabaseTooNew(HubError):
    """The database was migrated by a newer release: this one must not touch it."""

    status = 503

    def __init__(self, found: str, newest: str) -> None:
        super().__init__(
            f"The database is at revision {found}, but this release of Openhood knows revisions up to {newest} only. "
            "Start the newer release again, or restore a backup made before the upgrade."
        )


# Raised by ports and engines, never meant to reach a client as they are
class ObjectMissing(HubError):
    """The object store has no such key: the hub lost bytes or is asked for the wrong ones."""

    status = 500

    def __init__(self, key: str) -> None:
        super().__init__(f"The object {key} is missing from the object store.")
        self.key = key


class CorruptObject(HubError):
    """Stored bytes do not parse or do not have the hash they should have."""

    status = 500


# What the dataset viewer says; its clients tell them apart by ``X-Error-Code``
class ViewerError(HubError):
    """The dataset viewer has no answer; the code is that of the original's API."""


class MissingRequiredParameter(ViewerError):
    """A parameter that the question needs is missing or empty."""

    code = "MissingRequiredParameter"
    status = 422


class InvalidParameter(ViewerError):
    """A parameter has a value that it cannot have: a condition, an order, a page."""

    code = "InvalidParameter"
    status = 422


class ConfigNotFound(ViewerError):
    """The dataset has no such config."""

    code = "ConfigNotFoundError"
    status = 404


class SplitNotFound(ViewerError):
    """The config has no such split."""

    code = "SplitNotFoundError"
    status = 404


class ViewerDisabled(ViewerError):
    """The card says ``viewer: false``."""

    code = "NotSupportedDisabledViewerError"
    status = 501


class ScriptNotSupported(ViewerError):
    """The dataset is made by a script, which nobody runs."""

    code = "DatasetWithScriptNotSupportedError"
    status = 501


class EmptyDataset(ViewerError):
    """There are no files with data."""

    code = "EmptyDatasetError"


class DataFilesNotFound(ViewerError):
    """There is no data file of a format that can be read, or a pattern of the card finds none."""

    code = "DataFilesNotFoundError"


class BadDatasetConfig(ViewerError):
    """The configs that the card declares cannot be understood."""

    code = "ConfigNamesError"


class TooManyConfigs(ViewerError):
    """The card declares more configs than can be shown."""

    code = "DatasetWithTooManyConfigsError"
    status = 501


class TooManySplits(ViewerError):
    """A config has more splits than can be shown."""

    code = "DatasetWithTooManySplitsError"
    status = 501


class TooManyColumns(ViewerError):
    """A table has more columns than can be shown."""

    code = "TooManyColumnsError"


class TableUnreadable(ViewerError):
    """A data file is broken, hostile, or of a kind that its libraries do not read."""

    code = "StreamingRowsError"


class AssetNotFound(ViewerError):
    """There is no such cell, or no file in it."""

    code = "AssetNotFound"
    status = 404

    def __init__(self) -> None:
        super().__init__("There is no file at this place of the table.")


class TableTooLarge(ViewerError):
    """An answer would take more bytes than one may."""

    code = "TooBigContentError"


class TableTimeout(ViewerError):
    """A question took longer than one may."""

    code = "ResponseTimeoutError"
    status = 422

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"This took longer than the {seconds:g} seconds that one question may take. Ask for less: a narrower "
            "condition, fewer columns, or no order."
        )


class ViewerNotReady(ViewerError):
    """What the answer needs is being made; the client asks again."""

    code = "ResponseNotReady"


class SqlRefused(ViewerError):
    """A statement of the SQL console is wrong, or does what nobody may."""

    code = "SqlError"
    status = 422


class TableCastFailed(ViewerError):
    """Files of a split have different columns, or values that do not fit their column's type."""

    code = "DatasetGenerationCastError"


class FormatNotSupported(ViewerError):
    """The data files are of a format that this hub does not read."""

    code = "DatasetModuleNotInstalledError"
    status = 501


class PersonalDataNotScanned(ViewerError):
    """Nothing on this hub looks for personal data in datasets."""

    code = "PresidioScanNotEnabledForThisDatasetError"
    status = 501

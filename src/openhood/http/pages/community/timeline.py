"""What happened in a discussion, made ready for a template: who, what, and what the viewer may still do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from openhood.domain.access import Need, Viewer
from openhood.domain.accounts.types import Account
from openhood.domain.discussions import finding
from openhood.domain.discussions.types import CommentVersion, DiscussionEvent, Source, Told
from openhood.domain.notifications.standing import Standing
from openhood.engines import markup

_SHOWN_AT_ONCE = 150
_FIRST, _LAST = 30, 100


@dataclass(frozen=True, slots=True)
class Version:
    """What a comment said before, and who wrote that."""

    version: CommentVersion
    author: Account | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. ``left_out`` counts what is not shown before it.

    ``html`` is set for comments that are shown; ``source`` for references.
    """

    event: DiscussionEvent
    author: Account | None
    html: Markup | None
    hidden_by: Account | None
    earlier: Sequence[Version]
    source: Source | None
    is_first: bool
    may_edit: bool
    may_hide: bool
    left_out: int = 0

    @property
    def is_comment(self) -> bool:
        """Whether somebody said something."""
        return self.event.kind == "comment"

    @property
    def is_hidden(self) -> bool:
        """Whether what was said is not shown any more."""
        return self.event.hidden_at is not None

    @property
    def facts(self) -> Mapping[str, object]:
        """What the event tells beside who and when."""
        return self.event.facts


@dataclass(frozen=True, slots=True)
class Powers:
    """What the viewer may do with a discussion."""

    speak: bool
    decide: bool
    moderate: bool
    merge: bool
    delete: bool


def powers_of(viewer: Viewer, standing: Standing, told: Told) -> Powers:
    """Return what the viewer may do; the actions ask again when it is done."""
    discussion = told.discussion
    moderates = standing.may(Need.MODERATE)
    is_own = finding.is_author(viewer, discussion.author_id)
    speaks = standing.may(Need.DISCUSS) and (moderates or not discussion.is_locked)
    others = any(each.kind != "reference" and each.author_id != discussion.author_id for each in told.events)
    return Powers(
        speak=speaks,
        decide=speaks and (moderates or is_own) and discussion.status != "merged",
        moderate=moderates,
        merge=discussion.is_pull and discussion.status == "open" and standing.may(Need.WRITE),
        delete=discussion.status != "merged" and (standing.may(Need.ADMIN) or (is_own and not others)),
    )


def entries_of(viewer: Viewer, told: Told, powers: Powers, *, with_all: bool) -> list[Entry]:
    """Return what happened, long discussions without their middle. For worker threads: HTML may have to be made."""
    events = list(told.events)
    if with_all or len(events) <= _SHOWN_AT_ONCE:
        return [_entry(viewer, told, powers, each, is_first=not at) for at, each in enumerate(events)]
    left_out = len(events) - _FIRST - _LAST
    shown = [_entry(viewer, told, powers, each, is_first=not at) for at, each in enumerate(events[:_FIRST])]
    for at, each in enumerate(events[-_LAST:]):
        shown.append(_entry(viewer, told, powers, each, is_first=False, left_out=0 if at else left_out))
    return shown


def _entry(
    viewer: Viewer,
    told: Told,
    powers: Powers,
    event: DiscussionEvent,
    *,
    is_first: bool,
    left_out: int = 0,
) -> Entry:
    is_said = event.kind == "comment" and event.hidden_at is None
    is_own = finding.is_author(viewer, event.author_id)
    return Entry(
        event=event,
        author=_of(told, event.author_id),
        html=html_of(told, event) if is_said else None,
        hidden_by=_of(told, event.hidden_by),
        earlier=[Version(each, _of(told, each.author_id)) for each in told.versions.get(event.id, ())]
        if is_said
        else (),
        source=told.sources.get(str(event.facts.get("source"))) if event.kind == "reference" else None,
        is_first=is_first,
        may_edit=is_said and is_own and powers.speak,
        may_hide=is_said and (is_own or powers.moderate),
        left_out=left_out,
    )


def html_of(told: Told, event: DiscussionEvent) -> Markup:
    """Return a comment as HTML that the renderer cleaned."""
    html = event.html
    if html is None:
        html = markup.render(event.body or "", repo=told.repo.web_path, prefix=f"said-{event.hex_id[-8:]}-")
    return Markup(html)  # noqa: S704


def _of(told: Told, number: int | None) -> Account | None:
    return None if number is None else told.people.get(number)

"""What letters say, as plain text and as HTML. Pure: everything comes as arguments.

What people wrote is put in as text alone: a letter renders no Markdown and loads nothing.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from openhood.domain.notifications.types import Notice, Reason

MAX_EXCERPT = 600
MAX_SUBJECT = 180

_WHY: Mapping[Reason, str] = {
    Reason.MENTION: "you were mentioned",
    Reason.PARTICIPATING: "you take part",
    Reason.WATCHING: "you watch this",
    Reason.OWN: "you look after this",
    Reason.REQUEST: "you review requests for access",
    Reason.DECISION: "you asked for access",
    Reason.INVITE: "it is about your membership",
    Reason.FOLLOW: "it is about you",
    Reason.PUBLISHED: "you follow its owner",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thread in a letter."""

    headline: str
    link: str
    excerpt: str
    why: str


@dataclass(frozen=True, slots=True)
class Wording:
    """A letter without its addresses."""

    subject: str
    text: str
    html: str


def entry_of(notice: Notice, *, hub_url: str, comments: Mapping[str, str]) -> Entry:
    """Return what a letter says of one line of an inbox.

    Args: ``comments`` are the texts of comments by id, those that may be shown.
    """
    headline, path = _headline(notice)
    comment = notice.facts.get("comment")
    excerpt = comments.get(comment, "") if isinstance(comment, str) else ""
    if notice.reason is Reason.DECISION and isinstance(notice.facts.get("reason"), str):
        excerpt = str(notice.facts["reason"])
    return Entry(headline, hub_url + path, _shorten(excerpt), _WHY[notice.reason])


def path_of(notice: Notice) -> str:
    """Return the page of this hub that a line of an inbox leads to."""
    return _headline(notice)[1]


def compose(entries: Sequence[Entry], *, more: int, hub_url: str, unsubscribe: str) -> Wording:
    """Return a letter about some threads; ``more`` are not in it."""
    subject = (
        entries[0].headline if len(entries) == 1 and not more else f"{len(entries) + more} notifications"
    )
    text_parts, html_parts = [], []
    for each in entries:
        words = [each.headline, each.link]
        if each.excerpt:
            words.append("\n".join(f"> {line}" for line in each.excerpt.split("\n")))
        words.append(f"(You are told since {each.why}.)")
        text_parts.append("\n\n".join(words))
        html_parts.append(_html_entry(each))
    if more:
        text_parts.append(f"And {more} more in your inbox.")
        html_parts.append(f"<p>And {more} more in your inbox.</p>")
    text = "\n\n-- \n".join(
        [
            "\n\n----\n\n".join(text_parts),
            f"This letter comes from {hub_url}. Write no answer: nobody reads it.\nNo more letters: {unsubscribe}\n",
        ]
    )
    foot = (
        f"<p><small>This letter comes from {html.escape(hub_url)}. Write no answer: nobody reads it. "
        f'<a href="{html.escape(unsubscribe)}">No more letters</a></small></p>'
    )
    body = "<hr>".join(html_parts)
    return Wording(one_line(subject), text, f"<!doctype html><html><body>{body}<hr>{foot}</body></html>")


def confirmation(*, hub_url: str, name: str, link: str) -> Wording:
    """Return the letter that asks whether an address is its owner's."""
    text = (
        f"Somebody signed in as {name} at {hub_url} gave this address as theirs. If that was you, confirm it:\n\n"
        f"{link}\n\nOtherwise do nothing: no more letters come.\n"
    )
    shown = html.escape(text).replace("\n", "<br>").replace(html.escape(link), _anchor(link))
    return Wording(
        "Confirm your e-mail address", text, f"<!doctype html><html><body><p>{shown}</p></body></html>"
    )


def one_line(text: str) -> str:
    """Return a text as a subject: on one line, printable, not too long."""
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return words if len(words) <= MAX_SUBJECT else words[: MAX_SUBJECT - 1] + "…"


def _html_entry(each: Entry) -> str:
    link = html.escape(each.link)
    quoted = html.escape(each.excerpt).replace("\n", "<br>")
    quote = f"<blockquote>{quoted}</blockquote>" if quoted else ""
    return (
        f'<p><strong><a href="{link}">{html.escape(each.headline)}</a></strong></p>{quote}'
        f"<p><small>You are told since {html.escape(each.why)}.</small></p>"
    )


def _anchor(link: str) -> str:
    return f'<a href="{html.escape(link)}">{html.escape(link)}</a>'


def _shorten(text: str) -> str:
    lines = [
        "".join(letter if letter.isprintable() else " " for letter in line).rstrip()
        for line in text.strip().splitlines()
    ]
    joined = "\n".join(lines)
    return joined if len(joined) <= MAX_EXCERPT else joined[:MAX_EXCERPT] + "…"


def _headline(notice: Notice) -> tuple[str, str]:
    """Return what a line is about in a few words, and the page it leads to."""
    actor = "Somebody" if notice.actor is None else notice.actor.name
    place = "" if notice.repo_id is None else str(notice.repo_id)
    page = "/" if notice.repo_type is None else f"/{notice.repo_type.web_prefix}{place}"
    found = notice.discussion
    if found is not None:
        anchor = notice.facts.get("comment")
        ending = f"#{anchor}" if isinstance(anchor, str) else ""
        return (
            f"[{place}] {found.title} (#{found.number})",
            f"{page}/discussions/{found.number}{ending}",
        )
    if notice.reason is Reason.REQUEST:
        return f"[{place}] {actor} asks for access", f"{page}/settings"
    if notice.reason is Reason.DECISION:
        return f"[{place}] Your request for access was {notice.facts.get('status', 'decided')}", page
    if notice.reason is Reason.INVITE:
        org = "an organization" if notice.org is None else notice.org.name
        where = "/" if notice.org is None else f"/{notice.org.name}"
        if notice.facts.get("kind") == "org.invite":
            return f"{actor} invites you into {org}", where
        role = notice.facts.get("role")
        return (
            f"Your role in {org} is {role} now" if role else f"You are no member of {org} any more"
        ), where
    if notice.reason is Reason.FOLLOW:
        return f"{actor} follows you", f"/{actor}" if notice.actor is not None else "/"
    return f"{actor} published {place}", page

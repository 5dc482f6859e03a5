"""What the hub's refusals are in the language of whoever reads a page, for those that people meet on pages.

The sentences are those of the classes and actions that raise them, which know no language: a page finds its
translation by the English one. Those of programs (the API, git, transfers) stay as they are.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Protocol


class _Speaker(Protocol):
    language: str

    def gettext(self, message: str) -> str: ...


# ``{}`` stands for what differs from one refusal to the next: a name, a number, a path.
SENTENCES: Sequence[str] = (
    # Looking for something that is not there, or not for everybody.
    "Sorry, we can't find the page you are looking for.",
    "Repository not found",
    "Invalid username or password.",
    "Invalid rev id: {}",
    "There is no '{}' at this revision.",
    "There never was a '{}' here.",
    "There is no user called {}.",
    "There is no organization called {}.",
    "There is no user or organization called {}.",
    "There is no discussion {}.",
    "{} has no discussion #{}.",
    "{} has no pull request #{}.",
    "There is no collection {}, or you may not see it.",
    "There is no such file.",
    "There is no such session.",
    "There is no such filter of discussions.",
    "There is no such invitation: it was answered, taken back, or is too old.",
    "This account does not exist any more.",
    "Access to this resource is disabled.",
    "This is for the administrators of this hub only.",
    "Only an administrator of this hub may do this.",
    "Only an administrator of {} may do this.",
    "Only members of {} may see this.",
    "You don't have the rights to do this on {}.",
    "You must be logged in to do this. Run 'hf auth login' or pass a token.",
    "You must be logged in to do this.",
    "You must be logged in to ask for access.",
    "The content of this file was deleted from the hub.",
    "This request came from a page of another site, so it was not carried out. If this is the hub's own page, its "
    "operator must set OPENHOOD_PUBLIC_URL to the address in your browser.",
    "You have sent more than {} requests in {} seconds. Retry after {} seconds.",
    # Forms that do not say enough, or something else than what can be done.
    "The form does not say what to do.",
    "The form does not say what to do. Load the page again.",
    "The body is not a valid form: too many fields, or not UTF-8.",
    "Choose at least one file.",
    "Choose at least one request.",
    "Choose one of the orders.",
    "Choose how the gate opens, and how often you want to hear of requests.",
    "Choose whether new repositories are public or private.",
    "Days must be written YYYY-MM-DD.",
    "Nothing was ticked. Tick the lines you mean first.",
    "Tick the files to delete.",
    "Type the name {} to confirm. Nothing was changed.",
    "Type #{} to delete it with everything that was said in it.",
    "The form is not complete: {}.",
    "Write a number of parameters like '7B' or '500M'.",
    "The 'cursor' is not one of this list. Take it from the Link header of the page before.",
    "Name a repository of this organization.",
    # Names, accounts and signing in.
    "Wrong name or password.",
    "Wrong code. Each code counts once: wait for the next one.",
    "The first step of signing in is too long ago. Begin anew.",
    "Too many failed attempts to sign in. Try again in {} seconds.",
    "Too many wrong codes. Try again in {} seconds.",
    "The password must have at least {} characters.",
    "The password must have at most {} characters.",
    "{} is not an e-mail address.",
    "This e-mail address belongs to another account.",
    "The name {} is taken by another user or organization. Choose another one.",
    "The name {} is reserved by the hub. Choose another one.",
    "Invalid user or organization name {}: use 2 to 42 letters and digits with single dashes between them; not only digits.",
    "Invalid repository name {}: use at most 96 characters of A-Z a-z 0-9 - _ ., without '--' or '..', not starting or "
    "ending with '-' or '.', and not ending with '.git'.",
    "The account is called {} already.",
    "This hub does not take sign-ups. Ask its administrator for an account.",
    "You need an invitation to join this hub. Ask its administrator for one.",
    "No program waits for this code. Codes are valid for 15 minutes; check it or start again.",
    "This code was answered already.",
    "You are the last administrator of this hub. Make another user one first.",
    "{} is the last administrator of {}. Make another member an administrator first.",
    "You are the last administrator of {}. Make another member one, or delete it first.",
    "A token's name must have 1 to 120 printable characters, without brackets.",
    "The token would have expired already.",
    "You have no such token.",
    "You cannot follow yourself.",
    "{} is a member of {} already.",
    "{} is not a member of {}.",
    "The picture must be a PNG, JPEG, GIF or WebP file.",
    "The picture is damaged, or wider or higher than {} pixels.",
    "A picture must have at most {} bytes.",
    # Repositories and their files.
    "A {} repository called {} already exists",
    'You don\'t have the rights to create a {} under the namespace "{}".',
    "The branch was updated since you opened this page. Please refresh and try again.",
    "Reference {} already exists",
    "Invalid branch or tag name {}.",
    "Invalid path '{}': {}.",
    "There is a '{}' already. Choose another name, or edit that file.",
    "'{}' is a folder. Choose a file in it.",
    "'{}' is not a branch: files are changed on a branch, or in an open pull request.",
    "Only text can be changed here. Upload the file anew, or give it another name.",
    "The commit needs a summary: its first line must not be empty.",
    "The form cannot be read: at most {} files at once.",
    "Storage limit reached: {} uses {} of {} bytes, and this needs {} more. Delete files or repositories, or ask the "
    "administrator of this hub for more.",
    # Discussions, pull requests, access.
    "A discussion needs a title.",
    "A comment needs a text.",
    "Discussions and pull requests are disabled for this repository.",
    "Only its author can edit a comment. Who may write to the repository can hide it.",
    "This comment is hidden: it cannot be changed any more.",
    "Pull request #{} is a draft: publish it first by changing its status to open.",
    "Pull request #{} is closed: open it again before merging it.",
    "Pull request #{} is {} already.",
    "Sign in to see what your text will look like.",
    "Your request to access this repo has been rejected by the repo's authors.",
    "{} already has access to this repository.",
    "You have no pending access request for this repository.",
    "A collection needs a title.",
    "{} has a collection called {} already.",
    "{} is in this collection already.",
)


def told(speaker: _Speaker, message: str) -> str:
    """Return a refusal in the language of ``speaker``, in English where it is not among those of pages."""
    said = speaker.gettext(message)
    if said != message or speaker.language == "en":
        return said
    for sentence, pattern in _patterns():
        found = pattern.fullmatch(message)
        if found is not None:
            return speaker.gettext(sentence).format(*found.groups())
    return message


@functools.cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return the sentences with gaps, and how each is recognised."""
    return tuple(
        (each, re.compile(re.escape(each).replace(r"\{\}", "(.+?)"), re.DOTALL))
        for each in SENTENCES
        if "{}" in each
    )

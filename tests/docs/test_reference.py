"""The generated pages say what the code says, and the README's promises about commands hold."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from openhood.base.errors import ViewerError
from openhood.base.settings import load_settings
from openhood.cli import reference
from openhood.cli.main import app
from openhood.http.routes import ROUTES

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


@pytest.mark.parametrize("name", ["settings.md", "cli.md", "errors.md", "routes.md"])
def test_the_page_is_current(name: str) -> None:
    written = (REFERENCE / name).read_text()
    assert written == reference.pages()[name], f"docs/reference/{name} is out of date: run 'make docs'"


def test_every_setting_is_explained() -> None:
    page = reference.settings_page()
    _, leaves = load_settings(environ={})
    for leaf in leaves:
        assert f"| `{leaf.name}` | `{leaf.variable}` |" in page
        assert leaf.description.endswith("."), leaf.name


def test_every_refusal_is_explained() -> None:
    page = reference.errors_page()
    found = reference.errors()
    assert len(found) > 30
    for error in found:
        assert f"| {error.status} | `{error.__name__}` |" in page
        assert error.__doc__, error.__name__
        assert "Args" not in error.__doc__.split("\n\n")[0]
    # huggingface_hub knows these; any other would be read by nobody.
    known = {None, "RepoNotFound", "RevisionNotFound", "EntryNotFound", "GatedRepo"}
    assert {error.code for error in found if not issubclass(error, ViewerError)} <= known
    # The viewer has codes of its own, and clients that tell its answers apart by them.
    assert all(error.code for error in found if issubclass(error, ViewerError) and error is not ViewerError)


def test_every_route_is_explained() -> None:
    lines = [line for line in reference.routes_page().splitlines() if line.startswith("| ")][1:]
    assert len(lines) == len(ROUTES)
    without = [line for line in lines if line.endswith("|  |")]
    assert without == [], "these handlers have no docstring"


def test_every_command_explains_itself() -> None:
    names = [name for name, _command in reference.commands()]
    assert len(names) == len(set(names))
    assert {"openhood serve", "openhood provision", "openhood user add", "openhood fsck"} <= set(names)
    for name, command in reference.commands():
        assert command.help, name
        shown = CliRunner().invoke(app, [*name.split()[1:], "--help"])
        assert shown.exit_code == 0
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{name}: {parameter.name}"


def _fenced(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


def test_commands_in_the_documents_exist() -> None:
    """Every line of a document that begins with ``openhood`` names a command there is, with options it has."""
    known = dict(reference.commands())
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for document in documents:
        for block in _fenced(document, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                if not line.startswith("openhood "):
                    continue
                words = shlex.split(line, comments=True)
                length = next((n for n in (3, 2) if " ".join(words[:n]) in known), None)
                assert length is not None, f"{document}: {line}"
                options = {
                    each for parameter in known[" ".join(words[:length])].params for each in parameter.opts
                }
                for word in words[length:]:
                    if word.startswith("--"):
                        assert word.partition("=")[0] in options, f"{document}: {line}"


def test_targets_named_in_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        line.split()[1]
        for block in _fenced(ROOT / "README.md", "sh")
        for line in block.splitlines()
        if line.startswith("make ")
    }
    assert named
    assert named <= targets


def test_python_in_the_readme_compiles() -> None:
    blocks = _fenced(ROOT / "README.md", "python")
    assert blocks
    for block in blocks:
        compile(block, "README.md", "exec")

"""Writes the reference pages that say what the code says: settings, commands, errors and routes.

``python -m openhood.cli.reference docs/reference``. What needs explaining is written by hand elsewhere.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

import openhood
from openhood.base.errors import HubError
from openhood.base.settings import load_settings
from openhood.cli import permissions
from openhood.cli.main import app
from openhood.http.routes import ROUTES

_NOTE = "<!-- Written by `make docs` from the code. Change it there. -->\n"


def pages() -> Mapping[str, str]:
    """Return every generated page by its file name."""
    return {
        "settings.md": settings_page(),
        "cli.md": cli_page(),
        "errors.md": errors_page(),
        "routes.md": routes_page(),
        "permissions.md": permissions_page(),
    }


def settings_page() -> str:
    """Return the page of every setting, its variable and its default."""
    _, leaves = load_settings(environ={})
    lines = [
        "# Settings",
        _NOTE,
        "Later beats earlier: defaults, the TOML file (`--config`, `OPENHOOD_CONFIG`, or `openhood.toml` in the data "
        "directory), `OPENHOOD_*` variables, flags of the command. In the TOML file a dot is a table: `limits.push_bytes` "
        "is `push_bytes` under `[limits]`. `openhood config show` says what applies, and where it comes from.",
        "",
        "| Setting | Variable | Default | Meaning |",
        "|---|---|---|---|",
    ]
    for leaf in leaves:
        default = "unset" if leaf.value in (None, "") else f"`{_plain(leaf.value)}`"
        lines.append(f"| `{leaf.name}` | `{leaf.variable}` | {default} | {_cell(leaf.description)} |")
    lines += [
        "",
        "`OPENHOOD_DATA` is a shorter name of `OPENHOOD_DATA_DIR`; `OPENHOOD_CONFIG` names the TOML file.",
    ]
    return _page(lines)


def permissions_page() -> str:
    """Return the page of who may do what."""
    return _page(["# Permissions", _NOTE, *permissions.page_lines()])


def cli_page() -> str:
    """Return the page of every command, with its arguments and options."""
    lines = [
        "# Command line",
        _NOTE,
        "Every command takes `--help`. Exit codes: 0 done; 1 done, and something is wrong with the hub; 2 refused, or not "
        "understood. With `--json` a command writes one JSON document to standard output; what went wrong is on "
        "standard error.",
    ]
    for name, command in commands():
        summary, *more = inspect.cleandoc(command.help or "").split("\n\n")
        lines += ["", f"## `{name}`", "", " ".join(summary.split())]
        lines += [text for paragraph in more for text in ("", " ".join(paragraph.split()))]
        rows = [_parameter(each) for each in command.params if each.name != "help"]
        if rows:
            lines += ["", "| Argument or option | Meaning |", "|---|---|", *rows]
    return _page(lines)


def commands() -> Iterator[
    tuple[str, Any]
]:  # Any: click's classes, which some releases of typer bring themselves
    """Yield every command with its whole name, groups themselves left out."""
    yield from _walk("openhood", typer.main.get_command(app))


def errors_page() -> str:
    """Return the page of every refusal, by its HTTP status."""
    lines = [
        "# Errors",
        _NOTE,
        'The API answers `{"error": message}`, with the message in `X-Error-Message` too and the code, where there is '
        "one, in `X-Error-Code`. Every answer has an `X-Request-Id`: the hub's log tells the rest under it.",
        "",
        "| Status | Error | `X-Error-Code` | Meaning |",
        "|---|---|---|---|",
    ]
    for error in errors():
        code = f"`{error.code}`" if error.code else ""
        lines.append(f"| {error.status} | `{error.__name__}` | {code} | {_cell(_summary(error))} |")
    return _page(lines)


def errors() -> list[type[HubError]]:
    """Return every class of refusal in the package, by status and name."""
    for module in pkgutil.walk_packages(openhood.__path__, "openhood."):
        if not module.name.startswith(
            ("openhood.testing", "openhood.__main__", "openhood.infra.db.migrations")
        ):
            importlib.import_module(module.name)
    return sorted(_subclasses(HubError), key=lambda each: (each.status, each.__name__))


def routes_page() -> str:
    """Return the page of every route."""
    lines = [
        "# Routes",
        _NOTE,
        "`{name}` is one segment of the path, `{name:a|b}` one of these words, `{name:path}` the rest. `GET` routes answer "
        "`HEAD` too. Routes of the Hub that are not built yet answer 501 and say so.",
        "",
        "| Methods | Path | Meaning |",
        "|---|---|---|",
    ]
    for route in sorted(ROUTES, key=lambda each: (each.template, each.methods)):
        methods = " ".join(route.methods)
        is_unbuilt = route.handler.__module__.endswith(".unbuilt")
        meaning = "Not built yet: 501." if is_unbuilt else _summary(route.handler)
        lines.append(f"| {methods} | `{_cell(route.template)}` | {_cell(meaning)} |")
    return _page(lines)


def main(directory: Path) -> None:
    """Write every page into ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (directory / name).write_text(text)


def _walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:  # Any: as above
    children = getattr(command, "commands", None)
    if children is None:
        yield name, command
        return
    for child, inner in children.items():
        yield from _walk(f"{name} {child}", inner)


def _parameter(parameter: Any) -> str:  # Any: as above
    if parameter.param_type_name == "argument":
        shown = str(parameter.name).upper()
        shown = shown if parameter.required else f"[{shown}]"
    else:
        shown = ", ".join(parameter.opts)
        if not parameter.is_flag:
            shown += f" {parameter.opts[0].lstrip('-').upper()}"
    default = parameter.default
    suffix = ""
    if isinstance(default, str) and default:
        suffix = f" Default: `{default}`."
    return f"| `{_cell(shown)}` | {_cell((getattr(parameter, 'help', None) or '') + suffix)} |"


def _summary(what: type | Callable[..., object]) -> str:
    while isinstance(what, functools.partial):
        what = what.func
    return " ".join((inspect.getdoc(what) or "").split("\n\n")[0].split()).replace("``", "`")


def _subclasses(of: type[HubError]) -> set[type[HubError]]:
    direct = set(of.__subclasses__())
    return direct.union(*(_subclasses(each) for each in direct))


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _page(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reference"))

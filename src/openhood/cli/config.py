"""``openhood config show`` and ``openhood env``: what this hub is set to, and what its clients need."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from openhood.cli.options import Config, Data, settings_of
from openhood.cli.output import AsJson, out, refusals, write_json, write_rows

app = typer.Typer(help="Look at the settings.", no_args_is_help=True)


@app.command("show")
@refusals
def show(data: Data = None, config: Config = None, as_json: AsJson = False) -> None:
    """Show every setting: its value (secrets masked) and where it comes from."""
    _, leaves = settings_of(data, config)
    rows = [
        {"setting": leaf.name, "value": leaf.value, "origin": leaf.origin, "variable": leaf.variable}
        for leaf in leaves
    ]
    if as_json:
        write_json(
            {
                leaf.name: {"value": leaf.value, "origin": leaf.origin, "variable": leaf.variable}
                for leaf in leaves
            }
        )
    else:
        write_rows(rows, as_json=False, empty="")


@refusals
def env(
    url: Annotated[str | None, typer.Option(help="Address of the hub as clients reach it.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Print the variables each client needs to talk to this hub, ready for ``eval``."""
    settings, _ = settings_of(data)
    address = url or settings.public_url or f"http://localhost:{settings.port}"
    variables = client_variables(address)
    if as_json:
        write_json({name: value for name, value, _why in variables})
        return
    for name, value, why in variables:
        out.print(f"export {name}={quoted(value)}  # {why}", markup=False)


def quoted(value: str) -> str:
    """Return a value as a shell must read it; a leading ``~/`` stays what it is."""
    return value if value.startswith("~/") else shlex.quote(value)


def client_variables(address: str) -> list[tuple[str, str, str]]:
    """Return (name, value, why) of each variable for the clients of a hub at ``address``."""
    return [
        ("HF_ENDPOINT", address, "huggingface_hub, hf, transformers, datasets, diffusers"),
        ("HF_HOME", "~/.cache/openhood", "its own cache and token, apart from huggingface.co's"),
        ("HF_HUB_DISABLE_UPDATE_CHECK", "1", "no call to the outside"),
        (
            "DISABLE_SAFETENSORS_CONVERSION",
            "1",
            "transformers must not send your token to a conversion service",
        ),
        ("HF_UPDATE_DOWNLOAD_COUNTS", "0", "datasets must not count downloads elsewhere"),
    ]

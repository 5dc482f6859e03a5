"""The ``openhood`` program: ``python -m openhood`` and the installed command are the same."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from openhood.cli.main import app

    app()


if __name__ == "__main__":
    main()

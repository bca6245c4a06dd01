"""Write docs/commands.md from the help of the command line: `make commands`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from streamjoin.cli import app

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"


def _commands(command: Any, context: Any) -> Iterator[tuple[Any, Any]]:
    """Give each command that does something, with its context, in the order of the program's help."""
    inner = getattr(command, "commands", {})
    for name in command.list_commands(context) if inner else ():
        yield from _commands(inner[name], type(context)(inner[name], parent=context, info_name=name))
    if not inner:
        yield command, context


def _parameters(command: Any, context: Any) -> Iterator[str]:
    for parameter in command.get_params(context):
        name, text = parameter.get_help_record(context) or ("", "")
        if "--help" not in parameter.opts and name:
            yield f"- `{name}`: {' '.join(text.split())}"


def page() -> str:
    """Return the page as it has to be."""
    root: Any = typer.main.get_command(app)
    context = root.context_class(root, info_name="streamjoin")
    table = ["| command | does |", "|---|---|"]
    sections: list[str] = []
    for command, inner in _commands(root, context):
        path, usage = inner.command_path, inner.get_usage().removeprefix("Usage: ")
        effect = command.help.splitlines()[0]
        table.append(f"| [`{path}`](#{path.replace(' ', '-')}) | {effect} |")
        parameters = "\n".join(_parameters(command, inner))
        sections += [f"## {path}", f"```\n{' '.join(usage.split())}\n```", command.help, parameters]
    parts = [
        "# Commands",
        root.help,
        "Written by `make commands` from the program's own help; a test compares them.",
        "\n".join(table),
        root.epilog or "",
        "Options before the command:",
        "\n".join(_parameters(root, context)),
        *sections,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())

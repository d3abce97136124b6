"""A hook of MkDocs: a page for each command of `triptych`, made from the command line itself."""

import re

import typer.main
from mkdocs.structure.files import File

from triptych.app.cli import GROUPS, app

INDEX = "commands/index.md"
EXTRA_SPACE = re.compile(r"\s+")


def commands() -> dict:
    """The words after `triptych` of each command -> the command; groups last, as `--help` lists them."""
    found = {}

    def walk(command, words: list[str]) -> None:
        for name, child in getattr(command, "commands", {}).items():
            walk(child, [*words, name])
        if not getattr(command, "commands", None):
            found[" ".join(words)] = command

    walk(typer.main.get_command(app), [])
    return found


def page_of(name: str) -> str:
    return f"commands/{name.replace(' ', '/')}.md"


def in_cell(text: str) -> str:
    """Words of a help text as a cell of a table."""
    return EXTRA_SPACE.sub(" ", text or "").replace("|", r"\|").replace("<", "&lt;").replace("*", r"\*")


def argument(parameter) -> str:
    return (parameter.metavar or parameter.name.upper()).removesuffix("...")


def option(parameter) -> str:
    return ", ".join(f"`{name}`" for name in sorted([*parameter.opts, *parameter.secondary_opts], key=len))


def default(parameter) -> str:
    """What holds where an option is not given, as a cell."""
    value = parameter.default
    if parameter.required:
        return "must be given"
    if parameter.is_flag:
        value = next(iter(parameter.opts if value else parameter.secondary_opts), "")
    if value is None or callable(value) or value in ("", [], ()):
        return ""
    return f"`{getattr(value, 'value', value)}`"


def describe(name: str, command) -> str:
    """The page of a command: what it does, how it is called, its arguments and options."""
    shown = [own for own in command.params if own.name != "help" and not getattr(own, "hidden", False)]
    arguments = [own for own in shown if own.param_type_name == "argument"]
    options = [own for own in shown if own.param_type_name == "option"]
    words = [argument(own) + ("..." if own.nargs == -1 else "") for own in arguments]
    words = [word if own.required else f"[{word}]" for word, own in zip(words, arguments, strict=True)]
    words += [f"{own.opts[0]} {own.name.upper()}" for own in options if own.required]
    usage = " ".join(["triptych", name, *words, *(["[OPTIONS]"] if len(options) else [])])
    parts = [f"---\ntitle: {name}\n---\n\n# triptych {name}", '<div class="command" markdown>']
    parts += [command.help, f"```console\n$ {usage}\n```"]
    if arguments:
        rows = [f"| `{argument(own)}` | {in_cell(own.help)} |" for own in arguments]
        parts.append("\n".join(["## Arguments\n", "| argument | is |", "| --- | --- |", *rows]))
    if options:
        rows = [f"| {option(own)} | {default(own)} | {in_cell(own.help)} |" for own in options]
        parts.append("\n".join(["## Options\n", "| option | default | does |", "| --- | --- | --- |", *rows]))
    return "\n\n".join(parts) + "\n\n</div>\n"


def on_config(config):
    """The list of commands in the navigation: single ones, then each group."""
    names = list(commands())
    listed = [page_of(name) for name in names if " " not in name]
    groups = [{group: [page_of(name) for name in names if name.startswith(f"{group} ")]} for group in GROUPS]
    (section,) = [entry["Commands"] for entry in config.nav if "Commands" in entry]
    section[:] = [INDEX, *listed, *groups]
    return config


def on_files(files, config):
    for name, command in commands().items():
        files.append(File.generated(config, page_of(name), content=describe(name, command)))
    return files


def on_page_markdown(markdown, page, **_):
    """On the page that lists them, each command leads to its own."""
    if page.file.src_uri != INDEX:
        return markdown
    names = "|".join(map(re.escape, sorted(commands(), key=len, reverse=True)))
    to_page = re.compile(rf"^\| (`triptych ({names})\b[^`]*`)", re.MULTILINE)
    return to_page.sub(lambda row: f"| [{row[1]}]({page_of(row[2]).removeprefix('commands/')})", markdown)

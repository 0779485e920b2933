"""Writes share/man: zkelect(1) from the parser of the command line, zkelect.conf(5) from the table of options.

    python -m docs.write_manual

Pages have no date, so that the same tables make the same files.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Dict, Iterable, List

from docs import command_line
from docs.command_line import Argument, Command, Option
from supervisor_zkelect import __version__
from supervisor_zkelect.config import options
from supervisor_zkelect.operators.outcome import MEANINGS

SHARE = Path(__file__).parents[1] / "share"
"""What pip installs into the folder of the same name below its prefix."""

_FILES = (
    ("zkelect.conf", "sections [zkelect] and [election:NAME], included by supervisord's file or of its own; see zkelect.conf(5)"),
    ("supervisord.conf", "where supervisord's server is, as supervisorctl finds it"),
)
_VARIABLES = (
    ("SUPERVISOR_SERVER_URL", "where supervisord's server is, where no option says it; supervisord sets it for its programs"),
    ("SUPERVISOR_USERNAME, SUPERVISOR_PASSWORD", "who asks it"),
    ("ZKELECT_SERVERS", "ZooKeeper's servers, for `zkelect init`"),
    ("ZKELECT_RUNTIME_DIR", "the folder of session, lock and shared record, for whoever looks for it"),
)


def text(words: str) -> str:
    """As roff: what stands between backticks is bold, and nothing is taken for a request or for an escape."""
    parts = [_plain(part) if number % 2 == 0 else f"\\fB{_code(part)}\\fR" for number, part in enumerate(words.split("`"))]
    line = "".join(parts)
    return f"\\&{line}" if line[:1] in (".", "'") else line


def _plain(words: str) -> str:
    # An option's dashes must be copied as they stand.
    return re.sub(r"(?<![\w-])--?(?=[a-z])", lambda found: "\\-" * len(found[0]), _escaped(words))


def _code(words: str) -> str:
    return _escaped(words).replace("-", "\\-")


def _escaped(words: str) -> str:
    words = words.replace("\\", "\\e")
    return "".join(one if ord(one) < 128 else f"\\[u{ord(one):04X}]" for one in words)


def _bold(words: str) -> str:
    return f"\\fB{_code(words)}\\fR"


def _value(words: str) -> str:
    return f"\\fI{_code(words)}\\fR"


def _item(head: str, *lines: str) -> List[str]:
    return [".TP", head, *lines]


def _head(name: str, section: int, title: str) -> List[str]:
    return [
        '.\\" Made by python -m docs.write_manual.',
        f'.TH {name.upper()} {section} "" "supervisor-zkelect {__version__}" "{title}"',
    ]


def _option(one: Option) -> List[str]:
    words = ", ".join(_bold(word) + (f" {_value(one.value)}" if one.value else "") for word in one.words)
    return _item(words, text(_sentence(one.text)))


def _options(found: Iterable[Option]) -> List[str]:
    return [line for one in found for line in _option(one)]


def _sentence(words: str) -> str:
    # What is to be typed so, as host:port, stays as it is.
    begun = words if re.match(r"\w+:\S", words) else words[:1].upper() + words[1:]
    return begun + ("" if words.endswith(".") else ".")


def _written(one: Argument) -> str:
    words = "|".join(map(_bold, one.choices)) if one.choices else _value(one.value)
    return f"[{words}]" if one.optional else words


def _synopsis(one: Command) -> str:
    words = [_bold(f"zkelect {one.name}"), *map(_written, one.arguments)]
    for option in one.options:
        words.append(f"[{_bold(option.words[-1])}{' ' + _value(option.value) if option.value else ''}]")
    return " ".join(words) if one.name != "run" else f"{words[0]} {_bold('--')} {_value('COMMAND')}"


def _command(one: Command) -> List[str]:
    lines = [f".SS {one.name}", _synopsis(one), ".PP", text(one.text)]
    for argument in one.arguments:
        if argument.text:
            lines += _item(_written(argument), text(_sentence(argument.text)))
    lines += _options(one.options)
    if one.exits and one.exits != MEANINGS:
        lines += [".PP", text(f"Exit status: {one.exits}.")]
    return lines


def zkelect() -> str:
    """zkelect(1)."""
    found = command_line.commands()
    lines = [
        *_head("zkelect", 1, "User Commands"), ".SH NAME", "zkelect \\- active/passive service groups under supervisord",
        ".SH SYNOPSIS", f"{_bold('zkelect')} [{_value('OPTION')}]... {_value('COMMAND')} [{_value('ARGUMENT')}]...",
        ".SH DESCRIPTION",
        "On each of several nodes a supervisord has the same group of programs, and a listener that joins an election in",
        "ZooKeeper. The group runs on the node that leads, and nowhere else. This program is the listener, starts the group's",
        "programs under its lease, and carries an operator's orders and questions to it. Most commands are those of",
        f"{_bold('supervisorctl zkelect')} as well.", ".SH COMMANDS",
    ]
    for one in found:
        lines += _command(one)
    title, description, shared = command_line.shared()
    lines += [".SH OPTIONS", *_options(command_line.program()), *_option(command_line.OUTPUT), f".SS {_sentence(title)[:-1]}"]
    lines += ["They may stand before the command or behind it.", text(description), *_options(shared)]
    lines += [".SH EXIT STATUS", text(f"{MEANINGS}."), "Some commands have meanings of their own, as told there."]
    lines += [".SH ENVIRONMENT"] + _items(_VARIABLES) + [".SH FILES"] + _items(_FILES)
    lines += [".SH SEE ALSO", ".BR zkelect.conf (5),", ".BR supervisord (1),", ".BR supervisorctl (1)"]
    return _page(lines)


def _page(lines: Iterable[str]) -> str:
    """As a file, whose lines are short; one that begins like a request is told from one."""
    wrapped: List[str] = []
    for line in lines:
        short = textwrap.wrap(line, 76, break_on_hyphens=False, break_long_words=False) or [""]
        parts = [line] if line.startswith(".") else short
        wrapped += [parts[0], *(f"\\&{part}" if part[:1] in (".", "'") else part for part in parts[1:])]
    return "\n".join(wrapped) + "\n"


def _items(pairs: Iterable[Iterable[str]]) -> List[str]:
    return [line for head, words in pairs for line in _item(_bold(head), text(_sentence(words)))]


def conf() -> str:
    """zkelect.conf(5)."""
    lines = [
        *_head("zkelect.conf", 5, "File Formats"), ".SH NAME", "zkelect.conf \\- elections of supervisord's program groups",
        ".SH DESCRIPTION",
        "An ini file as supervisord's: it may be one that supervisord includes, which passes over these sections.",
        text("`%(here)s`, `%(host_node_name)s` and `%(ENV_X)s` mean what they mean to supervisord."),
        text("`zkelect init` writes such a file, `zkelect check -c FILE` finds what is wrong in it, and `zkelect reload` takes"),
        "a changed one while the service runs. Of each option stands below what a change of it takes then: it counts",
        "\\fBat once\\fR; a new listener takes over in the same term (\\fBrestart\\fR); the group is stopped and the term",
        "released (\\fBnew term\\fR); or that of all elections of the node (\\fBnew session\\fR).",
    ]
    for table in (options.MAIN_OPTIONS, options.ELECTION_OPTIONS):
        lines.append(f'.SH "[{next(iter(table.values())).section}]"')
        for option in table.values():
            lines += _setting(option)
    lines += [
        ".SH EXAMPLE", ".nf", "[zkelect]", "servers = zk1:2181,zk2:2181,zk3:2181", "", "[election:orders]", "group = primary",
        "address = %(host_node_name)s:8080", "health = http://127.0.0.1:8080/healthz", ".fi", ".SH SEE ALSO", ".BR zkelect (1),",
        ".BR supervisord (1)",
    ]
    return _page(lines)


def _setting(option: options.Option) -> List[str]:
    default = option.computed or option.variable or option.default or ""
    written = f"`{default}`" if default and not option.computed else default
    about = [
        option.type + (f", in {option.unit}" if option.unit else ""), "required" if option.required else "",
        f"default: {written}" if written else "", f"a change: {option.change}",
    ]
    return [*_item(_bold(option.name), text(option.meaning)), ".br", text(_sentence("; ".join(filter(None, about))))]


def pages() -> Dict[str, str]:
    """The files, by their paths below share/."""
    return {"man/man1/zkelect.1": zkelect(), "man/man5/zkelect.conf.5": conf()}


def write(files: Dict[str, str]) -> None:
    """Write files below share/."""
    for name, page in files.items():
        path = SHARE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    write(pages())

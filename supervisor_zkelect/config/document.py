"""Parses the text of a configuration file by supervisord's own rules: inline comments, option names in any case, continued lines.
Sections of supervisord and of other plugins are ignored."""

from __future__ import annotations

import configparser
import re
from typing import Dict, List, Optional

from supervisor_zkelect.config import options, problems, values
from supervisor_zkelect.config.options import ELECTION, MAIN, NAME
from supervisor_zkelect.config.problems import ConfigError
from supervisor_zkelect.config.source import Source

#: After so many lines that cannot be parsed the parser gives up: this is not a configuration file.
_MOST_LINE_PROBLEMS = 20


class Parser(configparser.RawConfigParser):
    """Reads as supervisord does (supervisor.options.UnhosedConfigParser), but is strict. Importing supervisor.options for
    it would double the time that a release takes to begin, and cost the listener some MiB."""

    def __init__(self) -> None:
        super().__init__(strict=True, inline_comment_prefixes=(";", "#"))

    def written(self, section: str) -> Dict[str, str]:
        """The options of a section as in the file, by name. Unknown options from [DEFAULT] are left out: they are for other
        sections."""
        table = options.of_section(section)
        names = [name for name in self.options(section) if name in table or name not in self.defaults()]
        return {name: self.get(section, name) for name in names}


def text_of(source: Source) -> str:
    """The text of the file. Raises ConfigError."""
    try:
        data, source.exposed = values.contents(source.file)
        if data.startswith(b"\xef\xbb\xbf"):
            raise ValueError("begins with a byte order mark, which supervisord cannot read; save it without one")
    except ValueError as error:
        raise ConfigError([problems.line(source.file, str(error))]) from None
    try:
        return data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        what = f"is not UTF-8: line {number} has the byte 0x{data[error.start]:02x}; save it as UTF-8"
        raise ConfigError([problems.line(source.file, what)]) from None


def parse(source: Source, text: str) -> Parser:
    """Parse by supervisord's rules, but report what they silently accept: a second section or option.

    A strict parser raises at the first of these. So each is reported, removed, and the rest parsed again. Raises ConfigError.
    """
    lines = text.split("\n")
    while len(source.problems) < _MOST_LINE_PROBLEMS:
        parser = Parser()
        try:
            parser.read_string("\n".join(lines), source.file)
            return parser
        except configparser.DuplicateSectionError as error:
            if _is_ours(error.section):
                what = "put all its options under one header, or give it another name"
                source.problem(f"appears again in line {error.lineno}; {what}", error.section)
            # supervisord merges its own sections. The name of the replacement is nobody's.
            lines[_index(error.lineno)] = f"[:{error.lineno}]"
        except configparser.DuplicateOptionError as error:
            if _is_ours(error.section):
                value = re.split("[=:]", lines[_index(error.lineno)], maxsplit=1)[-1].strip()
                what = f"is a second value of this option, in line {error.lineno}; keep one of the two"
                source.problem(what, error.section, error.option, problems.masked(error.option, value))
            _blank(lines, _index(error.lineno))
        except configparser.MissingSectionHeaderError as error:
            source.problem(f"line {error.lineno} is before the first [section]; move it into one")
            _blank_until_header(lines, _index(error.lineno))
        except configparser.ParsingError as error:
            for number, _ in error.errors:
                # The line itself is not repeated: it may be a piece of a secret.
                source.problem(f"line {number} is neither a [section] nor option = value; correct or remove it")
                _blank(lines, number - 1)
    raise ConfigError(source.problems)


def elections(source: Source, parser: Parser) -> List[str]:
    """The sections of the elections. A section that only resembles one of ours is a problem."""
    found, misnamed = [], set()
    for section in parser.sections():
        kind, _, name = section.partition(":")
        if section.startswith(ELECTION):
            if values.is_election_name(name):
                found.append(section)
            else:
                misnamed.add(ELECTION)
                source.problem(f"is not a valid name; write [election:NAME] with {values.NAME_RULE}", section)
            continue
        meant = problems.closest(kind.strip().lower(), [MAIN, "election"], 0.8)
        if section != MAIN and meant:
            of_election = meant != MAIN or bool(name)
            misnamed.add(ELECTION if of_election else MAIN)
            right = f"[election:{name.strip() or NAME}]" if of_election else "[zkelect]"
            source.problem(f"unknown section; write {right}", section)
    if not parser.has_section(MAIN) and MAIN not in misnamed:
        source.problem("is missing; add it, with servers = zk1:2181,zk2:2181,zk3:2181", MAIN)
    if not found and ELECTION not in misnamed:
        what = "add this section, with address = HOST:PORT of the service"
        source.problem(f"no election is configured; {what}", ELECTION + NAME)
    return found


def _is_ours(section: str) -> bool:
    return section == MAIN or section.startswith(ELECTION)


def _index(number: Optional[int]) -> int:
    """The index of a line that the parser counts from 1."""
    return (number or 1) - 1


def _blank(lines: List[str], index: int) -> None:
    """Remove a line with those that continue it, or they would continue another."""
    lines[index] = ""
    for following in range(index + 1, len(lines)):
        if not lines[following][:1].isspace():
            break
        lines[following] = ""


def _blank_until_header(lines: List[str], first: int) -> None:
    """Remove the lines from this one on, up to a header. The first is not a header even if it begins like one."""
    lines[first] = ""
    for index in range(first + 1, len(lines)):
        if lines[index].startswith("["):
            break
        lines[index] = ""

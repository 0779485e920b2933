"""The command line of `zkelect` as its own parser has it, for man pages and completions: commands, their words, their options."""

from __future__ import annotations

import argparse
from typing import Any, List, NamedTuple, Sequence, Tuple

from supervisor_zkelect.operators import cli


class Option(NamedTuple):
    """words: as it is written, the short one first. value: what the word behind it is, "" for none. text: what it means."""

    words: Tuple[str, ...]
    value: str
    text: str


class Argument(NamedTuple):
    """A word that is no option. value: what it is; choices: what it may be, if that is given. optional: it may be left out."""

    value: str
    choices: Tuple[str, ...]
    optional: bool
    text: str


class Command(NamedTuple):
    """text: what it does, in a sentence. options: its own, without those of all commands. exits: the meanings of its exit status.
    shared: whether it takes those of all commands as well. json: whether it takes OUTPUT."""

    name: str
    text: str
    arguments: List[Argument]
    options: List[Option]
    exits: str
    shared: bool
    json: bool


#: What each command takes, and what nearly all take behind their name.
HELP, OUTPUT = Option(("-h", "--help"), "", "show a help"), Option(("--json",), "", "print one JSON document")


def program() -> List[Option]:
    """The options of the program alone."""
    return [one for one in _options(cli.parser()._actions) if set(one.words) & {"--help", "--version"}]


def shared() -> Tuple[str, str, List[Option]]:
    """The options that may stand before a command or behind it: title, description and the options."""
    group = cli.connection_words()._action_groups[-1]
    return group.title or "", group.description or "", _options(group._group_actions)


def commands() -> List[Command]:
    """All commands, in the order in which --help has them."""
    common = {word for option in [*shared()[2], OUTPUT] for word in option.words}
    return [_command(name, one, common) for name, one in cli.parser().commands.items()]


def _command(name: str, parser: argparse.ArgumentParser, common: Any) -> Command:
    arguments, takes, json = [], False, False
    for action in parser._actions:
        if not action.option_strings:
            value = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
            arguments.append(Argument(value, tuple(action.choices or ()), action.nargs == "?", action.help or ""))
        takes, json = takes or "--serverurl" in action.option_strings, json or "--json" in action.option_strings
    own = [option for option in _options(parser._actions) if not takes or not common.issuperset(option.words)]
    exits = (parser.epilog or "").partition("exit status: ")[2]
    own = [one for one in own if "--help" not in one.words]
    # Where the options that all share are not taken, it is one of its own.
    return Command(name, parser.description or "", arguments, own, exits, takes, json and takes)


def _options(actions: Sequence[argparse.Action]) -> List[Option]:
    """Without those that no help names, as former names of others."""
    return [
        Option(tuple(one.option_strings), "" if one.nargs == 0 else str(one.metavar or one.dest.upper()), one.help or "")
        for one in actions if one.option_strings and one.help != argparse.SUPPRESS
    ]

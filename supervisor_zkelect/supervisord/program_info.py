"""A program of supervisord's configuration, an item of its getAllConfigInfo: whether it is the listener, whether the chain loader
starts it. Pure."""

from __future__ import annotations

import os
import shlex
from typing import Any, Callable, List, Mapping, Sequence


def is_listener(info: Mapping[str, Any]) -> bool:
    """Whether an item of getAllConfigInfo is the event listener: by its command, or by its name where the command is mistyped."""
    words = split(info)
    return not is_loaded(words) and (_listens(words) or info.get("group") == info.get("name") == "zkelect")


def listener_of(infos: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The item of getAllConfigInfo that is the listener, or is meant to be it; {} where there is none."""
    commands_of = [(info, split(info)) for info in infos]
    rules: List[Callable[[Mapping[str, Any], Sequence[str]], bool]] = [
        lambda info, words: _listens(words) and not is_loaded(words),
        lambda info, words: is_listener(info),
        lambda info, words: list(words[1:2]) == ["listen"] and "-c" in words,
    ]
    return next((info for rule in rules for info, words in commands_of if rule(info, words)), {})


def _listens(words: Sequence[str]) -> bool:
    named = any(os.path.basename(word) == "zkelect" or word.startswith("supervisor_zkelect") for word in words)
    return named and "listen" in words


def split(info: Mapping[str, Any]) -> List[str]:
    """The words of a program's command, by supervisord's rule; [] where it has none."""
    try:
        return shlex.split(str(info.get("command", "")))
    except ValueError:
        return []


def is_loaded(words: Sequence[str]) -> bool:
    """Whether the words of a command begin with the chain loader."""
    return [os.path.basename(word) for word in words[:1]] + list(words[1:2]) == ["zkelect", "run"]


def unguarded(info: Mapping[str, Any]) -> bool:
    """Whether the command of a program is without the chain loader."""
    return not is_loaded(split(info))


def loaded_command(words: Sequence[str]) -> Sequence[str]:
    """The command behind `zkelect run --`; empty where there is none."""
    if not is_loaded(words):
        return []
    rest = words[3:] if words[2:3] == ["--"] else words[2:]
    return rest if rest and not rest[0].startswith("-") else []

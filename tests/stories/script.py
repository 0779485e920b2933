"""The text of a story: a command begins a line; what it leads to stands below it, indented."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Tuple


class Wrong(Exception):
    """A command that cannot be carried out; says why."""


def replay(text: str) -> str:
    """The story with what happens below each command. Raises Wrong."""
    return "\n".join(_replay(text)) + "\n"


def _replay(text: str) -> Iterator[str]:
    stage = None
    try:
        for number, line in enumerate(text.splitlines(), 1):
            if line.startswith(" "):
                # What was told the last time.
                continue
            yield line
            if not line or line.startswith("#"):
                continue
            try:
                if stage is None:
                    stage = _stage(line.split())
                else:
                    yield from stage.do(line.split())
            except Wrong as error:
                raise Wrong(f"line {number}, {line!r}: {error}") from error
    finally:
        if stage is not None:
            stage.close()


def _stage(words: List[str]) -> Any:
    """Of the first command: `cluster a b T=4 ...` or `session T=10 ...`."""
    from tests.stories.arithmetic import Arithmetic
    from tests.stories.cluster import Cluster
    from tests.stories.commands import COMMANDS

    names, options = options_of(words[1:])
    if words[0] == "cluster":
        return Cluster(names, options, COMMANDS)
    if words[0] == "session":
        return Arithmetic(options)
    raise Wrong("a story begins with a cluster or a session")


def options_of(words: List[str]) -> Tuple[List[str], Dict[str, float]]:
    """Plain words, and the numbers of those that are NAME=NUMBER."""
    plain = [word for word in words if "=" not in word]
    pairs = [word.split("=") for word in words if "=" in word]
    try:
        return plain, {name: float(value) for name, value in pairs}
    except ValueError as error:
        raise Wrong(str(error)) from error

"""supervisord's main file as far as an installation has to know it: what it includes, and which sections there are."""

from __future__ import annotations

import configparser
import errno
import glob
import os
import platform
from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Optional, Sequence

PLACES = ("supervisord.conf", "etc/supervisord.conf", "/etc/supervisord.conf", "/etc/supervisor/supervisord.conf")
"""Where supervisord looks for it (supervisor.options.Options), after the folders beside its program."""

CTLPLUGIN = "ctlplugin:zkelect"


@dataclass(frozen=True)
class MainFile:
    """path: the file. patterns: the paths that it includes. sections: file -> section -> its options, of the file itself and
    of those that it includes. troubles: what could not be read, one line each."""

    path: str
    patterns: Sequence[str] = ()
    sections: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    troubles: Sequence[str] = ()

    def owners(self, without: str) -> Dict[str, str]:
        """Section -> the file that has it, but for those of the file `without`. The first file counts."""
        found: Dict[str, str] = {}
        for path, sections in self.sections.items():
            if os.path.realpath(path) != os.path.realpath(without):
                for section in sections:
                    found.setdefault(section, path)
        return found

    @property
    def has_plugin(self) -> bool:
        """Whether supervisorctl has this program's commands; it looks into the file itself only."""
        return CTLPLUGIN in self.sections.get(self.path, {})

    def includes(self, path: str) -> bool:
        """Whether a file, which exists, is among those that supervisord includes."""
        return any(os.path.realpath(one) == os.path.realpath(path) for pattern in self.patterns for one in glob.glob(pattern))


def find(folder: str, program: str) -> Optional[str]:
    """The main file that supervisord would take by itself; None when there is none.

    folder: from which it is started. program: its path, or that of another program of the same installation.
    """
    beside = os.path.dirname(os.path.dirname(os.path.abspath(program)))
    for place in (os.path.join(beside, "etc/supervisord.conf"), os.path.join(beside, "supervisord.conf"), *PLACES):
        path = os.path.join(folder, place)
        if os.path.isfile(path):
            return path
    return None


def read(path: str, environ: Mapping[str, str]) -> MainFile:
    """Read a main file and what it includes. environ: for %(ENV_X)s. Raises ValueError when the file itself cannot be read."""
    path = os.path.abspath(path)
    try:
        sections = {path: _sections(path)}
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise ValueError(_why(error)) from None
    troubles: List[str] = []
    patterns = _patterns(sections[path].get("include", {}).get("files", ""), path, environ, troubles)
    for included in (one for pattern in patterns for one in sorted(glob.glob(pattern))):
        try:
            sections.setdefault(included, _sections(included))
        except (OSError, UnicodeDecodeError, configparser.Error) as error:
            troubles.append(f"{included}: {_why(error)}")
    return MainFile(path, patterns, sections, troubles)


def _sections(path: str) -> Dict[str, Dict[str, str]]:
    # As supervisord does (supervisor.options.UnhosedConfigParser).
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";", "#"))
    # To open another kind could last for ever.
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(errno.EINVAL, "is not a regular file", path)
    with open(path, encoding="utf-8") as file:
        parser.read_file(file, path)
    return {section: dict(parser.items(section)) for section in parser.sections()}


def _patterns(files: str, path: str, environ: Mapping[str, str], troubles: List[str]) -> List[str]:
    folder = os.path.dirname(path)
    known = {"host_node_name": platform.node(), **{f"ENV_{name}": text for name, text in environ.items()}}
    try:
        expanded = files.replace("%(here)s", folder) % known
    except (KeyError, TypeError, ValueError) as error:
        troubles.append(f"{path}: [include] files = {files}: cannot be expanded: {error}")
        return []
    return [os.path.join(folder, pattern) for pattern in expanded.split()]


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or "cannot be read"
    return "is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error).replace("\n", " ")

"""Reads the sections [zkelect] and [election:NAME] of a supervisord configuration file into settings.

The file is read by supervisord's own rules, with its expansions %(here)s, %(host_node_name)s and %(ENV_X)s, where a percent sign
of one's own is doubled. All problems of a file are collected, each in one line.
"""

from __future__ import annotations

import os
import platform
from typing import Mapping, Optional

from supervisor_zkelect.config import document, rules
from supervisor_zkelect.config.document import Parser
from supervisor_zkelect.config.options import ELECTION, MAIN
from supervisor_zkelect.config.problems import ConfigError
from supervisor_zkelect.config.settings import ElectionSettings, Settings
from supervisor_zkelect.config.source import Section, Source


def from_file(path: str, environ: Optional[Mapping[str, str]] = None, host: Optional[str] = None) -> Settings:
    """Read and check one file.

    environ: where %(ENV_X)s and the SUPERVISOR_… defaults come from, by default this process's environment. host: the meaning
    of %(host_node_name)s, by default this machine's name.

    Raises ConfigError with every problem that can be seen without ZooKeeper and supervisord.
    """
    source = Source(os.fspath(path), os.environ if environ is None else environ, platform.node() if host is None else host)
    return _settings(source, document.text_of(source))


def from_text(text: str, name: str) -> Settings:
    """Read and check a text as `from_file` does a file. name: stands for the file in messages. Nothing comes from the
    environment. Raises ConfigError."""
    return _settings(Source(name, {}, platform.node()), text)


def _settings(source: Source, text: str) -> Settings:
    parser = document.parse(source, text)
    names = document.elections(source, parser)
    main = Section(source, MAIN, {})
    if parser.has_section(MAIN):
        main = _section(source, parser, MAIN)
        rules.check_main(main)
    elections = [_section(source, parser, name) for name in names]
    for election in elections:
        rules.check_election(election)
    rules.check_elections(elections, main.values.get("chroot", ""))
    if source.problems:
        raise ConfigError(source.problems)
    return Settings(
        file=source.file,
        elections=tuple(ElectionSettings(name=one.name[len(ELECTION):], **one.values) for one in elections),
        notes=tuple(source.notes),
        doubts=tuple(source.doubts),
        **main.values,
    )


def _section(source: Source, parser: Parser, name: str) -> Section:
    section = Section(source, name, parser.written(name))
    section.read()
    return section

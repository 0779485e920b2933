"""A configuration file while it is read, with all messages about it; and one section of it."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Mapping, Optional

from supervisor_zkelect.config import options, problems
from supervisor_zkelect.config.options import Option
from supervisor_zkelect.config.values import shown


class Source:
    """One file. file: its path, or what stands for it in messages. environ: environment variables, for %(ENV_X)s and as defaults.
    host: the meaning of %(host_node_name)s.

    exposed: whether every user may read it. problems, notes, doubts: a line each (`settings.Settings`).
    """

    def __init__(self, file: str, environ: Mapping[str, str], host: str) -> None:
        self.file = file
        self.environ = environ
        self.exposed = False
        self.problems: List[str] = []
        self.notes: List[str] = []
        self.doubts: List[str] = []
        self._expansions = {f"ENV_{name}": value for name, value in environ.items()}
        self._expansions["here"] = os.path.dirname(os.path.abspath(file))
        self._expansions["host_node_name"] = host

    def problem(self, what: str, section: str = "", option: str = "", value: Optional[str] = None) -> None:
        """Add a problem; the value is as it may be shown."""
        self.problems.append(problems.line(self.file, what, section, option, value))

    def expanded(self, raw: str) -> str:
        """The text with supervisord's expansions. Raises ValueError as a reader of a value does.

        Only `%%` and `%(NAME)s` are let through: a bare %s would be replaced by the whole environment.
        """

        def replacement(match: re.Match[str]) -> str:
            name = match[1]
            if match[0] == "%%":
                return "%"
            if name is None:
                raise ValueError("has a percent sign that does not begin %(NAME)s; double a literal one: %%")
            if name in self._expansions:
                return self._expansions[name]
            if name.startswith("ENV_"):
                raise ValueError(
                    f"the environment variable {shown(name[4:])} is not set; set it for supervisord and "
                    "for the commands you type, or write the value itself"
                )
            raise ValueError(f"%({shown(name)})s is unknown here; use %(here)s, %(host_node_name)s or %(ENV_X)s")

        return re.sub(r"%(?:%|\(([^()%]*)\)s)?", replacement, raw).strip()


class Section:
    """One section of a file. written: its options as in the file. values: the values of all options of the table, without those
    that were refused."""

    def __init__(self, source: Source, name: str, written: Mapping[str, str]) -> None:
        self.source = source
        self.name = name
        self.options = options.of_section(name)
        self.written = {key: raw for key, raw in written.items() if key in self.options}
        self.values: Dict[str, Any] = {}
        for key, raw in written.items():
            if key not in self.options:
                self._unknown(key, raw)

    def read(self) -> None:
        """Read the values; what is not set has its default, or None."""
        for name, option in self.options.items():
            try:
                text = self._text(option)
                self.values[name] = None if text is None else option.read(text)
            except ValueError as error:
                self.wrong(name, str(error))

    def wrong(self, name: str, what: str) -> None:
        """Add a problem with an option, together with its value as far as that may be shown."""
        self.source.problem(what, self.name, name, self.shown(name))

    def note(self, name: str, what: str) -> None:
        """Add a note on an option."""
        self.source.notes.append(problems.line(self.source.file, what, self.name, name))

    def doubt(self, name: str, what: str) -> None:
        """Add a doubt about an option, with its value as far as that may be shown."""
        self.source.doubts.append(problems.line(self.source.file, what, self.name, name, self.shown(name)))

    def shown(self, name: str) -> Optional[str]:
        """The text of an option as it may be shown, with its origin where that is not the file; None without any."""
        option, text, origin = self.options[name], self.written.get(name), ""
        if text is None and self.source.environ.get(option.variable):
            return f"{problems.masked(name, self.source.environ[option.variable])} (from {option.variable})"
        if text is None:
            text, origin = option.default_for(self.name), " (the default)"
        if text is None:
            return None
        try:
            text = self.source.expanded(text)
        except ValueError:
            pass  # what cannot be expanded is shown as it was written
        return problems.masked(name, text) + origin

    def _text(self, option: Option) -> Optional[str]:
        raw = self.written.get(option.name)
        if raw is None and not option.required:
            default = option.default_for(self.name)
            return self.source.environ.get(option.variable) or (None if default is None else self.source.expanded(default))
        text = "" if raw is None else self.source.expanded(raw)
        if not text and not option.empty:
            state = "is missing" if raw is None else "is empty"
            remedy = "set it" if option.required else "give it a value or remove the line"
            meaning = option.meaning.partition(".")[0]
            raise ValueError(f"{state}; {remedy}: {meaning[0].lower()}{meaning[1:]}")
        return text

    def _unknown(self, key: str, value: str) -> None:
        main = self.options is options.MAIN_OPTIONS
        other = options.ELECTION_OPTIONS if main else options.MAIN_OPTIONS
        close = problems.closest(key, list(self.options))
        if key in other:
            what = f"does not belong here; move it to [{other[key].section}]"
        elif close is not None:
            what = f"unknown option; did you mean {close}?"
        else:
            what = "unknown option; remove it (`zkelect check --options` lists all there are)"
        self.source.problem(what, self.name, key, problems.masked(key, value))

"""The commands `role` and `zkelect` of supervisorctl.

    [ctlplugin:zkelect]
    supervisor.ctl_factory = supervisor_zkelect.controllerplugin:make_zkelect_controllerplugin

supervisorctl reads this section from its own configuration file only, not from included ones.
"""

from __future__ import annotations

import re
import shlex
import sys
import textwrap
import xmlrpc.client
from typing import Any, Dict, Iterable, List, Optional, Tuple

from supervisor.supervisorctl import ControllerPluginBase

from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.operators import ask, confirm, live, local_time, streams, times, waiting
from supervisor_zkelect.operators.outcome import ERROR, INTERRUPTED, MEANINGS, USAGE, CommandOutcome, failure
from supervisor_zkelect.operators.progress import Progress
from supervisor_zkelect.operators.reader import Reader
from supervisor_zkelect.operators.suggestion import suggestion
from supervisor_zkelect.operators.verbs import AFAR, LONGEST, VERBS, Flag, Verb
from supervisor_zkelect.supervisord.client import Unreachable

#: Columns of a help, and of the words on its left.
_WIDTH, _LEFT = 100, 40

#: For how long somebody waits, of all verbs that wait.
_WAIT = "timeout"
_WAITING = Flag("--wait", _WAIT, "", "SECONDS", True)

#: As argparse has it: a minus, a number below zero, and what has a blank are values.
_LIKE_AN_OPTION = re.compile(r"-(?!\d+$|\d*\.\d+$)[^ ]+")


class ZkelectControllerPlugin(ControllerPluginBase):
    """supervisorctl calls do_X for a command X, and help_X for `help X`."""

    name = "zkelect"

    def __init__(self, controller: Any) -> None:
        super().__init__(controller)
        # supervisorctl asks each plugin for a help, and one that has none says so, whatever the others have.
        for other in getattr(getattr(controller, "options", None), "plugins", ()):
            for command in ("role", "zkelect"):
                setattr(other, f"help_{command}", _say_nothing)

    def do_help(self, arg: str) -> None:
        if not arg or hasattr(self, f"help_{arg}"):
            super().do_help(arg)

    def do_role(self, arg: str) -> None:
        self._run(VERBS["role"], self._words(arg) or arg.split(), "role")

    def help_role(self) -> None:
        self._help([VERBS["role"]], "", VERBS["role"].exits)

    def do_zkelect(self, arg: str) -> None:
        try:
            words = self._words(arg) or shlex.split(arg)
        except ValueError as error:
            self._fail(USAGE, f"{error}; close it", "--json" in arg.split())
            return
        verb = words.pop(0) if words else ""
        if verb not in VERBS:
            meant = suggestion(verb, VERBS)
            problem = f"there is no command {printable(verb)}" if verb else "a command is missing"
            told = f"{problem}:{meant} Use one of" if meant else f"{problem}; use one of"
            self._fail(USAGE, f"{told}: {', '.join(VERBS)}", "--json" in words)
            return
        self._run(VERBS[verb], words, "zkelect")

    def _words(self, arg: str) -> List[str]:
        """The words behind a command as the shell gave them: supervisorctl joins them with blanks, by which "disk full" would be
        two. Empty where it reads lines, or has made the line of something else."""
        options = getattr(self.ctl, "options", None)
        words: List[str] = list(getattr(options, "args", None) or ())[1:]
        return words if not getattr(options, "interactive", True) and " ".join(words).strip() == arg else []

    def help_zkelect(self) -> None:
        self._help(VERBS.values(), "zkelect ", MEANINGS)

    def _help(self, verbs: Iterable[Verb], before: str, exits: str) -> None:
        for verb in verbs:
            left = f"{before}{verb.words}"
            if len(left) >= _LEFT:
                self._say(*textwrap.wrap(left, _WIDTH, subsequent_indent=" " * 8, break_on_hyphens=False))
                left = ""
            head, below = f"{left:{_LEFT}}", " " * _LEFT
            self._say(*textwrap.wrap(verb.help, _WIDTH, initial_indent=head, subsequent_indent=below, break_on_hyphens=False))
        waits = "With --wait SECONDS a command that waits does so for so long."
        for text in ("With --json the answer is printed as JSON.", waits, f"The exit status: {exits}."):
            self._say(*textwrap.wrap(text, _WIDTH, initial_indent="    ", subsequent_indent="    "))

    def _run(self, verb: Verb, words: List[str], helped: str) -> None:
        as_json = "--json" in words
        if {"--help", "-h"} & set(words):
            self._help([verb], "zkelect " * (helped == "zkelect"), verb.exits)
            return
        try:
            names, given = parsed(verb, words)
        except ValueError as error:
            see = f"zkelect {verb.name} --help" if helped == "zkelect" else f"help {helped}"
            self._fail(USAGE, f"{error}; see {see}", as_json)
            return
        election, wait = names[0] if names else None, given.pop(_WAIT, None)
        interrupted = waiting.NOTHING_ORDERED
        try:
            if not confirm.agreed(confirm.question(verb.name, given, election), sys.stdin, sys.stderr):
                self._fail(ERROR, confirm.REFUSED, as_json)
                return
            interrupted = ask.MAY_BE_DONE if verb.acts else "interrupted"
            outcome = self._outcome(verb, election, wait, given, as_json)
        except ValueError as error:
            self._fail(USAGE, f"serverurl: {error}", as_json)
            return
        except KeyboardInterrupt:
            self._fail(INTERRUPTED, interrupted, as_json)
            return
        if not outcome.document:
            # All of it is printed.
            lines = []
        elif as_json:
            import json

            lines = [json.dumps(outcome.document)]
        else:
            lines = [*outcome.lines, *([f"error: {outcome.error}"] if outcome.error else ())]
        self.ctl.exitstatus = outcome.exit
        self._say(*lines)

    def _outcome(
        self, verb: Verb, election: Optional[str], wait: Optional[float], given: Dict[str, Any], as_json: bool
    ) -> CommandOutcome:
        call = self._caller()

        def run(reader: Optional[Reader] = None) -> CommandOutcome:
            return ask.run(
                verb.name, call, election, timeout=wait, given=given, screen=streams.screen(self.ctl.stdout),
                progress=Progress(sys.stderr), reader=reader,
            )

        return live.run(run, given, as_json, self.ctl.stdout) if live.looks_on(given) else run()

    def _caller(self) -> ask.Call:
        """A caller for the server that supervisorctl talks to.

        Its own proxy would wait for ever on a supervisord that is stopped, when the answer has to be:
        unknown.
        """
        options = self.ctl.options
        call = ask.caller(options.serverurl, options.username, options.password)

        def asked(method: str, *args: Any) -> Any:
            try:
                return call(method, *args)
            except Unreachable as error:
                if "HTTP 401" in error.reason and options.interactive:
                    # Then supervisorctl asks for a user name and a password, and tries once more.
                    raise xmlrpc.client.ProtocolError(options.serverurl, 401, "Unauthorized", {}) from error
                raise

        return asked

    def _fail(self, status: int, text: str, as_json: bool = False) -> None:
        self.ctl.exitstatus = status
        if as_json:
            import json

            self._say(json.dumps(failure(status, text).document))
        else:
            self._say(f"error: {text}")

    def _say(self, *lines: str) -> None:
        why = streams.write(self.ctl.stdout, [streams.encodable(self.ctl.stdout, line) for line in lines])
        if why:
            self.ctl.exitstatus = self.ctl.exitstatus if self.ctl.exitstatus in (ERROR, USAGE) else ERROR
            streams.write(sys.stderr, [f"error: standard output: {why}"])


def _say_nothing() -> None:
    pass


def parsed(verb: Verb, words: List[str]) -> Tuple[List[str], Dict[str, Any]]:
    """The elections that the words behind a verb name, one at most, and what is said with it. Raises ValueError with what is
    wrong."""
    given: Dict[str, Any] = {}
    options = {option.word: option for option in (*verb.options, *[_WAITING] * verb.timed)}
    for word, behind in zip(words, words[1:]):
        if word in options and options[word].value and _LIKE_AN_OPTION.fullmatch(behind):
            # The shell has dropped an empty variable: what follows it is not to be taken for the value, and not be obeyed.
            raise ValueError(f"{word} wants a value: {options[word].value}, and {printable(behind)} looks like an option")
    names, left = [], [word for word in words if word != "--json"]
    if verb.what:
        given["what"] = left.pop(0) if left else ""
        if given["what"] not in verb.what:
            raise ValueError(f"say first {' or '.join(verb.what)}")
    while left:
        word = left.pop(0)
        option = options.get(word)
        if option is None:
            if word in AFAR and verb.afar:
                raise ValueError(f"{word} is of the program: zkelect {verb.name} {word} …, from any host")
            if word.startswith("-"):
                raise ValueError(f"there is no option {printable(word)}")
            names.append(word)
        elif not option.value:
            given[option.argument] = True
        elif not left:
            raise ValueError(f"{word} wants a value: {option.value}")
        else:
            given[option.argument] = _value(option, left.pop(0))
    if not all(name.strip() for name in names):
        raise ValueError("a name is empty; give one, or leave it out")
    if verb.operand:
        if not names:
            raise ValueError(f"name the {verb.operand}")
        given["node"] = names.pop(0)
    if len(names) > 1:
        raise ValueError("name one election at most")
    return names, given


def _value(option: Flag, text: str) -> Any:
    if not text.strip():
        raise ValueError(f"{option.word} wants a value: {option.value}; give it, or leave the option out")
    if option.moment:
        return local_time.parse(text)
    return _seconds(option.word, text) if option.seconds else text


def _seconds(word: str, text: str) -> float:
    seconds = times.length(text)
    if not 0 < seconds <= LONGEST:
        raise ValueError(f"{word} {printable(text)} is not {times.LENGTH}")
    return seconds


def make_zkelect_controllerplugin(controller: Any, **config: str) -> ZkelectControllerPlugin:
    """The factory that `supervisor.ctl_factory` in [ctlplugin:zkelect] names. There are no options."""
    if config:
        controller.output(f"[ctlplugin:zkelect] has no option {', '.join(sorted(config))}; remove it")
    return ZkelectControllerPlugin(controller)

"""The command `zkelect`: the verbs that it shares with supervisorctl, as the table in verbs.py has them, and those of its own.

Each error is one line on standard error. Only what a command needs is imported: `listen` and `role` are started often.
"""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any, Callable, Collection, Dict, NoReturn, Optional, Sequence

from supervisor_zkelect import __version__
from supervisor_zkelect.core.untrusted import printable
from supervisor_zkelect.operators import streams
from supervisor_zkelect.operators.outcome import DONE, ERROR, MEANINGS, USAGE, CommandOutcome, Trouble
from supervisor_zkelect.operators.reader import Reader
from supervisor_zkelect.operators.verbs import AFAR, LONGEST, NODE, VERBS, Verb

_DESCRIPTION = "Active/passive service groups under supervisord, elected through ZooKeeper."

_STATUSES = f"exit status: {MEANINGS}"


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line. commands: the names of those that follow. status: to exit with then. output: what the line
    begins with on standard output, where a program reads that; "" where it is not to stand there."""

    commands: Collection[str] = ()
    status = USAGE
    output = ""

    def __init__(self, **more: Any) -> None:
        # The beginning of a word is another word as often as not: `--node b` would be `--node-is-dead b` for resume.
        super().__init__(**{"allow_abbrev": False, **more})

    def error(self, message: str) -> Any:
        mistyped = re.match(r"argument COMMAND: invalid choice: '(.*)' \(choose from ", message)
        if mistyped:
            from supervisor_zkelect.operators.suggestion import suggestion

            meant = suggestion(mistyped[1], self.commands)
            message = f"there is no command {mistyped[1]}" + (f":{meant}" if meant else "")
        if re.match(r"argument what: invalid choice|the following arguments are required: what", message):
            message = "say first on or off"
        see = " See" if message.endswith("?") else "; see"
        self.refuse(f"{message}{see} {self.prog} --help")

    def refuse(self, text: str) -> NoReturn:
        if self.output:
            print(self.output + printable(text))
        raise Trouble(self.status, text)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """What is one word too many is one of the command, whose help tells which there are."""
        found, left = self.parse_known_args(args, namespace)
        late = left[0] if len(left) == 1 and left[0].strip() and not left[0].startswith("-") else ""
        if late and getattr(found, "may_name_one", False) and found.election is None:
            # Behind another word argparse takes one that may be left out only before the options.
            found.election, left = late, []
        if left:
            of = f"{self.prog} {found.name}" if getattr(found, "name", None) else self.prog
            command = getattr(found, "parser", self)
            command.refuse(f"unrecognized arguments: {' '.join(left)}; see {of} --help")
        return found


def main(argv: Optional[Sequence[str]] = None, http: Optional[Callable[[argparse.Namespace], int]] = None) -> int:
    """Run one command. argv: the words after the program's name, by default those of this process. http: does `zkelect http`, of
    which nothing is imported for another command.

    Returns the exit status; raises nothing.
    """
    streams.stand_in()
    status = _run(argv, http)
    why = streams.write(sys.stdout, ())
    if why:
        status = _fail(status or ERROR, [f"standard output: {why}"], False)
    streams.write(sys.stderr, ())
    return status


def _run(argv: Optional[Sequence[str]], http: Optional[Callable[[argparse.Namespace], int]]) -> int:
    # What is wrong with the words is told as JSON as well.
    as_json = "--json" in (sys.argv[1:] if argv is None else argv)
    try:
        for stream in (sys.stdout, sys.stderr):
            # A terminal that cannot show a character must not cost the answer.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        arguments = parser().parse_args(argv)
        arguments.http = http
        status: int = arguments.command(arguments)
        return status
    except Trouble as trouble:
        return _fail(trouble.status, trouble.lines, as_json)
    except SystemExit as end:
        # argparse ends so after --help and --version, and listeners may.
        return end.code if isinstance(end.code, int) else DONE if end.code is None else ERROR
    except KeyboardInterrupt:
        return _fail(128 + 2, ["interrupted"], as_json)
    except BrokenPipeError:
        # Whoever reads our output has had enough, before it was known what the command comes to.
        streams.hush(sys.stdout)
        return ERROR
    except Exception as error:
        why = streams.write(sys.stdout, ())
        if why:
            return _fail(ERROR, [f"standard output: {why}"], False)
        return _fail(ERROR, [f"{type(error).__name__}: {error}"], as_json)


def _fail(status: int, lines: Sequence[str], as_json: bool) -> int:
    lines = [printable(line) for line in lines]
    if as_json:
        import json

        streams.write(sys.stdout, [json.dumps({"v": 1, "exit": status, "error": "; ".join(lines)})])
    streams.write(sys.stderr, [f"zkelect: {line}" for line in lines])
    return status


# The words of the command line


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    connection, output = connection_words(), _output_words()
    program = _Parser(prog="zkelect", description=_DESCRIPTION, epilog=_STATUSES, parents=[connection])
    program.add_argument("--version", action="version", version=f"zkelect {__version__}")
    commands = program.add_subparsers(title="commands", metavar="COMMAND", dest="name", required=True)
    program.commands = commands.choices

    def add(
        name: str, function: Any, text: str, parents: Sequence[Any] = (connection, output), epilog: str = _STATUSES, **more: Any
    ) -> argparse.ArgumentParser:
        description = f"{text[0].upper()}{text[1:]}."
        command = commands.add_parser(name, help=text, description=description, epilog=epilog, parents=list(parents), **more)
        command.set_defaults(command=function)
        return command

    add("listen", _listen, "be the event listener; supervisord runs this", [_file_word()])
    # For --help only: command.py does not come here with it.
    add("run", _misplaced_run, "`zkelect run -- COMMAND`: start COMMAND under this node's lease, or not at all", [])
    for verb in VERBS.values():
        _add_verb(add, verb)
    _add_init(add)
    _add_primary(add)
    _add_http(add, output)
    _add_monitor(add)
    demo = add("demo", _demo, "show two nodes and a ZooKeeper on this machine, and what happens to them", [])
    demo.add_argument(
        "--keep", action="store_true", help="leave the nodes running after that until Enter, and show commands to try on them"
    )
    return program


def connection_words() -> argparse.ArgumentParser:
    """The options that say where supervisord is, to be a parent of other parsers."""
    connection = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    where = connection.add_argument_group(
        "where supervisord is",
        "Without any of these: SUPERVISOR_SERVER_URL, else the supervisord.conf that supervisorctl uses.",
    )
    where.add_argument(
        "-s", "--serverurl", metavar="URL", help="unix:///path of the socket, or http://host:port"
    )
    where.add_argument("-u", "--username", metavar="NAME", help="user of supervisord's server")
    where.add_argument(
        "-p", "--password", metavar="TEXT", help="its password; others on this host can see it"
    )
    where.add_argument("--password-file", metavar="FILE", help="file with that password in its first line")
    where.add_argument("--supervisor-conf", metavar="FILE", help="a supervisord.conf with [supervisorctl]")
    _add_file(where)
    return connection


def _file_word() -> argparse.ArgumentParser:
    """The option that names the file, for commands that need nothing else to find supervisord."""
    parser = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    _add_file(parser)
    return parser


def _add_file(parser: Any) -> None:
    parser.add_argument("-c", "--configuration", metavar="FILE", help="the file with [zkelect]")


def _output_words() -> argparse.ArgumentParser:
    output = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    output.add_argument("--json", action="store_true", help="print one JSON document")
    return output


def _add_verb(add: Any, verb: Verb) -> None:
    looks_itself = verb.name == "check"
    text = f"{verb.text}; with -c FILE: what is wrong with the file and with all that it names" if looks_itself else verb.text
    command = add(verb.name, _check if looks_itself else _operate, text, epilog=f"exit status: {verb.exits}")
    command.set_defaults(election=None, may_name_one=verb.means != NODE)
    if verb.what:
        command.add_argument("what", choices=verb.what)
    if verb.operand:
        command.add_argument("node", metavar=verb.operand, type=_filled)
    if verb.means != NODE:
        command.add_argument("election", nargs="?", metavar="ELECTION", type=_filled, help=f"by default {verb.means}")
    for option in verb.options:
        if option.value:
            kind = _positive if option.seconds else _moment if option.moment else _filled
            command.add_argument(option.word, dest=option.argument, metavar=option.value, type=kind, help=option.text)
        else:
            command.add_argument(option.word, dest=option.argument, action="store_true", help=option.text)
    if verb.timed:
        told = f"how long to wait for the outcome; by default {verb.wait:g}"
        command.add_argument("--wait", dest="timeout", type=_positive, metavar="SECONDS", help=told)
        # Its former name.
        command.add_argument("--timeout", type=_positive, help=argparse.SUPPRESS)
    if verb.afar:
        _add_afar(command)
    if looks_itself:
        command.add_argument(
            "--options", action="store_true", help="print the reference of all options, in Markdown"
        )


def _add_primary(add: Any) -> None:
    primary = add("primary", _primary, "print the primary's address, as the ack znode has it")
    primary.add_argument("election", metavar="ELECTION", type=_filled)
    _add_afar(primary)
    primary.add_argument(
        "--watch",
        action="store_true",
        help="go on, and print each change; an empty line: there is no primary",
    )
    primary.add_argument(
        "--exec",
        metavar="COMMAND",
        help="with --watch: run COMMAND at the beginning and at each change, with ZKELECT_PRIMARY and ZKELECT_TOKEN",
    )


def _add_http(add: Any, output: argparse.ArgumentParser) -> None:
    text = "answer load balancers, monitors and browsers; supervisord runs this"
    epilog = "exit status: 0 done; 1 it does not answer, or cannot listen; 2 wrong command or configuration"
    command = add("http", _http, text, [_file_word(), output], epilog)
    other = command.add_mutually_exclusive_group()
    other.add_argument("--check", dest="asks", action="store_true", help="ask the one that runs, and tell whether it answers")
    other.add_argument(
        "--hash", dest="user", metavar="USER", help="print a line for http_password_file; the password is read, and not shown"
    )


def _add_monitor(add: Any) -> None:
    from supervisor_zkelect.operators import monitor

    text = "be a plugin of Nagios, Icinga and their kind: one line on the elections, as this node sees them"
    # Its -c is that of all plugins.
    command = add(
        "monitor", _monitor, text, [connection_words()], f"exit status: {monitor.EXITS}", conflict_handler="resolve"
    )
    command.status, command.output = monitor.UNKNOWN, monitor.begins(monitor.UNKNOWN)
    command.set_defaults(parser=command)
    command.add_argument("election", nargs="?", metavar="ELECTION", type=_filled, help="by default all elections")
    for words, default, word in ((("-w", "--warning"), 1, "WARNING"), (("-c", "--critical"), 0, "CRITICAL")):
        told = f"{word} where fewer nodes than that stand by; by default {default}"
        command.add_argument(*words, metavar="N", type=_count, default=default, help=told)
    told = f"how long the listener, or ZooKeeper with --servers, has to tell of the cluster; by default {monitor.TIME:g}"
    command.add_argument("-t", "--timeout", metavar="SECONDS", type=_positive, default=monitor.TIME, help=told)
    _add_afar(command)


def _add_afar(command: argparse.ArgumentParser) -> None:
    afar = command.add_argument_group("from any host, without a node's file")
    for word, metavar, text in (
        ("--servers", "HOSTS", "ZooKeeper's servers, host:port,…, with the chroot behind them if there is one"),
        ("--root", "ZNODE", "where the elections stand; by default /zkelect: the ack is ZNODE/ELECTION/ack"),
        ("--digest-file", "FILE", "file with USER:PASSWORD of ZooKeeper's digest scheme in its only line"),
        ("--tls-ca", "FILE", "PEM file with the authorities that sign the servers' certificates; the link is encrypted then"),
        ("--tls-cert", "FILE", "PEM file with this client's certificate"),
        ("--tls-key", "FILE", "PEM file with its key; by default in the certificate's file"),
        ("--tls-key-password-file", "FILE", "file with that key's password in its only line"),
    ):
        afar.add_argument(word, metavar=metavar, type=_filled, help=text)


def _add_init(add: Any) -> None:
    command = add("init", _init, "write a configuration file for one election, and say what is left to do", [])
    command.add_argument(
        "election", nargs="?", metavar="NAME", help="name of the election and of its program, the same on all nodes"
    )
    for option, metavar, text in (
        ("program", "COMMAND", "command that starts the service in the foreground"),
        ("address", "HOST:PORT", "where clients find the service on this node"),
        ("servers", "HOST:PORT,...", "the ZooKeeper servers, by default what the variable ZKELECT_SERVERS has"),
        ("health", "CHECK", "tcp://host:port, http(s)://..., exec:COMMAND, or none: every program RUNNING; by default tcp://ADDRESS"),
        ("node", "NAME", "this node's name, by default the host's"),
        ("group", "NAME", "name of the program group, by default primary"),
        ("output", "FILE", "the file to write, by default zkelect.conf in this folder"),
        ("supervisor-conf", "FILE", "supervisord's main file, by default the one that supervisord would find"),
    ):
        command.add_argument(f"--{option}", metavar=metavar, help=text)
    command.add_argument("--force", action="store_true", help="overwrite FILE where it exists")


def _filled(text: str) -> str:
    """A word. An empty one comes of a variable that is not set, and is not to mean what leaving the option out means."""
    if not text.strip():
        raise argparse.ArgumentTypeError("nothing stands there; give a value, or leave it out")
    return text


def _positive(text: str) -> float:
    from supervisor_zkelect.operators import times

    seconds = times.length(text)
    if not 0 < seconds <= LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not {times.LENGTH}")
    return seconds


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of nodes")
    return int(text)


def _moment(text: str) -> int:
    from supervisor_zkelect.operators import local_time

    try:
        return local_time.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


# Commands


def _listen(arguments: argparse.Namespace) -> int:
    from supervisor_zkelect.config.problems import ConfigError
    from supervisor_zkelect.listener import listener

    path = getattr(arguments, "configuration", None)
    if path is None:
        raise Trouble(USAGE, "zkelect listen needs -c FILE, the file with [zkelect]")
    try:
        return listener.main(path)
    except ConfigError as error:
        raise Trouble(USAGE, *error.problems) from None


def _misplaced_run(arguments: argparse.Namespace) -> int:
    raise Trouble(USAGE, "write `zkelect run -- COMMAND ARGUMENTS`, with no option before run")


def _init(arguments: argparse.Namespace) -> int:
    from supervisor_zkelect.operators import init

    given = init.InitWords(
        name=arguments.election, main=arguments.supervisor_conf, output=arguments.output or "zkelect.conf", force=arguments.force,
        **{field: getattr(arguments, field) for field in ("program", "address", "servers", "health", "node", "group")},
    )
    there = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
    for line in init.run(given, init.own_path(), init.ask if there else None, init.tell):
        print(printable(line))
    return DONE


def _demo(arguments: argparse.Namespace) -> int:
    from supervisor_zkelect.demo import story

    try:
        return story.run(sys.stdout, arguments.keep)
    except story.Failed as problem:
        raise Trouble(ERROR, str(problem)) from None


def _check(arguments: argparse.Namespace) -> int:
    if arguments.options:
        from supervisor_zkelect.config import reference

        print(reference.text(), end="")
        return DONE
    afar = [word for word in AFAR if getattr(arguments, word[2:].replace("-", "_")) is not None]
    if afar and not arguments.cluster:
        raise Trouble(USAGE, f"{afar[0]} works only with --cluster")
    if not hasattr(arguments, "configuration") or arguments.cluster:
        return _operate(arguments)
    if arguments.timeout is not None:
        raise Trouble(USAGE, "--wait counts without -c FILE only, or with --cluster; leave one of them out")
    from supervisor_zkelect.operators import check, table

    outcome, width = check.run(arguments), streams.columns(sys.stdout)
    lines = tuple(part for line in outcome.lines for part in table.wrapped(line, width))
    return _print(outcome._replace(lines=lines), getattr(arguments, "json", False))


def _primary(arguments: argparse.Namespace) -> int:
    from supervisor_zkelect.operators import primary

    return primary.run(arguments)


def _monitor(arguments: argparse.Namespace) -> int:
    from supervisor_zkelect.operators import monitor

    return monitor.run(arguments)


def _http(arguments: argparse.Namespace) -> int:
    if arguments.http is None:
        raise Trouble(USAGE, "write `zkelect http`, with no option before http")
    status: int = arguments.http(arguments)
    return status


def _operate(arguments: argparse.Namespace) -> int:
    from supervisor_zkelect.operators import ask, confirm, connection, progress

    verb, as_json = VERBS[arguments.name], getattr(arguments, "json", False)
    given, afar = _given(verb, arguments), None
    if verb.afar:
        from supervisor_zkelect.operators import remote

        if remote.wanted(arguments):
            from supervisor_zkelect.operators import listing, ordering

            afar = ordering if verb.ordered else listing
    if not confirm.agreed(confirm.question(verb.name, given, arguments.election), sys.stdin, sys.stderr):
        raise Trouble(ERROR, confirm.REFUSED)
    shown = progress.Progress(sys.stderr)
    if afar is not None and verb.ordered:
        return _print(ordering.afar(arguments, given, streams.columns(sys.stdout), shown), as_json)
    if afar is not None:
        looking = listing.Afar(arguments)
        try:
            return _looked(lambda reader: looking.outcome(verb, given, streams.screen(sys.stdout), reader), given, as_json)
        finally:
            looking.close()
    call, timeout = connection.caller(arguments), getattr(arguments, "timeout", None)
    return _looked(lambda reader: ask.run(
        verb.name, call, arguments.election, timeout=timeout, given=given, screen=streams.screen(sys.stdout), progress=shown,
        reader=reader,
    ), given, as_json)


def _looked(run: Callable[[Optional[Reader]], CommandOutcome], given: Dict[str, Any], as_json: bool) -> int:
    """Print the outcome; or, where that is asked for, go on looking. run: is handed who looks on, None for who looks once."""
    if given.get("watch") or given.get("follow"):
        from supervisor_zkelect.operators import live

        ended = live.run(run, given, as_json, sys.stdout)
        return _print(ended, as_json) if ended.error else ended.exit
    return _print(run(None), as_json)


def _given(verb: Verb, arguments: argparse.Namespace) -> Dict[str, Any]:
    """What was said with a verb."""
    names = [option.argument for option in verb.options] + ["what"] * bool(verb.what) + ["node"] * bool(verb.operand)
    said = {name: getattr(arguments, name) for name in names}
    return {name: value for name, value in said.items() if value is not None and value is not False}


def _print(outcome: Any, as_json: bool) -> int:
    """Print what ask.run came to; its error, in one line, goes to standard error."""
    if as_json:
        import json

        lines: Sequence[str] = [json.dumps(outcome.document)]
    else:
        lines = outcome.lines
    why = streams.write(sys.stdout, lines)
    if outcome.error:
        streams.write(sys.stderr, [f"zkelect: {outcome.error}"])
    return _fail(ERROR, [f"standard output: {why}"], False) if why else outcome.exit


if __name__ == "__main__":
    sys.exit(main())

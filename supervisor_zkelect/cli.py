"""The command `zkelect`.

    zkelect init NAME --program …     write a configuration file, and say what is left to do
    zkelect listen -c FILE            the event listener, run by supervisord
    zkelect run -- COMMAND            the chain loader in front of a program of a guarded group
    zkelect role [ELECTION]           this node's role
    zkelect status|members|resign     the same as supervisorctl's commands, without its configuration
    zkelect reload [--yes]            have the listener take its changed file
    zkelect check [-c FILE]           what is wrong with the configuration
    zkelect primary ELECTION          the primary's address, read from ZooKeeper
    zkelect demo                      two nodes on this machine, and what happens to them

Exit status: 0 this node is primary, or the command did what it should; 3 this node is not primary; 4 unknown;
1 an error; 2 a wrong command or configuration. Each error is one line on standard error.

Only what a command needs is imported: `listen` and `role` are started often.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any, Dict, List, Optional, Sequence, Tuple

from supervisor_zkelect import __version__

DONE, ERROR, USAGE, NOT_PRIMARY, UNKNOWN = 0, 1, 2, 3, 4

#: Seconds that ZooKeeper has to answer.
ZOOKEEPER_TIME = 5.0

#: Seconds after which `primary --watch` looks again although nothing was told: kazoo drops a watch at a loss
#: of connection.
_LOOK_AGAIN = 2.0

_DESCRIPTION = "Active/passive service groups under supervisord, elected through ZooKeeper."

_STATUSES = (
    "exit status: 0 this node is primary, or the command did what it should; 3 this node is not primary; "
    "4 unknown; 1 error; 2 wrong command or configuration"
)


class _Trouble(Exception):
    """Ends the command: lines for standard error, and an exit status."""

    def __init__(self, status: int, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.status = status
        self.lines = lines


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> Any:
        raise _Trouble(USAGE, f"{message}; see {self.prog} --help")


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run one command. argv: the words after the program's name, by default those of this process.

    Returns the exit status; raises nothing.
    """
    as_json = False
    try:
        for stream in (sys.stdout, sys.stderr):
            # A terminal that cannot show a character must not cost the answer.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        arguments = _parser().parse_args(argv)
        as_json = getattr(arguments, "json", False)
        status = arguments.command(arguments)
        sys.stdout.flush()
        return status
    except _Trouble as trouble:
        return _fail(trouble.status, trouble.lines, as_json)
    except SystemExit as end:
        # argparse ends so after --help and --version, and listeners may.
        return end.code if isinstance(end.code, int) else DONE if end.code is None else ERROR
    except KeyboardInterrupt:
        return _fail(128 + 2, ["interrupted"], False)
    except BrokenPipeError:
        # Whoever reads our output has had enough. Python would complain once more when it flushes at its end.
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (OSError, ValueError):
            sys.stdout = None
        return ERROR
    except Exception as error:
        return _fail(ERROR, [f"{type(error).__name__}: {error}"], as_json)


def _fail(status: int, lines: Sequence[str], as_json: bool) -> int:
    from supervisor_zkelect.client import printable

    lines = [printable(line) for line in lines]
    try:
        if as_json:
            _print_json({"v": 1, "exit": status, "error": "; ".join(lines)})
        for line in lines:
            print(f"zkelect: {line}", file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        return status or ERROR
    return status


def _print_json(document: Dict[str, Any]) -> None:
    import json

    print(json.dumps(document), flush=True)


# The words of the command line


def _parser() -> argparse.ArgumentParser:
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
    where.add_argument("-c", "--configuration", metavar="FILE", help="the file with [zkelect]")

    output = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    output.add_argument("--json", action="store_true", help="print one JSON document")

    parser = _Parser(prog="zkelect", description=_DESCRIPTION, epilog=_STATUSES, parents=[connection])
    parser.add_argument("--version", action="version", version=f"zkelect {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="name", required=True)

    def add(name: str, function: Any, text: str, parents: Sequence[Any] = (connection, output)) -> Any:
        command = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=_STATUSES,
            parents=list(parents),
        )
        command.set_defaults(command=function)
        return command

    listen = add("listen", _listen, "be the event listener; supervisord runs this", [])
    listen.add_argument(
        "-c", "--configuration", metavar="FILE", default=argparse.SUPPRESS, help="the file with [zkelect]"
    )
    # For --help only: command.py does not come here with it.
    add("run", _misplaced_run, "`zkelect run -- COMMAND`: start COMMAND under this node's lease, or not at all", [])
    for name, text in (
        ("role", "show this node's role; exit 0 only if it is primary (in all elections)"),
        ("status", "show the node, its session with ZooKeeper and its elections"),
        ("members", "show the nodes in an election, in order"),
        ("history", "show the last terms: who led, why each ended, what each step took"),
        ("resign", "have another node lead, and wait until it does"),
        ("reload", "have the listener take its changed file, in the same term where that can be"),
    ):
        command = add(name, _operate, text)
        if name == "reload":
            command.add_argument("--yes", action="store_true", help="even if terms or the session of this node end by it")
            command.set_defaults(election=None)
            continue
        command.add_argument(
            "election", nargs="?", metavar="ELECTION", help="by default all; resign: the only one"
        )
        if name == "resign":
            command.add_argument(
                "--force", action="store_true",
                help="even if nobody is there to take over, or if the group cannot be proven dead",
            )
        if name in ("members", "history", "resign"):
            command.add_argument(
                "--timeout", type=_positive, metavar="SECONDS", help="how long to wait for the outcome"
            )
    _add_init(add)
    check = add("check", _check, "find what is wrong: in FILE with -c, else ask the listener")
    check.add_argument("election", nargs="?", metavar="ELECTION", help="without -c: only this one")
    check.add_argument(
        "--options", action="store_true", help="print the reference of all options, in Markdown"
    )
    primary = add("primary", _primary, "print the primary's address, as the ack znode has it")
    primary.add_argument("election", metavar="ELECTION")
    primary.add_argument(
        "--watch",
        action="store_true",
        help="go on, and print each change; an empty line: there is no primary",
    )
    add("demo", _demo, "show two nodes and a ZooKeeper on this machine, and what happens to them", [])
    return parser


def _add_init(add: Any) -> None:
    command = add("init", _init, "write a configuration file for one election, and say what is left to do", [])
    command.add_argument("election", nargs="?", metavar="NAME", help="name of the election and of its program, the same on all nodes")
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


def _positive(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds


# Commands


def _listen(arguments: argparse.Namespace) -> int:
    from supervisor_zkelect import config, listener

    path = getattr(arguments, "configuration", None)
    if path is None:
        raise _Trouble(USAGE, "zkelect listen needs -c FILE, the file with [zkelect]")
    try:
        return listener.main(path)
    except config.ConfigError as error:
        raise _Trouble(USAGE, *error.problems) from None


def _misplaced_run(arguments: argparse.Namespace) -> int:
    raise _Trouble(USAGE, "write `zkelect run -- COMMAND ARGUMENTS`, with no option before run")


def _init(arguments: argparse.Namespace) -> int:
    from supervisor_zkelect import init, untrusted

    given = init.Given(
        name=arguments.election, main=arguments.supervisor_conf, output=arguments.output or "zkelect.conf", force=arguments.force,
        **{field: getattr(arguments, field) for field in ("program", "address", "servers", "health", "node", "group")},
    )
    there = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
    try:
        lines = init.run(given, init.own_path(), init.ask if there else None, init.tell)
    except init.Refused as refusal:
        raise _Trouble(USAGE, *refusal.lines) from None
    for line in lines:
        print(untrusted.printable(line))
    return DONE


def _demo(arguments: argparse.Namespace) -> int:
    from supervisor_zkelect.demo import story

    return story.run(sys.stdout)


def _operate(arguments: argparse.Namespace) -> int:
    from supervisor_zkelect import client

    call = _caller(arguments)
    outcome = client.run(
        arguments.name, call, arguments.election, timeout=getattr(arguments, "timeout", None),
        force=getattr(arguments, "force", False), yes=getattr(arguments, "yes", False),
    )
    return _print(outcome, getattr(arguments, "json", False))


def _print(outcome: Any, as_json: bool) -> int:
    """Print what client.run came to; its error, in one line, goes to standard error."""
    if as_json:
        _print_json(outcome.document)
    else:
        for line in outcome.lines:
            print(line)
        sys.stdout.flush()
    if outcome.error:
        print(f"zkelect: {outcome.error}", file=sys.stderr)
    return outcome.exit


def _check(arguments: argparse.Namespace) -> int:
    from supervisor_zkelect import config

    if arguments.options:
        print(config.options_reference(), end="")
        return DONE
    if not hasattr(arguments, "configuration"):
        return _operate(arguments)
    if arguments.election is not None:
        raise _Trouble(USAGE, "check -c FILE looks at the whole file; leave the election out")
    from supervisor_zkelect import exposure, inspection, proc, session

    _quiet()
    inspected = inspection.Found([], [])
    problems: List[str] = []
    notes: List[str] = []
    trouble: Optional[str] = None
    try:
        settings = config.load(arguments.configuration)
    except config.ConfigError as error:
        problems = list(error.problems)
    else:
        notes += [*settings.notes, *exposure.of_file(settings)]
        more_problems, more_notes = _check_supervisord(arguments, settings)
        problems += more_problems
        notes += more_notes

        def look(client: Any) -> None:
            for known, found in zip(inspected, inspection.look(client, settings, ZOOKEEPER_TIME)):
                known.extend(found)

        trouble = session.reach(settings, ZOOKEEPER_TIME, look)
        notes += inspected.notes
    from supervisor_zkelect.client import printable

    troubles = [*filter(None, (proc.pidfd_trouble(), trouble)), *inspected.problems]
    status = USAGE if problems else ERROR if troubles else DONE
    problems += troubles
    problems, notes = [printable(line) for line in problems], [printable(line) for line in notes]
    if getattr(arguments, "json", False):
        _print_json({"v": 1, "exit": status, "ok": not problems, "problems": problems, "notes": notes})
        return status
    for line in problems:
        print(line)
    for line in notes:
        print(f"note: {line}")
    if not problems:
        print(f"{printable(arguments.configuration)}: no problem found")
    return status


def _check_supervisord(arguments: argparse.Namespace, settings: Any) -> Tuple[List[str], List[str]]:
    """Problems and notes of what supervisord itself says of the groups."""
    from supervisor_zkelect import client, config, exposure
    from supervisor_zkelect.supervisord import Fault, SupervisordError

    unasked = "the groups were not checked"
    try:
        url, username, password = _connection(arguments, settings)
        call = _caller(arguments, settings)
        infos = call("supervisor.getAllConfigInfo")
        processes = call("supervisor.getAllProcessInfo")
        ended = config.check_processes(settings, processes)
        supervisord = call("supervisor.getPID")
        supervisord_uid = _uid_of(supervisord, url)
    except _Trouble as error:
        return [], [f"{unasked}: {'; '.join(error.lines)}"]
    except Fault as error:
        return [], [f"{unasked}: supervisord refuses: {error}"]
    except SupervisordError as error:
        return [], [f"{unasked}: supervisord is not running, or not to be reached: {error}"]
    listener = _listener(infos)
    uid = os.geteuid() if supervisord_uid is None else supervisord_uid
    if isinstance(listener.get("uid"), int):
        uid = listener["uid"]
    problems, notes = map(list, config.check_group(settings, infos, uid, supervisord_uid, listener.get("group")))
    problems, notes = problems + ended.problems, notes + ended.notes
    if supervisord_uid is not None:
        notes += exposure.of_processes(settings, supervisord, processes)
    try:
        if not client.judge(call("zkelect.getReport")).known:
            notes += _check_listener(call, listener)
    except SupervisordError as error:
        if isinstance(error, Fault) and error.code == client.UNKNOWN_METHOD:
            problems.append(f"supervisord at {url} {client.NO_INTERFACE}")
        else:
            notes.append(f"the listener was not checked: {error}")
    return problems, notes


def _check_listener(call: Any, listener: Dict[str, Any]) -> List[str]:
    """Notes on a listener that reports nothing. listener: its item of getAllConfigInfo. Raises SupervisordError."""
    from supervisor_zkelect.supervisord import BAD_NAME, Fault

    if not listener:
        there = "no listener reports to supervisord, and no program's command is `zkelect listen`"
        return [f"{there}; add [eventlistener:zkelect]"]
    name = f"{listener['group']}:{listener['name']}"
    try:
        state = call("supervisor.getProcessInfo", name)["statename"]
    except Fault as error:
        if error.code != BAD_NAME:
            raise
        state = "not active"
    remedy = {
        "RUNNING": "has not reported lately", "STARTING": "has not reported yet",
        "STOPPED": f"supervisorctl start {name}", "not active": "supervisorctl update",
    }.get(state, f"supervisorctl tail {name} stderr tells why")
    return [f"the listener {name} is {state}, and this node makes no proposal: {remedy}"]


def _uid_of(pid: int, url: str) -> Optional[int]:
    """The user id of the supervisord at `url`, None when it runs on another host."""
    from urllib.parse import urlsplit

    if not url.startswith("unix:") and urlsplit(url).hostname not in ("localhost", "127.0.0.1", "::1"):
        return None
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return None


def _listener(infos: Sequence[Dict[str, Any]]) -> Dict[str, Any]:
    """The item of getAllConfigInfo that is the listener, or an empty one."""
    for info in infos:
        words = [word.strip("'\"") for word in str(info.get("command", "")).split()]
        named = any(
            os.path.basename(word) == "zkelect" or word.startswith("supervisor_zkelect") for word in words
        )
        if named and "listen" in words:
            return info
    return {}


def _primary(arguments: argparse.Namespace) -> int:
    from supervisor_zkelect import config

    path = getattr(arguments, "configuration", None) or _configuration_of_listener(arguments)
    try:
        settings = config.load(path)
    except config.ConfigError as error:
        raise _Trouble(USAGE, *error.problems) from None
    election = settings.election(arguments.election)
    if election is None:
        names = ", ".join(sorted(one.name for one in settings.elections)) or "none"
        raise _Trouble(USAGE, f"{path} has no [election:{arguments.election}]; there are: {names}")
    from supervisor_zkelect import session

    _quiet()
    try:
        zookeeper = session.open_client(settings, ZOOKEEPER_TIME)
    except Exception as error:
        # Whatever keeps the session from being opened, the address is not known.
        raise _Trouble(UNKNOWN, f"unknown: {error or type(error).__name__}") from None
    try:
        return _read_ack(zookeeper, settings, election, arguments)
    finally:
        session.stop_client(zookeeper)


def _quiet() -> None:
    """Keep the log of libraries, which Python would print, away from standard error: errors are one line."""
    import logging

    logging.getLogger().addHandler(logging.NullHandler())


def _configuration_of_listener(arguments: argparse.Namespace) -> str:
    """The file that this node's listener reads."""
    from supervisor_zkelect import client

    outcome = client.run("status", _caller(arguments))
    path = outcome.document.get("config")
    if not isinstance(path, str):
        why = outcome.error or outcome.document.get("why") or "it tells no file"
        raise _Trouble(
            USAGE, f"name the file with [zkelect] by -c FILE, since the listener cannot be asked: {why}"
        )
    return path


def _read_ack(zookeeper: Any, settings: Any, election: Any, arguments: argparse.Namespace) -> int:
    import threading

    from kazoo.exceptions import (
        AuthFailedError,
        ConnectionClosedError,
        ConnectionLoss,
        KazooException,
        NoAuthError,
        NoNodeError,
        OperationTimeoutError,
        SessionExpiredError,
    )
    from kazoo.handlers.threading import KazooTimeoutError

    from supervisor_zkelect.untrusted import LONGEST_ADDRESS, printable

    as_json = getattr(arguments, "json", False)
    path = ("" if zookeeper.chroot else settings.chroot) + election.election_ack
    changed = threading.Event()
    shown: Optional[str] = None
    silent = False
    while True:
        changed.clear()
        exists, address = True, ""
        try:
            watch = (lambda event: changed.set()) if arguments.watch else None
            # A limit of its own: kazoo keeps calls that are made without connection for ever.
            data = zookeeper.get_async(path, watch=watch).get(timeout=ZOOKEEPER_TIME)[0]
            address = printable((data or b"").decode("utf-8", "backslashreplace"), LONGEST_ADDRESS)
        except NoNodeError:
            exists = False
        except (AuthFailedError, NoAuthError):
            raise _Trouble(
                ERROR, f"ZooKeeper does not let this user read {path}; see digest and acl"
            ) from None
        except (
            ConnectionClosedError,
            ConnectionLoss,
            KazooTimeoutError,
            OperationTimeoutError,
            SessionExpiredError,
        ) as error:
            reason = str(error) or type(error).__name__
            line = f"unknown: ZooKeeper at {settings.hosts} does not answer: {reason}"
            if not arguments.watch:
                raise _Trouble(UNKNOWN, line) from None
            if not silent:
                print(f"zkelect: {line}; still trying", file=sys.stderr, flush=True)
            silent = True
            changed.wait(_LOOK_AGAIN)
            continue
        except KazooException as error:
            raise _Trouble(ERROR, f"{path}: {type(error).__name__}: {error}") from None
        silent = False
        if address != shown:
            shown = address
            status = DONE if address else NOT_PRIMARY
            if as_json:
                _print_json({"v": 1, "exit": status, "election": election.name, "address": address or None})
            elif address or arguments.watch:
                print(address, flush=True)
        if not arguments.watch:
            if not address:
                what = "is empty" if exists else "does not exist"
                print(f"zkelect: {election.name} has no primary: {path} {what}", file=sys.stderr)
            return DONE if address else NOT_PRIMARY
        changed.wait(_LOOK_AGAIN)


# Where supervisord is


def _caller(arguments: argparse.Namespace, settings: Any = None) -> Any:
    """A client.Call for the supervisord that the arguments name."""
    from supervisor_zkelect import client

    url, username, password = _connection(arguments, settings)
    try:
        return client.caller(url, username, password)
    except ValueError as error:
        raise _Trouble(USAGE, f"supervisord's URL {url!r}: {error}") from None


def _connection(
    arguments: argparse.Namespace, settings: Any = None
) -> Tuple[str, Optional[str], Optional[str]]:
    """URL, user and password of supervisord.

    From the command line, else -c FILE, else the environment, else what supervisorctl would use.
    settings: those of -c FILE, when they were read already.
    """
    given = {name: getattr(arguments, name, None) for name in ("serverurl", "username", "password")}
    if getattr(arguments, "password_file", None) is not None:
        if given["password"] is not None:
            raise _Trouble(USAGE, "give --password or --password-file, not both")
        given["password"] = _first_line(arguments.password_file)
    found: Dict[str, Optional[str]] = {}
    conf = getattr(arguments, "supervisor_conf", None)
    if given["serverurl"] is None and conf is None and getattr(arguments, "configuration", None) is not None:
        found = _from_file(arguments.configuration, settings)
    environ = os.environ
    if given["serverurl"] is None and conf is None and not found and environ.get("SUPERVISOR_SERVER_URL"):
        found = {
            "serverurl": environ["SUPERVISOR_SERVER_URL"],
            "username": environ.get("SUPERVISOR_USERNAME"),
            "password": environ.get("SUPERVISOR_PASSWORD"),
        }
    if conf is not None or (given["serverurl"] is None and not found):
        found = _from_supervisorctl(conf)
    url = given["serverurl"] or found.get("serverurl") or ""
    if not url.startswith(("unix:///", "http://")):
        raise _Trouble(USAGE, f"supervisord's URL is unix:///path or http://host:port, not {url!r}")
    return (
        url,
        found.get("username") if given["username"] is None else given["username"],
        found.get("password") if given["password"] is None else given["password"],
    )


def _from_file(path: str, settings: Any) -> Dict[str, Optional[str]]:
    """What the [zkelect] section says of supervisord; empty when it says nothing."""
    from supervisor_zkelect import config

    if settings is None:
        try:
            settings = config.load(path)
        except config.ConfigError as error:
            raise _Trouble(USAGE, *error.problems) from None
    if not settings.serverurl:
        return {}
    password = settings.password
    return {
        "serverurl": settings.serverurl,
        "username": settings.username,
        "password": None if password is None else password.reveal(),
    }


def _from_supervisorctl(path: Optional[str]) -> Dict[str, Optional[str]]:
    """What supervisorctl would read from a supervisord.conf, by default from the one that it would find."""
    import io

    try:
        from supervisor.options import ClientOptions
    except ImportError as error:
        from supervisor_zkelect import installation

        raise _Trouble(ERROR, installation.this_python() or f"supervisor cannot be imported: {error}") from None

    class Options(ClientOptions):
        """Without other people's plugins, which may be broken or slow."""

        def get_plugins(self, *_: Any) -> List[Any]:
            return []

    options = Options()
    options.stderr = options.stdout = io.StringIO()
    try:
        options.realize(["-c", path, "version"] if path is not None else ["version"], doc="")
    except SystemExit:
        text = options.stderr.getvalue().strip().split("\n")[0]
        if text.startswith("Error: "):
            text = text[len("Error: ") :]
        raise _Trouble(USAGE, f"{path or options.configfile}: {text}") from None
    except Exception as error:
        # supervisor lets what configparser and the file system raise pass.
        first = (str(error) or type(error).__name__).split("\n")[0]
        raise _Trouble(USAGE, f"{path or options.configfile}: {first}") from None
    return {"serverurl": options.serverurl, "username": options.username, "password": options.password}


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            line = file.readline(65536).rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise _Trouble(USAGE, f"{path}: {getattr(error, 'strerror', None) or 'is not UTF-8'}") from None
    if not line:
        raise _Trouble(USAGE, f"{path} is empty; write the password into its first line")
    return line


if __name__ == "__main__":
    sys.exit(main())

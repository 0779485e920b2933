"""Handovers through HAProxy, as its clients see them: the samples of contrib/ beside a bare `httpchk` and Patroni's settings.

    script/bench --balancers                  measure, print the table, write bench/results/balancers.json
    script/bench --balancers --write-docs     measure nothing: write the table in docs/balancers.md from that file

Two nodes in network namespaces of their own, HAProxy and its clients in a third; each request is on a connection of its own.
"resign": the primary is told to hand over. "B": all processes of its node are killed but the guard. Beside them the least that a
handover can cost here: one supervisord without this project stops one program and then starts another, behind the same HAProxy.

Ends with 0 when the samples meet the targets, with 1 when they do not, with 2 when it could not be measured.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Union

from bench.measure import needs, not_installed
from bench.ours import Ours
from bench.stage import Missing
from lab import balancers, netns
from lab.balancers import HAProxy
from lab.node import SERVICE
from lab.observer import Observer
from supervisor_zkelect.demo import child
from supervisor_zkelect.demo.alone import ONE, OTHER, Alone
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.system.clock import now

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "balancers.json"
PAGE = HERE.parent / "docs" / "balancers.md"
BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"

TIMEOUT = 10.0
"""Session timeout in seconds, the default."""

RESIGN, KILL = "resign", "B"
TARGETS = {RESIGN: 0.080, KILL: 0.200}
"""Seconds of silence, 95th percentile, with the samples."""

SAMPLES = HTTP, AGENT = "contrib/haproxy/haproxy.cfg", "contrib/haproxy/haproxy-agent.cfg"
BARE, PATRONI = "bare httpchk", "Patroni's settings"
FLOOR = "floor: one supervisord without zkelect"

CALM = 0.5
"""Seconds without a failed request after which a handover is over."""

LIMIT = 60.0
"""Seconds that a handover may take."""

_HEAD = (
    "global\n    maxconn 8000\ndefaults\n    mode {}\n    timeout client 30s\n    timeout server 30s\n    timeout connect {}\n"
)
_REST = "frontend f\n    bind 127.0.0.1:{port}\n    default_backend b\nbackend b\n"
_SERVERS = "    server a {a} check{probe}\n    server b {b} check{probe}\n"

#: What others write: HAProxy's defaults with a check of the service itself; and the times of the sample that Patroni comes with,
#: with the probe that is meant for it.
OTHERS = {
    BARE: _HEAD.format("http", "5s") + _REST + "    option httpchk GET /\n" + _SERVERS,
    PATRONI: _HEAD.format("tcp", "4s") + "    retries 2\n    timeout check 5s\n" + _REST
    + "    option httpchk OPTIONS /primary/orders\n    http-check expect status 200\n"
    "    default-server inter 3s fall 3 rise 2 on-marked-down shutdown-sessions\n" + _SERVERS,
}


class Answer(NamedTuple):
    """Of one request: when it was asked and over, its status, 0 without an answer, who answered, and when the oldest was asked
    that was not over then."""

    asked: float
    over: float
    status: int
    node: str
    oldest: float = math.inf

    @property
    def ok(self) -> bool:
        return self.status == 200


class Handover(NamedTuple):
    """As clients saw it. silence: the longest time in which none was answered. asked, failed: requests from the begin to the end.
    slowest: the longest that one which was answered took. direct: the silence that one heard who asked both nodes, every 5 ms.
    Times are seconds."""

    silence: float
    asked: int
    failed: int
    slowest: float
    direct: float = math.inf


def judged(answers: Sequence[Answer], struck: float) -> Handover:
    """answers: all that were asked from CALM before `struck` on, until the handover was over."""
    concerned = [one for one in answers if one.over >= struck]
    good = sorted(one.over for one in answers if one.ok)
    gaps = [later - earlier for earlier, later in zip(good, good[1:]) if later >= struck]
    failed = sum(not one.ok for one in concerned)
    slowest = max((one.over - one.asked for one in concerned if one.ok), default=math.inf)
    return Handover(max(gaps, default=math.inf), len(concerned), failed, slowest)


class Clients:
    """`bench.requests` as a process, in a `with` statement. folder: for what it prints."""

    def __init__(self, folder: Path, port: int, rate: float) -> None:
        self._path = folder / "answers"
        self._command = [sys.executable, "-m", "bench.requests", f"127.0.0.1:{port}", str(rate)]
        self._read, self._answers = 0, []  # type: int, List[Answer]

    def __enter__(self) -> Clients:
        env = {**child.environment(child.new_marker()), "PYTHONUNBUFFERED": "1"}
        self._path.unlink(missing_ok=True)
        self._process = child.start(self._command, env=env, cwd=str(HERE.parent), output=str(self._path))
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def since(self, moment: float) -> List[Answer]:
        """What was over since then, in the order in which it was."""
        # In pieces: there may be a hundred thousand.
        with self._path.open() as file:
            file.seek(self._read)
            text = file.read()
        self._read += text.rfind("\n") + 1
        parts = [line.split() for line in text[:text.rfind("\n") + 1].splitlines()]
        self._answers += [
            Answer(float(asked), float(over), int(status), node, float(oldest)) for asked, over, status, node, oldest in parts
        ]
        found = list(itertools.takewhile(lambda one: one.over >= moment, reversed(self._answers)))
        return found[::-1]


class Balanced(Ours):
    """The plugin's pair with `zkelect http` on both nodes."""

    def prepare(self) -> None:
        for node in self.cluster.nodes.values():
            node.overrides["zkelect"].update(http="0.0.0.0:8787", http_agent="0.0.0.0:8788")
            node.overrides["program:zkelect-http"] = {
                "command": f"zkelect http -c {node.zkelect_conf}", "autorestart": "true",
                "stderr_logfile": f"{node.folder}/logs/http.log",
            }
            node.write()

    def configuration(self, setting: str, port: int) -> str:
        """HAProxy's, in front of these nodes."""
        places = {name: node.addresses["orders"] for name, node in self.cluster.nodes.items()}
        if setting in SAMPLES:
            exchanged = {"bind :80": f"bind 127.0.0.1:{port}"}
            exchanged.update({f"10.0.0.{number}:8080": places[name] for number, name in enumerate("ab", 1)})
            return balancers.sample(setting.replace("contrib/", ""), exchanged)
        return OTHERS[setting].format(port=port, probe="" if setting == BARE else " port 8787", **places)

    def begin(self, event: str, name: str) -> float:
        """Let it happen to the node that leads. Returns when."""
        node = self.cluster[name]
        if event == RESIGN:
            self.struck = now()
            node.rpc.call("zkelect.request", "resign", "orders", "{}")
        else:
            self.hit([node.supervisord_pid, node.listener_pid(), *node.service_pids()])
        return self.struck

    def once(self, event: str, proxy: HAProxy, clients: Clients) -> Handover:
        name, _ = self.settled()
        other = "b" if name == "a" else "a"
        until(lambda: proxy.states()[name] == "UP" != proxy.states()[other], LIMIT, "HAProxy to know both nodes", 0.1)
        until(lambda: _calm(clients.since(now() - CALM), name), LIMIT, f"undisturbed answers of {name}", 0.1)
        self.observer.forget(now() - CALM)
        struck = self.begin(event, name)
        until(lambda: now() > struck + CALM and _calm(clients.since(now() - CALM), other), LIMIT, f"{other} to answer", 0.1)
        calm = now()
        # Some may be held, and fail late.
        until(lambda: any(one.oldest > calm for one in clients.since(calm)), LIMIT, "all requests to be over", 0.1)
        found = judged(clients.since(struck - CALM), struck)._replace(direct=self.observer.verdict().gap)
        self.repair(event, name)
        return found

    def probing(self, seconds: float = 5.0) -> float:
        """What the probes of one HAProxy cost `zkelect http` of the standby, percent of a processor."""
        name, _ = self.settled()
        standby = self.cluster["b" if name == "a" else "a"]
        found = [one.pid for one, environ in standby.programs() if environ["SUPERVISOR_PROCESS_NAME"] == "zkelect-http"]
        return needs(found, seconds).cpu


class Floor:
    """A supervisord without zkelect, whose one program or other is the service, and the observer of both. HAProxy asks the
    service itself, with the times of the sample."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._alone = folder, Alone(folder / "alone", SERVICE)
        self._observer = Observer(self._alone.addresses)
        self.addresses = self._alone.addresses
        self._runs, self._rests = ONE, OTHER

    def __enter__(self) -> Floor:
        self._alone.__enter__()
        self._observer.__enter__()
        self._alone.run(self._runs)
        return self

    def __exit__(self, *_: object) -> None:
        self._observer.__exit__()
        self.close()

    def close(self) -> None:
        """End the supervisord, if it was started, and give its ports back."""
        self._alone.__exit__()

    def configuration(self, setting: str, port: int) -> str:
        """HAProxy's, in front of these programs."""
        exchanged = {"bind :80": f"bind 127.0.0.1:{port}", "uri /primary/orders": "uri /"}
        for number, name in enumerate((ONE, OTHER), 1):
            exchanged[f"10.0.0.{number}:8080 port 8787"] = self.addresses[name]
        return balancers.sample("haproxy/haproxy.cfg", exchanged)

    def once(self, event: str, proxy: HAProxy, clients: Clients) -> Handover:
        until(lambda: _calm(clients.since(now() - CALM)), LIMIT, "undisturbed answers", 0.1)
        self._observer.forget(now() - CALM)
        struck = self._alone.stop(self._runs)
        self._runs, self._rests = self._rests, self._runs
        self._alone.run(self._runs)
        until(lambda: now() > struck + CALM and _calm(clients.since(now() - CALM)), LIMIT, "the other program to answer", 0.1)
        return judged(clients.since(struck - CALM), struck)._replace(direct=self._observer.verdict().gap)


def _calm(answers: Sequence[Answer], node: str = "") -> bool:
    """Whether all were answered, by the node that is named."""
    whole = len(answers) > 20 and answers[-1].over - answers[0].over > 0.8 * CALM
    return whole and all(one.ok and node in ("", one.node) for one in answers)


def measure(options: argparse.Namespace, say: Any, found: List[Dict[str, Any]]) -> None:
    """found: gets the rows, as they are measured."""
    with tempfile.TemporaryDirectory(prefix="zkelect-bench-") as folder, Floor(Path(folder)) as floor:
        with _balancer(floor, FLOOR) as proxy, Clients(floor.folder, proxy.port, options.rate) as clients:
            handovers = []
            for _ in range(options.turns):
                handovers.append(floor.once(RESIGN, proxy, clients))
                say(f"{FLOOR}: {told(handovers[-1])}")
            found.append(_row(FLOOR, RESIGN, None, handovers))
    with Balanced(TIMEOUT) as stage:
        for setting in options.settings:
            for event in (RESIGN, KILL) if setting in SAMPLES else (RESIGN,):
                with _balancer(stage, setting) as proxy, Clients(stage.folder, proxy.port, options.rate) as clients:
                    handovers, cost = [], stage.probing() if setting != BARE else None
                    for _ in range(options.turns if event == RESIGN else math.ceil(options.turns / 2)):
                        handovers.append(stage.once(event, proxy, clients))
                        say(f"{setting}, {event}: {told(handovers[-1])}")
                found.append(_row(setting, event, cost, handovers))


def _row(setting: str, event: str, cost: Optional[float], handovers: Sequence[Handover]) -> Dict[str, Any]:
    return {"setting": setting, "event": event, "probing": cost, "handovers": [one._asdict() for one in handovers]}


def told(one: Handover) -> str:
    silence, slowest = milliseconds(one.silence), milliseconds(one.slowest)
    direct = milliseconds(one.direct)
    return f"{silence} ms of silence ({direct} without HAProxy), {one.failed} of {one.asked} failed, slowest {slowest} ms"


@contextlib.contextmanager
def _balancer(stage: Union[Balanced, Floor], setting: str) -> Iterator[HAProxy]:
    port = child.free_port()
    try:
        with HAProxy(stage.folder / "haproxy", stage.configuration(setting, port), port) as proxy:
            yield proxy
    finally:
        child.give_back(port)


# The results


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def milliseconds(seconds: float) -> str:
    return "∞" if math.isinf(seconds) else f"{1000 * seconds:.0f}"


def spread(values: Sequence[float]) -> str:
    return " / ".join(map(milliseconds, (statistics.median(values), percentile(values, 0.95), max(values))))


def table(document: Dict[str, Any]) -> str:
    """In Markdown."""
    lines = ["| HAProxy with | what | handovers | failed requests | silence, ms: median / p95 / longest | without HAProxy | "
             "slowest request, ms | probes, % of a processor |",
             "|---|---|---|---|---|---|---|---|"]
    for row in document["rows"]:
        handovers = [Handover(**one) for one in row["handovers"]]
        through, direct = ([getattr(one, name) for one in handovers] for name in ("silence", "direct"))
        failed = f"{sum(one.failed for one in handovers)} of {sum(one.asked for one in handovers)}"
        slowest = milliseconds(max(one.slowest for one in handovers))
        cost = "" if row["probing"] is None else f"{row['probing']:.2f}"
        cells = (row["setting"], row["event"], len(handovers), failed, spread(through), spread(direct), slowest, cost)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def section(document: Dict[str, Any]) -> str:
    """What stands between the marks in the page."""
    machine = document["machine"]
    return (
        f"`{document['command']}`, {document['date']}, {machine['text']}; load average {machine['load']:.1f} before. "
        f"{document['rate']:g} requests a second, T = {TIMEOUT:g} s. Probes: what they cost `zkelect http` of the standby, for "
        f"one HAProxy.\n\n{table(document)}"
    )


def page(text: str, document: Dict[str, Any]) -> str:
    """The page with the section of a document. Raises ValueError where it has no marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has no {BEGIN.strip()} … {END.strip()}")
    return before + begin + section(document) + end + after


def missed(document: Dict[str, Any]) -> List[str]:
    """The targets that the samples do not meet, a line each."""
    found = []
    for row in document["rows"]:
        if row["setting"] in SAMPLES:
            what, wanted = f"{row['setting']}, {row['event']}", TARGETS[row["event"]]
            handovers = [Handover(**one) for one in row["handovers"]]
            silence, failed = percentile([one.silence for one in handovers], 0.95), sum(one.failed for one in handovers)
            if silence > wanted:
                found.append(f"{what}: {milliseconds(silence)} ms, {milliseconds(wanted)} wanted")
            if failed:
                found.append(f"{what}: {failed} requests failed")
    return found


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="script/bench --balancers", description=(__doc__ or "").splitlines()[0])
    made.add_argument("--turns", type=int, default=10, metavar="N", help="handovers of each row, half as many of B; default 10")
    made.add_argument("--rate", type=float, default=500.0, metavar="N", help="requests a second; default 500")
    made.add_argument("--settings", nargs="+", choices=(*SAMPLES, *OTHERS), default=[*SAMPLES, *OTHERS], metavar="NAME",
                      help=f"which of {', '.join((*SAMPLES, *OTHERS))}; default all")
    made.add_argument("--output", type=Path, default=RESULTS, metavar="FILE", help="the results as JSON; default %(default)s")
    made.add_argument("--write-docs", action="store_true", help="measure nothing; write the table in docs/balancers.md")
    return made


def main(arguments: Optional[Sequence[str]] = None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = parser().parse_args(words)
    if options.write_docs:
        PAGE.write_text(page(PAGE.read_text(), json.loads(options.output.read_text())))
        return 0
    reason = not_installed() or netns.available()
    if reason is not None:
        print(f"script/bench --balancers: {reason}", file=sys.stderr)
        return 2
    version = subprocess.run([balancers.found("haproxy"), "-v"], capture_output=True, text=True).stdout.split()
    machine = f"{os.cpu_count()} processors, Linux {platform.release()}, Python {platform.python_version()}, HAProxy {version[2]}"
    document: Dict[str, Any] = {
        "v": 1, "command": " ".join(["script/bench", "--balancers", *words]), "date": time.strftime("%Y-%m-%d"),
        "machine": {"text": machine, "load": os.getloadavg()[0]}, "rate": options.rate, "rows": [],
    }
    try:
        measure(options, lambda line: print(line, file=sys.stderr, flush=True), document["rows"])
    except (Missing, AssertionError, TimeoutError, RuntimeError, OSError) as error:
        # What was measured before is shown, and not kept.
        print(f"{table(document)}it could not be measured: {error}", file=sys.stderr)
        return 2
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(document, indent=1) + "\n")
    print(table(document))
    broken = missed(document)
    for line in broken:
        print(f"NOT AS WANTED: {line}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

"""The parts of the demo and of the system tests, each tried on the real thing."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from kazoo.client import KazooClient
from kazoo.handlers.threading import KazooTimeoutError

from lab import netns, service
from lab.certificates import certificates
from lab.journal import disorder, overlap
from lab.node import Node, service_command
from lab.observer import Observer, Verdict
from lab.zookeeper import Ensemble, ZooKeeper
from supervisor_zkelect.demo import child, observer, zookeeper
from supervisor_zkelect.demo.node import NodeFailed, overridden, with_logs_in
from supervisor_zkelect.demo.observer import Overlap, judge
from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.demo.zookeeper import ServerFailed, ZooKeeperMissing
from supervisor_zkelect.processes import proc
from supervisor_zkelect.system import clock
from tests.conftest import cgroup_mounts, cgroups_can_be_made

LONG = 30.0

SERVICE = [sys.executable, service.__file__]


def here(port: int) -> str:
    return f"127.0.0.1:{port}"


def living(pids) -> list:
    processes = [proc.read(pid) for pid in pids]
    return [process.pid for process in processes if process is not None and not process.gone]


@pytest.fixture
def port():
    port = child.free_port()
    yield port
    child.give_back(port)


@pytest.fixture
def lab():
    """A marker whose processes are gone after the test."""
    marker = child.new_marker()
    yield marker
    child.sweep(marker)


def program(name: str, command: str, *lines: str) -> str:
    return "\n".join(
        [f"[program:{name}]", f"command = {command}", "autostart = false", "startsecs = 0", *lines, ""]
    )


# wait


def test_until_gives_the_answer_and_names_what_it_waited_for():
    answers = iter([0, ValueError("not yet"), "there"])

    def condition():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert until(condition, LONG, "the third answer") == "there"
    with pytest.raises(TimeoutError, match="for rain; last error: ZeroDivisionError"):
        until(lambda: 1 / 0, 0.01, "rain")
    asked = []
    with pytest.raises(TimeoutError, match="for nothing; last answer: None"):
        until(lambda: asked.append(1), 0, "nothing")
    assert asked


# child


def test_a_sweep_ends_who_cannot_be_told_by_its_environment(lab):
    """As a process that executes its program just now: its session tells, if that was begun by one of the lab."""
    code = (
        "import subprocess, sys\n"
        "print(subprocess.Popen(['/bin/sleep', '1000'], env={}, stdin=0, stdout=2).pid, flush=True)\ninput()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    leader = subprocess.Popen([sys.executable, "-c", code], env=child.environment(lab), start_new_session=True, **pipes)
    # One of the lab in the session of a stranger, who stays.
    stranger = subprocess.Popen(
        [sys.executable, "-c", code.replace("env={}", "env={'ZKELECT_LAB': sys.argv[1]}"), lab], env={},
        start_new_session=True, **pipes,
    )
    try:
        nameless, named = (proc.read(int(process.stdout.readline())) for process in (leader, stranger))
        # It has no environment for some microseconds within execve(2), after which Popen knows that it has worked.
        until(lambda: proc.environ(named.pid), LONG, "its environment")
        child.sweep(lab)
        assert not proc.alive(nameless) and not proc.alive(named) and stranger.poll() is None
        leader.wait(LONG)
    finally:
        for process in (leader, stranger):
            process.kill()
            process.communicate()
            process.wait(LONG)


def test_a_killed_process_leaves_nothing_behind(tmp_path):
    """Its child, the child's child that was given to pid 1, and a session of its own."""
    script = (
        "import os, signal\n"
        "from supervisor_zkelect.demo import child, wait\n"
        "marker = child.new_marker()\n"
        "env = child.environment(marker)\n"
        "child.start(['sh', '-c', 'setsid sleep 600 & sleep 600'], env=env, new_session=True)\n"
        "child.start(['sleep', '600'], env=env)\n"
        "wait.until(lambda: len(child.marked(marker)) == 4, 30, 'four')\n"
        "bare = child.start(['sleep', '600'], env={'PATH': os.environ['PATH']})\n"
        "print(marker, bare.pid, flush=True)\n"
        "signal.pause()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], env=child.environment("x"), stdout=subprocess.PIPE
    )
    try:
        marker, bare = parent.stdout.readline().decode().split()
        assert len(child.marked(marker)) == 4 and living([int(bare)])
    finally:
        parent.kill()
        parent.communicate()
    until(lambda: not child.marked(marker), LONG, "its processes to be gone")
    # No sweeper finds this one: the kernel ends it.
    until(lambda: not living([int(bare)]), LONG, "the one without a marker to be gone")


def test_run_gives_output_and_ends_what_takes_too_long(lab):
    done = child.run(["sh", "-c", "echo out; echo err >&2; exit 3"], env=child.environment(lab))
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")
    with pytest.raises(subprocess.TimeoutExpired):
        child.run(["sleep", "600"], env=child.environment(lab), timeout=0.2)
    assert not child.marked(lab)


def test_processes_of_a_lab_do_not_see_the_supervisord_around_it(lab, monkeypatch):
    monkeypatch.setenv("SUPERVISOR_GROUP_NAME", "outer")
    assert "SUPERVISOR_GROUP_NAME" not in child.environment(lab)


def test_ports_are_free_and_given_once():
    ports = [child.free_port() for _ in range(50)]
    script = (
        "from supervisor_zkelect.demo import child\n"
        f"child.PORTS = range({ports[0]}, {ports[0] + 1})\n"
        "child.free_port()\n"
    )
    try:
        assert len(set(ports)) == 50
        other = child.run([sys.executable, "-c", script], env=child.environment("x"))
        assert "no free TCP port found" in other.stderr
        with socket.socket() as server:
            server.bind(("0.0.0.0", ports[0]))
    finally:
        for port in ports:
            child.give_back(port)


# ZooKeeper


def test_zookeeper_keeps_its_data_over_a_crash_and_stands_still_when_frozen(tmp_path):
    with ZooKeeper(tmp_path) as server:
        assert server.mode() == "standalone"
        client = KazooClient(server.hosts)
        client.start(LONG)
        try:
            client.create("/kept", b"data")
            hosts, pid = server.hosts, server.pid
            server.restart()
            assert server.hosts == hosts and server.pid != pid
            assert until(lambda: client.get("/kept")[0], LONG, "the client to be connected again") == b"data"
            server.freeze()
            with pytest.raises(OSError):
                server.four_letters("ruok", timeout=0.2)
            server.thaw()
            assert until(lambda: server.four_letters("ruok"), LONG, "an answer after the thaw") == "imok"
            assert "standalone" in server.four_letters("srvr") and server.four_letters("mntr")
        finally:
            client.stop()
            client.close()
        server.stop()
        assert not server.running
    assert not child.marked(server.marker)


def test_a_zookeeper_that_cannot_start_says_why(tmp_path, monkeypatch):
    with pytest.raises(ServerFailed, match="ended; its log ends: (.|\n)*often"):
        with ZooKeeper(tmp_path, extra={"tickTime": "often"}):
            pass
    monkeypatch.setenv(zookeeper.JARS_VARIABLE, str(tmp_path))
    with pytest.raises(ZooKeeperMissing, match="zookeeper.jar.*apt-get install zookeeper"):
        zookeeper.check_installed()
    monkeypatch.delenv(zookeeper.JARS_VARIABLE)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ZooKeeperMissing, match="java"):
        zookeeper.check_installed()


def test_the_jars_of_an_unpacked_release_are_used_as_they_are(tmp_path, monkeypatch):
    libraries = tmp_path / "release" / "lib"
    libraries.mkdir(parents=True)
    for name, jar in (("zookeeper-3.8.0.jar", "zookeeper.jar"), ("slf4j-simple-1.7.jar", "slf4j-simple.jar")):
        (libraries / name).symlink_to(Path(zookeeper.JARS, jar).resolve())
    monkeypatch.setenv(zookeeper.JARS_VARIABLE, str(libraries.parent))
    with ZooKeeper(tmp_path / "server") as server:
        assert str(libraries) in proc.cmdline(server.pid).decode()


def test_zookeeper_with_tls_takes_certificates_of_its_own_authority_only(tmp_path):
    files = certificates(tmp_path / "tls")
    strict = ["openssl", "verify", "-x509_strict", "-CAfile", files.ca, files.server_cert, files.client_cert]
    assert subprocess.run(strict, stdout=subprocess.PIPE).returncode == 0
    with ZooKeeper(tmp_path / "server", tls=files) as server:
        client = KazooClient(
            server.hosts, use_ssl=True, ca=files.ca, certfile=files.client_cert, keyfile=files.client_key
        )
        client.start(LONG)
        try:
            client.create("/over-tls", b"")
        finally:
            client.stop()
            client.close()
        for cert, key in ((None, None), (files.stranger_cert, files.stranger_key)):
            context = ssl.create_default_context(cafile=files.ca)
            if cert:
                context.load_cert_chain(cert, key)
            with socket.create_connection(("127.0.0.1", server.port), timeout=LONG) as plain:
                # In TLS 1.3 the refusal comes with the first reading.
                with pytest.raises(OSError):
                    with context.wrap_socket(plain, server_hostname="localhost") as secure:
                        secure.sendall(b"ruok")
                        assert not secure.recv(10)
                        raise ConnectionError("closed without an answer")
        plain = KazooClient(server.hosts)
        with pytest.raises(KazooTimeoutError):
            plain.start(0.5)
        plain.stop()
        plain.close()


def test_an_ensemble_has_another_leader_after_its_leader_is_killed(tmp_path):
    with Ensemble(tmp_path) as ensemble:
        leader = ensemble.leader()
        assert len(ensemble.followers()) == 2 and len(ensemble.hosts.split(",")) == 3
        leader.kill()
        other = until(ensemble.leader, LONG, "another leader")
        assert other is not leader
        leader.start()
        assert until(lambda: len(ensemble.followers()) == 2, LONG, "the old leader to follow")
        client = KazooClient(leader.hosts)
        client.start(LONG)
        try:
            client.create("/through-a-follower", b"")
        finally:
            client.stop()
            client.close()


# The service


def get(address: str, path: str = "/") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=LONG) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode()


def test_service_answers_tells_its_health_and_keeps_a_journal(tmp_path, lab, port):
    before = clock.now()
    sick, journal = tmp_path / "sick", tmp_path / "journal"
    options = [
        "--listen",
        here(port),
        "--journal",
        str(journal),
        "--name",
        'a "b"',
        "--health-file",
        str(sick),
    ]
    process = child.start([*SERVICE, *options], env=child.environment(lab))
    status, text = until(lambda: get(here(port)), LONG, "the service to answer")
    answer = json.loads(text)
    assert (status, answer["node"], answer["pid"]) == (200, 'a "b"', process.pid)
    assert before < answer["started"] < clock.now()
    assert get(here(port), "/health")[0] == 200
    sick.touch()
    assert get(here(port), "/health")[0] == 503
    sick.unlink()
    assert get(here(port), "/health?again")[0] == 200
    assert get(here(port), "/else")[0] == 404
    with socket.create_connection(("127.0.0.1", port)) as silent:
        # One that says nothing holds up nobody.
        assert get(here(port))[0] == 200
        silent.sendall(b"\0nonsense\r\n\r\n")
        assert b" 404 " in silent.recv(1000)
    until(lambda: journal.read_text().count("beat") > 2, LONG, "three beats")
    process.terminate()
    assert process.wait(LONG) == 0
    lines = [line.split(" ", 4) for line in journal.read_text().splitlines()]
    assert [line[1] for line in lines] == ["start"] + ["beat"] * (len(lines) - 2) + ["end"]
    assert {tuple(line[2:]) for line in lines} == {(str(process.pid), "0", 'a "b"')}
    times = [float(line[0]) for line in lines]
    assert times == sorted(times) and before < times[0] and times[-1] < clock.now()


def test_service_listens_late_and_ignores_sigterm_when_it_is_told_to(tmp_path, lab, port):
    options = [
        "--listen",
        here(port),
        "--ready-after",
        "0.5",
        "--ignore-term",
        "--journal",
        str(tmp_path / "journal"),
    ]
    process = child.start([*SERVICE, *options], env=child.environment(lab))
    answer = json.loads(until(lambda: get(here(port)), LONG, "the service to answer")[1])
    assert clock.now() - answer["started"] >= 0.5
    beats = (tmp_path / "journal").read_text().count("beat")
    process.terminate()
    until(lambda: (tmp_path / "journal").read_text().count("beat") > beats + 2, LONG, "beats after SIGTERM")
    assert process.poll() is None


def test_service_says_when_its_address_is_taken(lab, port):
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        done = child.run([*SERVICE, "--listen", here(port)], env=child.environment(lab))
    assert done.returncode == 1 and f"cannot serve at {here(port)}: " in done.stderr


# Node


def test_node_starts_speaks_and_leaves_nothing_behind(tmp_path, port):
    command = service_command(here(port))
    with Node(
        tmp_path,
        "a",
        config=program("orders", command),
        inet=True,
        username="u%s",
        password="p%%w",
        journals=tmp_path / "journals",
    ) as node:
        assert node.ctl("start", "orders").returncode == 0, node.logs()
        answer = json.loads(until(lambda: get(here(port)), LONG, "the service to answer")[1])
        assert answer["node"] == "a"
        assert node.service_pids() == node.service_pids("orders") == {answer["pid"]}
        assert node.listener_pid() is None and node.service_pids("other") == set()
        done = node.ctl("-s", node.inet_url, "-u", "u%s", "-p", "p%%w", "pid")
        assert done.stdout.strip() == str(node.supervisord_pid), done
        assert os.getsid(node.supervisord_pid) == node.supervisord_pid
        assert (tmp_path / "journals" / "orders").read_text().split()[1:5] == [
            "start",
            str(answer["pid"]),
            "0",
            "a",
        ]
        node.health_file.touch()
        assert get(here(port), "/health")[0] == 503
        pids = {process.pid for process in node.processes()}
        assert pids == {node.supervisord_pid, answer["pid"]}
    assert not living(pids)


def test_node_killed_at_once_and_started_again(tmp_path, port):
    # One that daemonizes, so that it is no longer supervisord's child.
    stray = "sh -c 'setsid sleep 600 & exec sleep 600'"
    with Node(tmp_path, "a", config=program("stray", stray)) as node:
        node.ctl("start", "stray")
        pids = until(lambda: len(node.service_pids()) == 2 and node.service_pids(), LONG, "both to run")
        with pytest.raises(ValueError, match=f"not processes of node a: .{os.getpid()}"):
            node.kill(os.getpid(), sig=signal.SIGCONT)
        old = node.supervisord_pid
        node.kill_all()
        assert not node.running and node.supervisord_pid is None
        until(lambda: not living(pids), LONG, "the services to be gone")
        node.start()
        assert node.supervisord_pid != old
        assert "STOPPED" in node.ctl("status").stdout
        node.ctl("start", "stray")
        until(lambda: len(node.service_pids()) == 2, LONG, "both to run")
        node.terminate()
        # supervisord ended what it knew of; the other is an orphan.
        assert len(node.service_pids()) == 1
    assert not node.processes()


def test_a_closed_node_leaves_no_cgroup_of_its_own(tmp_path):
    """Nor of a supervisord that somebody else started for it; it takes away nobody else's."""
    if not cgroups_can_be_made():
        pytest.skip("needs a cgroup2 file system that this user may write to")
    node = Node(tmp_path, "a").start()
    by_hand = child.start(["sleep", "600"], env=node.environment)
    pids = [node.supervisord_pid, by_hand.pid, os.getpid()]
    made = [Path(cgroup_mounts()[0], f"zkelect-test-{pid}-{proc.read(pid).start}") for pid in pids]
    try:
        try:
            for folder, pid in zip(made, pids):
                (folder / "group-orders").mkdir(parents=True)
                if pid != os.getpid():
                    (folder / "group-orders" / "cgroup.procs").write_text(str(pid))
        finally:
            node.close()
            by_hand.wait(LONG)
        assert [folder.exists() for folder in made] == [False, False, True]
    finally:
        for folder in filter(Path.exists, made):
            (folder / "group-orders").rmdir()
            folder.rmdir()


def test_node_crashed_with_supervisord_last(tmp_path, monkeypatch):
    """supervisord's death makes the kernel wake its frozen children, which would do something about it."""
    killed, kill = [], proc.kill
    monkeypatch.setattr(proc, "kill", lambda process, sig: killed.append((process.pid, sig)) or kill(process, sig))
    many = program("many", "sleep 600", "numprocs = 5", "process_name = %(process_num)s")
    with Node(tmp_path / "a", "a", config=many) as node:
        node.ctl("start", "many:*")
        until(lambda: len(node.service_pids()) == 5, LONG, "all five to have begun")
        pids, supervisord = node.service_pids(), node.supervisord_pid
        node.crash()
        until(lambda: not node.processes(), LONG, "everything to be gone")
    ended = [pid for pid, sig in killed if sig == signal.SIGKILL]
    assert len(pids) == 5 and set(ended[:-1]) == pids and ended[-1] == supervisord


def test_node_frozen_as_a_whole_and_in_part(tmp_path, port):
    with Node(tmp_path, "a", config=program("orders", service_command(here(port)))) as node:
        node.ctl("start", "orders")
        until(lambda: get(here(port)), LONG, "the service to answer")
        node.freeze(node.supervisord_pid)
        assert get(here(port))[0] == 200
        with pytest.raises(subprocess.TimeoutExpired):
            node.ctl("pid", timeout=1)
        node.freeze()
        with pytest.raises(OSError):
            observer.ask(here(port), patience=0.1)
        node.thaw()
        assert until(lambda: get(here(port)), LONG, "the service to answer again")[0] == 200
        assert node.ctl("pid").stdout.strip() == str(node.supervisord_pid)


def test_node_that_does_not_start_shows_its_log(tmp_path):
    node = Node(tmp_path, "a", config="[program:orders]\n")
    try:
        with pytest.raises(NodeFailed, match="does not specify a command"):
            node.start()
    finally:
        node.close()


def test_node_includes_a_sample_with_its_environment(tmp_path, port):
    """A path that is too long for a Unix socket, a sample by its own path, then one with overrides."""
    sample = tmp_path / "sample.conf"
    sample.write_text(
        "[zkelect]\nservers = %(ENV_ZKELECT_SERVERS)s\n; a remark\nsession_timeout = 10\n  ; more\n"
        "node_name = x\n\n"
        "[program:orders]\ncommand = sh -c 'echo %(here)s %(ENV_ORDERS_ADDRESS)s %(ENV_BILLING_ADDRESS)s "
        "$ZKELECT_NODE $ZKELECT_SERVERS; exec sleep 600'\nautostart = false\n"
    )
    folder = tmp_path / ("long" * 30)
    node = Node(
        folder,
        "n-1",
        "zk:1",
        addresses={"orders": here(port), "billing": "x:2"},
        sample=sample,
        # The plugin would be imported by every supervisorctl; here it is taken out.
        config="[ctlplugin:zkelect]\n"
        "supervisor.ctl_factory = supervisor.supervisorctl:DefaultControllerPlugin\n",
    )
    try:
        assert node.zkelect_conf == folder / sample.name and node.zkelect_conf.read_text() == sample.read_text()
        node.start()
        assert "orders: started" in node.ctl("start", "orders").stdout, node.logs()
        said = f"{folder} {here(port)} x:2 n-1 zk:1"
        until(lambda: said in node.logs(), LONG, f"the program to say {said!r}")
        node.terminate()
        node.overrides = {
            "zkelect": {"session_timeout": "4", "tick_time": "0.2", "node_name": None},
            "more": {"a": "b"},
        }
        node.start()
        text = node.zkelect_conf.read_text()
        assert (
            node.zkelect_conf.parent == folder and str(node.zkelect_conf) in node.supervisord_conf.read_text()
        )
    finally:
        node.close()
    assert text == (
        "[zkelect]\nsession_timeout = 4\ntick_time = 0.2\nservers = %(ENV_ZKELECT_SERVERS)s\n; a remark\n\n"
        "[program:orders]\ncommand = sh -c 'echo %(here)s %(ENV_ORDERS_ADDRESS)s %(ENV_BILLING_ADDRESS)s "
        "$ZKELECT_NODE $ZKELECT_SERVERS; exec sleep 600'\nautostart = false\n\n[more]\na = b\n"
    )
    assert overridden(sample.read_text(), {}) == sample.read_text()


def test_log_files_of_a_sample_lie_in_the_nodes_folder():
    text = "[a]\nstderr_logfile = /var/log/b.log\nstdout_logfile = /c d.log\nstdout_logfile = NONE\n; stderr_logfile = /x.log\n"
    assert with_logs_in(text, "/n") == (
        "[a]\nstderr_logfile = /n/b-stderr.log\nstdout_logfile = /n/c d-stdout.log\nstdout_logfile = NONE\n; stderr_logfile = /x.log\n"
    )


def test_programs_of_a_node_find_zkelect(tmp_path):
    node = Node(tmp_path, "a")
    try:
        done = child.run(["sh", "-c", "command -v zkelect"], env=node.environment)
        assert os.access(done.stdout.strip(), os.X_OK)
    finally:
        node.close()


# Observer


def test_observer_hears_a_handover_and_its_gap(tmp_path, lab):
    ports = [child.free_port(), child.free_port()]
    journal = tmp_path / "journal"
    a, b = (
        [*SERVICE, "--listen", here(p), "--journal", str(journal), "--name", n] for p, n in zip(ports, "ab")
    )
    with Observer({"a": here(ports[0]), "b": here(ports[1])}) as watch:
        first = child.start(a, env=child.environment(lab))
        until(lambda: watch.serving() == ["a"], LONG, "a to be heard")
        until(lambda: watch.verdict().turns[-1].answers > 5, LONG, "more of a")
        first.kill()
        died = clock.now()
        first.wait(LONG)
        until(lambda: watch.serving() == [] and clock.now() - watch.verdict().turns[-1].last >= 0.1, LONG, "nobody to be heard")
        child.start(b, env=child.environment(lab))
        until(lambda: watch.serving() == ["b"], LONG, "b to be heard")
        verdict = watch.verdict()
        assert not verdict.overlap and verdict.names == ["a", "b"]
        assert verdict.gap >= 0.1 and abs(verdict.gap_at - died) < verdict.gap + 5
        assert watch.verdict(since=clock.now() + 60).turns == []
        assert not overlap(journal)
        child.start(a, env=child.environment(lab))
        until(lambda: watch.serving() == ["a", "b"], LONG, "both to be heard")
        both = clock.now()
        until(lambda: overlap(journal).seconds > 0.05, LONG, "the journal to tell")
        until(lambda: watch.verdict(since=both).questions.get("a"), LONG, "a to be asked again")
        until(lambda: watch.verdict().overlap.seconds > 0, LONG, "the observer to hear both at a time")
    verdict = watch.verdict()
    assert verdict.overlap.seconds > 0 and verdict.overlap.moments > 0
    assert verdict.overlap.seconds < clock.now() - died and verdict.turns[0].pid == first.pid
    assert not watch.log.exists()
    for port in ports:
        child.give_back(port)


def test_observer_is_not_held_up_by_one_that_stands_still(lab):
    ports = [child.free_port(), child.free_port()]
    a, b = (child.start([*SERVICE, "--listen", here(p)], env=child.environment(lab)) for p in ports)
    with Observer({"a": here(ports[0]), "b": here(ports[1])}) as watch:
        until(lambda: watch.serving() == ["a", "b"], LONG, "both to be heard")
        a.send_signal(signal.SIGSTOP)
        until(lambda: watch.serving() == ["b"], LONG, "only b to be heard")
        before = watch.verdict().questions
        until(lambda: watch.verdict().questions["a"] > before["a"] + 2, LONG, "three more questions to a")
        after = watch.verdict().questions
    # A question to a takes PATIENCE now, one to b a period.
    assert after["b"] - before["b"] > 2 * (after["a"] - before["a"])
    for port in ports:
        child.give_back(port)


def heard(text: str) -> list:
    """Lines of an observer: "a1 0-1" is an answer of pid 1 of a, from 0 to 1; "a! 2-3" is none."""
    lines = []
    for item in text.split(","):
        who, times = item.split()
        asked, received = map(float, times.split("-"))
        result = {"error": "x"} if who[1] == "!" else {"pid": int(who[1:])}
        lines.append({"name": who[0], "asked": asked, "received": received, **result})
    return lines


@pytest.mark.parametrize(
    "text, expected",
    [
        # One after the other, also when the questions cross: a may have ended before b began.
        ("a1 0-1, a1 2-3, b1 2.5-4, b1 5-6", (0, 0)),
        ("a1 0-3, b1 1-2", (0, 0)),
        ("a1 0-1, a1 2-3, a1 4-5, b1 6-7, b1 8-9, b1 10-11", (0, 0)),
        # a answered before and after b did.
        ("a1 0-1, b1 2-3, a1 4-5", (0, 1)),
        # b was asked before a's first answer had arrived: that proves nothing.
        ("a1 0-1, b1 0.5-3, a1 4-5", (0, 0)),
        # a served from 1 to 6, b from 3 to 8 at least.
        ("a1 0-1, b1 2-3, a1 6-7, b1 8-9", (3, 2)),
        # a failed in between, as one does that is stopped by a signal.
        ("a1 0-1, a! 1-2, b1 2-3, a1 4-5", (0, 0)),
        # Another process at the same address.
        ("a1 0-1, b1 2-3, a2 4-5", (0, 0)),
    ],
)
def test_only_a_proven_overlap_counts(text, expected):
    verdict = judge(heard(text))
    assert verdict.overlap == expected and bool(verdict.overlap) == (expected != (0, 0))


def test_a_gap_is_between_any_two_answers():
    verdict = Verdict(*judge(heard("a1 0-1, a1 2-3, b! 1-8, b1 9-10, b1 10-11, a2 12-13")))
    assert (verdict.gap, verdict.gap_at, verdict.names) == (7, 3, ["a", "b", "a"])
    assert [turn.answers for turn in verdict.turns] == [2, 2, 1] and verdict.questions == {"a": 3, "b": 3}


@pytest.mark.parametrize(
    "lines, expected",
    [
        ("1 start 1 0 a, 2 end 1 0 a, 2 start 2 0 b, 3 beat 2 0 b", Overlap(0, 0)),
        ("1 start 1 0 a, 1.9 beat 1 0 a, 2 start 2 0 b, 2.2 beat 1 0 a, 2.5 end 2 0 b", Overlap(0.2, 2)),
        # a stood still, and came back in the middle of b's life.
        ("1 start 1 0 a, 2 start 2 0 b, 2.5 beat 2 0 b, 3 beat 2 0 b, 3.2 beat 1 0 a, 3.5 beat 2 0 b", Overlap(0, 1)),
        ("1 start 1 0 a, 1.1 beat 1 0 a, 1.2 end 1 0 a", Overlap(0, 0)),
    ],
)
def test_overlap_of_a_journal(tmp_path, lines, expected):
    journal = tmp_path / "journal"
    journal.write_text("".join(line.strip() + "\n" for line in lines.split(",")))
    found = overlap(journal)
    assert found.moments == expected.moments and found.seconds == pytest.approx(expected.seconds)
    journal.write_text("rubbish\n")
    with pytest.raises(ValueError, match="journal:1"):
        overlap(journal)


@pytest.mark.parametrize(
    "lines, expected",
    [
        ("1 start 1 5 a, 2 end 1 5 a, 2 start 2 7 b, 3 beat 2 7 b", []),
        # A restart in the same term, and a pid that is used again.
        ("1 start 1 5 a, 2 start 2 5 a, 3 start 1 6 b, 4 start 1 7 b", []),
        ("1 start 1 0 a, 2 start 2 7 b, 3 start 3 0 a", []),
        ("1 start 1 7 a, 2 start 2 5 b", ["b started with token 5 after a with 7"]),
        ("1 start 1 7 a, 2 start 2 7 b", ["a and b started with the same token 7"]),
        ("1 start 1 7 a, 2 start 2 9 b, 3 start 3 8 a", ["a started with token 8 after b with 9"]),
    ],
)
def test_order_of_the_tokens_in_a_journal(tmp_path, lines, expected):
    journal = tmp_path / "journal"
    journal.write_text("".join(line.strip() + "\n" for line in lines.split(",")))
    assert disorder(journal) == expected


# Network


def can_make_networks() -> bool:
    """What is said of this machine; where it says no, that is so."""
    reason = netns.available()
    if reason is not None:
        with pytest.raises(netns.NetworkUnavailable):
            with netns.Network(["a", "b"]):
                pass
        assert reason and "\n" not in reason
    return reason is None


def test_a_network_is_cut_without_a_word_and_heals(tmp_path, lab):
    if not can_make_networks():
        return
    probe = (
        "import sys; from supervisor_zkelect.demo.observer import ask\n"
        "try: print(ask(sys.argv[1], 1.5) > 0)\n"
        "except OSError as problem: print(type(problem).__name__, problem)\n"
    )
    with netns.Network(["zk", "a", "b"]) as network:
        port = child.free_port()

        def hear(listener: str, place: str) -> str:
            command = [sys.executable, "-c", probe, f"{network[place].inner}:{port}"]
            env = child.environment(lab)
            return child.run(command, env=env, prepare=network[listener].enter).stdout.strip()

        for place in network.places.values():
            child.start(
                [*SERVICE, "--listen", f"0.0.0.0:{port}"], env=child.environment(lab), prepare=place.enter
            )
            until(
                lambda: observer.ask(f"{place.outer}:{port}"), LONG, f"{place.name} to be heard from outside"
            )
        assert {hear("a", "zk"), hear("zk", "a"), hear("a", "b")} == {"True"}
        link = f"zkl{os.getpid()}-"
        assert link in own_links()

        # New connections hang.
        network.cut("a")
        answers = {}
        threads = [
            threading.Thread(target=lambda pair=pair: answers.update({pair: hear(*pair)}))
            for pair in (("a", "zk"), ("zk", "a"), ("b", "a"), ("zk", "b"))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        assert answers.pop(("zk", "b")) == "True"
        assert len(answers) == 3 and all("timed out" in answer for answer in answers.values()), answers
        assert observer.ask(f"{network['a'].outer}:{port}"), "the outer link is never cut"
        network.heal("a")
        # So does what is sent over one that is there, and nothing fails.
        with socket_in(network["a"], network["zk"].inner, port) as silent:
            network.cut("a")
            silent.sendall(b"GET / HTTP/1.1\r\n\r\n")
            silent.settimeout(0.5)
            with pytest.raises(socket.timeout):
                silent.recv(1000)
            network.heal("a")
            silent.settimeout(LONG)
            assert b"200" in silent.recv(1000), "what was sent during the cut arrives after it"
        assert hear("a", "zk") == "True"

        network.cut("zk", "a")
        assert "timed out" in hear("zk", "a") and hear("zk", "b") == hear("a", "b") == "True"
        network.heal()
        assert hear("zk", "a") == "True"
        child.sweep(lab)
        child.give_back(port)
    assert link not in own_links()


def own_links() -> str:
    return Path("/proc/net/dev").read_text()


def socket_in(place: netns.Place, host: str, port: int) -> socket.socket:
    """A connection made within a network namespace; a socket belongs to that of the thread that makes it."""
    made = []

    def connect() -> None:
        place.enter()
        made.append(socket.create_connection((host, port), timeout=LONG))

    thread = threading.Thread(target=connect)
    thread.start()
    thread.join(LONG)
    return made[0]


def test_zookeeper_and_node_run_in_a_network(tmp_path):
    if not can_make_networks():
        return
    with netns.Network(["zk", "a"]) as network:
        with ZooKeeper(tmp_path / "zk", place=network["zk"]) as server:
            assert server.hosts.startswith(network["zk"].inner) and server.reached.startswith(
                network["zk"].outer
            )
            port = child.free_port()
            address = f"{network['a'].outer}:{port}"
            command = service_command(address)
            with Node(
                tmp_path / "a", "a", server.hosts, config=program("orders", command), place=network["a"]
            ) as node:
                node.ctl("start", "orders")
                assert until(lambda: observer.ask(address), LONG, "the service") in node.service_pids()
                inside = os.readlink(network["a"].path)
                assert {os.readlink(f"/proc/{p.pid}/ns/net") for p in node.processes()} == {inside}
            child.give_back(port)


def test_a_network_needs_different_names():
    with pytest.raises(ValueError, match="different names"):
        netns.Network(["a", "a"])

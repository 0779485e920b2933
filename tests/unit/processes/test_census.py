"""Who belongs to a group, and who only says so: on real processes; this process is their supervisord where it is told so."""

import errno
import os
import queue
import resource
import signal
import subprocess
import threading

import pytest

from supervisor_zkelect.demo.wait import until
from supervisor_zkelect.guard import registration
from supervisor_zkelect.processes import census, proc, striking
from supervisor_zkelect.system import clock

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes root")

# Another worker may run tests of this file at the same time: its processes prove nothing here, and claim nothing.
URL = f"unix:///none-{os.getpid()}"
KEY = os.urandom(32)
SECRETS = registration.secrets_of(KEY)
NOBODY = 65534


@pytest.fixture
def start():
    """Start a sleeper with these variables, in a session of its own and as no child of this process."""
    made = []

    def start(uid=None, session=True, child=False, **variables):
        env = {"SUPERVISOR_GROUP_NAME": "primary", "SUPERVISOR_PROCESS_NAME": "a", "SUPERVISOR_SERVER_URL": URL, **variables}
        with_shell = ["/bin/sh", "-c", "sleep 1000 & echo $!; wait"]
        command = ["/bin/sleep", "1000"] if child else with_shell
        one = subprocess.Popen(
            command, env={key: value for key, value in env.items() if value is not None}, stdout=subprocess.PIPE, text=True,
            user=uid, start_new_session=session,
        )
        made.append(one)
        if child:
            until(lambda: proc.cmdline(one.pid).startswith(b"/bin/sleep"), 30, "it to run")
            return proc.read(one.pid)
        found = proc.read(int(one.stdout.readline()))
        made.append(found)
        until(lambda: proc.cmdline(found.pid).startswith(b"sleep"), 30, "it to run")
        return found

    yield start
    for one in reversed(made):
        if isinstance(one, proc.Process):
            proc.kill(one)
        else:
            one.kill()
            one.communicate()


def find(one, group="primary", **options):
    return one.find(group, (), one.look(**options))


def pids(processes):
    return {process.pid for process in processes}


def watching(supervisord=None, secrets=SECRETS):
    return census.Census(supervisord or os.getppid(), URL, "instance", secrets=secrets)


def own_secret(group="primary", uid=None):
    return SECRETS(group, os.getuid() if uid is None else uid)


def test_whoever_shares_the_session_of_a_former_supervisord_is_nobodys(start):
    """Its programs were started in it, and so was whatever else the shell has started that it was started from."""
    left = start()
    shell = proc.read(left.ppid)
    assert shell.session == left.session != proc.read(os.getppid()).session
    seen = watching()
    assert shell.pid in pids(seen.find("primary", {left}, seen.look()).living), "a session that a member has made is the group's"
    seen = census.Census(os.getppid(), URL, "instance", secrets=SECRETS, former_sessions={left.session})
    assert pids(seen.find("primary", {left}, seen.look()).living) == {left.pid}


def test_the_name_and_the_secret_are_a_proof(start):
    one = start(ZKELECT_SECRET=own_secret())
    found = find(watching())
    assert one.pid in pids(found.living) and one.pid in pids(found.claimed) and one.pid not in found.unsure


@pytest.mark.parametrize("variables", [
    {}, {"ZKELECT_SECRET": ""}, {"ZKELECT_SECRET": "0" * 32}, {"ZKELECT_SECRET": SECRETS("other", os.getuid())},
    {"ZKELECT_SECRET": SECRETS("primary", 4321)}, {"ZKELECT_INSTANCE": "instance"},
], ids=["none", "empty", "guessed", "other group's", "other user's", "instance"])
def test_the_name_alone_is_none(start, variables):
    """It may be a process that has lost all its kin, as it runs as the user of the programs: nobody is sure."""
    one = start(**variables)
    found = find(watching())
    assert one.pid not in pids(found.living) and one.pid in found.unsure


@pytest.mark.parametrize("url", [URL, "unix:///inner"], ids=["the same URL", "its own URL"])
def test_the_secret_names_the_group_whatever_a_supervisord_inside_it_calls_its_programs(start, url):
    """One that such a supervisord has started and left behind is nobody's kin any more."""
    one = start(ZKELECT_SECRET=own_secret(), SUPERVISOR_GROUP_NAME="inner", SUPERVISOR_SERVER_URL=url)
    other = start(ZKELECT_SECRET="none", SUPERVISOR_GROUP_NAME="inner", SUPERVISOR_SERVER_URL=url)
    seen = watching()
    seen.groups = ("other", "primary")
    found = pids(find(seen).living)
    assert one.pid in found and other.pid not in found
    assert one.pid not in pids(find(seen, "inner").living) | pids(find(seen, "other").living)


def test_a_secret_that_supervisord_passes_on_names_no_other_group(start):
    """It may have been started from a program of a group, and then its listener has that group's secret, too."""
    one = start(ZKELECT_SECRET=own_secret(), SUPERVISOR_GROUP_NAME="zkelect")
    other = start(ZKELECT_SECRET=own_secret())
    kernel = Inheriting(own_secret())
    seen = census.Census(os.getppid(), URL, "instance", secrets=SECRETS, kernel=kernel)
    seen.groups = ("primary",)
    found = pids(find(seen).living)
    assert one.pid not in found and other.pid in found


class Inheriting:
    """/proc, where supervisord's own environment has this secret."""

    def __init__(self, secret):
        self._secret = secret

    def variables(self, pid, names, most):
        if pid == os.getppid():
            return {b"ZKELECT_SECRET": self._secret.encode()}, 10
        return proc.variables(pid, names, most)

    def __getattr__(self, name):
        return getattr(proc, name)


def test_what_a_secret_proves_is_told_once_the_key_is_known(start):
    """A guard that could not read its key at first takes no process for a stranger for ever."""
    one, key = start(ZKELECT_SECRET=own_secret()), [b""]
    seen = watching(secrets=lambda group, uid: registration.secrets_of(key[0])(group, uid))
    assert one.pid not in pids(find(seen).living)
    key[0] = KEY
    assert one.pid in pids(find(seen).living)


def test_without_a_key_no_secret_proves_anything(start):
    one = start(ZKELECT_SECRET="")
    found = find(watching(secrets=registration.secrets_of(b"")))
    assert one.pid not in pids(found.living)


@as_root
def test_of_a_user_that_no_program_has_nobody_is_in_doubt(start):
    one, other = start(uid=NOBODY), start(uid=NOBODY, ZKELECT_SECRET=own_secret())
    found = find(watching())
    assert not {one.pid, other.pid} & (pids(found.living) | found.unsure)


@as_root
def test_a_user_that_a_program_was_seen_to_run_as_is_looked_for(start):
    member, one = start(uid=NOBODY, session=False, child=True), start(uid=NOBODY)
    seen = watching(os.getpid())
    assert pids(find(seen).members) == {member.pid}
    assert one.pid in find(seen, everybody=False).unsure


@as_root
def test_a_session_is_no_kin_of_what_is_known_by_what_it_carries(start):
    """Another user's process that shares it is left alone, one of the same user is not; and descendants are not."""
    code = (
        "import os, time\n"
        "os.setsid()\n"
        "for uid, variables in ((65533, {}), (65534, {}), (65534, dict(os.environ))):\n"
        "    if not os.fork():\n"
        "        os.setresuid(uid, uid, uid)\n"
        "        os.execve('/bin/sleep', ['sleep', '1000'], variables)\n"
        "time.sleep(1000)\n"
    )
    env = {"SUPERVISOR_GROUP_NAME": "primary", "ZKELECT_SECRET": SECRETS("primary", NOBODY)}
    with subprocess.Popen(["/usr/bin/env", "python3", "-c", code], env={**os.environ, **env}) as master:
        try:
            def ready():
                made = [one for one in proc.table().values() if one.ppid == master.pid]
                # Each is another user's before it executes anything.
                return len(made) == 3 and all(one.uid and proc.cmdline(one.pid).startswith(b"sleep") for one in made) and made

            made = until(ready, 30, "three of them")
            living = pids(find(watching()).living)
            assert master.pid not in living
            assert {one.uid for one in made if one.pid in living} == {NOBODY}
            assert len([one for one in made if one.pid in living]) == 2
        finally:
            for one in proc.tree([proc.read(master.pid)]):
                proc.kill(one)


def test_what_supervisord_or_a_registration_says_outweighs_what_a_child_carries(start):
    one = start(session=False, child=True)
    seen = watching(os.getpid())
    assert one.pid in pids(find(seen).living)
    seen.told[one.identity] = "other"
    assert one.pid not in pids(find(seen).living)


def test_of_a_child_in_another_session_supervisord_is_asked(start):
    """It may be an orphan that process 1 has taken in, whatever it carries."""
    one = start(child=True)
    found = find(watching(os.getpid()))
    assert one.pid not in pids(found.living) and one.pid in pids(found.forming)


@as_root
def test_a_user_is_looked_for_once_anything_of_the_group_was_seen_to_run_as_it(start):
    """What has left all its kin as well, and proves by its secret that it belongs."""
    seen = watching()
    seen.users["primary"] = {4321}
    one = start(uid=NOBODY, ZKELECT_SECRET=own_secret(uid=NOBODY))
    assert one.pid not in pids(find(seen, everybody=False).living)
    assert one.pid in pids(find(seen).living)
    other = start(uid=NOBODY, ZKELECT_SECRET=own_secret(uid=NOBODY))
    assert {one.pid, other.pid} <= pids(find(seen, everybody=False).living)


@as_root
def test_before_all_were_read_nobody_knows_who_may_belong(start, monkeypatch):
    """A guard that takes over has seen some programs, and others registered with the one before it."""
    one = start(uid=NOBODY, ZKELECT_SECRET=own_secret(uid=NOBODY))
    seen = watching()
    seen.users["primary"] = {4321}
    monkeypatch.setattr(census, "BUDGET", 0)
    look = seen.look()
    found = seen.find("primary", (), look)
    assert not found.complete and one.pid in found.unsure
    assert one.pid not in seen.find("primary", (), look, swept=True).unsure
    assert not seen.find("primary", (), seen.look(everybody=False)).complete


def large(count, **last):
    return {**{f"{number:x}": "" for number in range(count)}, **last}


def test_environments_are_read_within_a_budget_and_the_rest_in_the_next_look(start, monkeypatch):
    monkeypatch.setattr(census, "BUDGET", 4 << 20)
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (min(64 << 20, hard) if hard >= 0 else 64 << 20, hard))
    try:
        made = [start(**large(300_000, ZKELECT_SECRET=own_secret())) for _ in range(4)]
    finally:
        resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))
    seen, looks = watching(), 0
    while True:
        began = clock.now()
        look = seen.look()
        assert look.left > -(census.LONGEST + census.OPENING) and clock.now() - began < 5
        found = seen.find("primary", (), look)
        looks += 1
        assert found.complete == (not look.unread)
        if found.complete:
            break
        assert found.unsure and looks < 1000
    assert looks > 1 and pids(made) <= pids(found.living)


def test_nobody_reads_strangers_where_all_is_in_the_cgroup(start, monkeypatch):
    one = start(ZKELECT_SECRET=own_secret())
    read = []
    monkeypatch.setattr(proc, "variables", lambda pid, *words: read.append(pid) or ({}, 1))
    found = find(watching(), strangers=False)
    assert one.pid not in read and found.complete and not found.unsure


def test_variables_are_found_wherever_they_stand(start):
    names = (b"FIRST", b"LAST", b"NONE")
    for count in (0, 1, 20000):
        one = start(**{"FIRST": "1", **large(count), "LAST": "z" * 300})
        told, length = proc.variables(one.pid, names, 8 << 20)
        assert told == {b"FIRST": b"1", b"LAST": b"z" * 300}
        assert length == len(open(f"/proc/{one.pid}/environ", "rb").read())
    assert proc.variables(one.pid, names, 50)[0].get(b"LAST") is None
    assert proc.variables(999999999, names, 50) == ({}, 0)


@pytest.mark.parametrize("shift", [*range(0, 12), 4000, 4096, 4200])
def test_variables_are_found_across_pieces(start, shift, monkeypatch):
    monkeypatch.setattr(proc, "_PIECE", 4096 + 13)
    one = start(A="x" * (4090 + shift), SECRET="s" * 32, B="y" * 5000)
    assert proc.variables(one.pid, (b"SECRET",), 1 << 20)[0] == {b"SECRET": b"s" * 32}


def test_users_of_a_process(start):
    assert proc.uids(os.getpid()) == {os.getuid()} and proc.uids(999999999) == frozenset()
    assert proc.read(os.getpid()).uid == os.geteuid()


# The thread that kills


@pytest.fixture
def striker():
    made = striking.Striker(clock.now)
    made.start()
    yield made
    made.close()


@pytest.fixture
def held(striker):
    """A process of the group "primary", of which the striker has a pidfd."""
    with subprocess.Popen(["/bin/sleep", "1000"]) as one:
        one.descriptor = proc.pidfd(proc.read(one.pid))
        striker.hold("primary", (one.pid, 0), one.descriptor)
        yield one
        one.kill()


def test_a_kill_waits_for_nothing_but_its_time(striker, held):
    """Not for a thread that reads without an end, which stands for a scan."""
    over = threading.Event()
    busy = threading.Thread(target=lambda: [proc.table() for _ in iter(over.is_set, True)])
    busy.start()
    try:
        at = clock.now() + 0.3
        striker.order("primary", at)
        assert held.wait(30) == -signal.SIGKILL and at <= clock.now() < at + 5
    finally:
        over.set()
        busy.join()


def test_of_several_orders_the_earliest_counts_and_a_lease_may_be_renewed(striker, held):
    began = clock.now()
    striker.order("primary", began + 1000, began + 0.4)
    striker.renew("primary", began + 1000)
    striker.order("primary", began + 0.8, began + 2000)
    striker.order("primary", began + 3000)
    assert held.wait(30) == -signal.SIGKILL and clock.now() >= began + 0.8


def test_whoever_is_done_with_some_orders_leaves_the_others_standing(striker, held):
    striker.order("primary", clock.now() + 1000)
    striker.done("primary", 1)
    striker.order("primary", clock.now() + 1000)
    striker.order("primary", clock.now() + 0.3)
    striker.done("primary", 2)
    assert held.wait(30) == -signal.SIGKILL


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_what_kills_a_cgroup_and_cannot_be_had_is_told_until_it_can(number):
    """No lease is extended meanwhile."""
    there = []

    def hold(group):
        if not there:
            raise OSError(number, os.strerror(number))

    made = striking.Striker(clock.now)
    made._cgroups = type("Cgroups", (), {"hold": staticmethod(hold), "close": lambda self: None})()
    made.cage("primary")
    assert made._hear(0.0) and "primary" in made.trouble and os.strerror(number) in made.trouble
    there.append(1)
    made.cage("primary")
    assert made._hear(0.0) and made.trouble == ""
    there.clear()
    made.cage("primary")
    made.done("primary", 0)
    assert made._hear(0.0) and made.trouble == ""


def test_a_cgroup_is_not_struck_for_what_is_done_by_then(monkeypatch):
    """Whoever is in it by now may be of another term."""
    struck = []
    made = striking.Striker(clock.now)
    made._cgroups = type("Cgroups", (), {"kill": staticmethod(struck.append), "close": lambda self: None})()
    made.order("primary", clock.now())
    made.order("other", clock.now())
    assert made._wait()
    # Told after it woke up and before it writes.
    made.done("primary", 1)
    made._strike_due()
    assert struck == ["other"]
    made.close()


def test_what_is_done_is_not_struck(striker, held):
    striker.order("primary", clock.now() + 1000)
    striker.done("primary", 1)
    told = queue.SimpleQueue()
    striker._tell(lambda target, group: told.put(target.due), "primary")
    assert told.get(timeout=30) == float("inf") and held.poll() is None


def test_a_descriptor_is_closed_by_the_striker_alone(striker, held):
    striker.drop("primary", (held.pid, 0))
    until(lambda: not os.path.exists(f"/proc/self/fd/{held.descriptor}"), 30, "it to be closed")
    striker.order("primary", clock.now())
    told = queue.SimpleQueue()
    striker._tell(lambda target, group: told.put(target.descriptors), "primary")
    assert told.get(timeout=30) == {} and held.poll() is None


# The key


def test_the_key_is_its_owners_alone_and_outlives_its_guard(tmp_path):
    key = registration.Key(str(tmp_path))
    path = tmp_path / registration.record.KEY
    assert os.stat(path).st_mode & 0o777 == 0o600 and len(key.data) == 32 and not key.trouble
    assert registration.Key(str(tmp_path)).data == key.data == registration.read(str(tmp_path))
    assert not key.put_back(str(tmp_path))
    path.unlink()
    assert key.put_back(str(tmp_path)) and registration.read(str(tmp_path)) == key.data
    path.write_bytes(b"x" * 32)
    assert key.put_back(str(tmp_path)) and registration.read(str(tmp_path)) == key.data
    path.chmod(0o644)
    assert registration.read(str(tmp_path)) == b"" and key.put_back(str(tmp_path))


def test_secrets_differ_by_group_user_and_key():
    told = {registration.secrets_of(key)(group, uid) for key in (KEY, b"l" * 32) for group in ("a", "1 a") for uid in (0, 1)}
    assert len(told) == 8 and all(len(one) == 32 for one in told)
    assert registration.secrets_of(b"")("a", 0) == ""


@pytest.mark.parametrize("trouble", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_key_that_cannot_be_read_for_want_of_anything_is_not_replaced(tmp_path, monkeypatch, trouble):
    first = registration.Key(str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(registration.os, "open", failing(trouble))
        with pytest.raises(OSError, match=os.strerror(trouble)):
            registration.Key(str(tmp_path))
    assert registration.read(str(tmp_path)) == first.data


@pytest.mark.parametrize("trouble", [errno.EACCES, errno.EIO])
def test_a_key_that_cannot_be_read_just_now_is_not_replaced(tmp_path, monkeypatch, trouble):
    """All that runs would lose what it proves by that it belongs."""
    first = registration.Key(str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(registration.os, "open", failing(trouble))
        key = registration.Key(str(tmp_path))
        assert key.trouble and key.secret("primary", 0) == ""
    assert registration.read(str(tmp_path)) == first.data
    assert not key.put_back(str(tmp_path)) and key.data == first.data and not key.trouble


@pytest.mark.parametrize("trouble", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_key_that_cannot_be_written_is_had_in_memory_and_written_later(tmp_path, monkeypatch, trouble):
    with monkeypatch.context() as patch:
        patch.setattr(registration.files, "replace", failing(trouble))
        key = registration.Key(str(tmp_path))
        assert key.trouble and key.secret("primary", 0)
        with pytest.raises(OSError):
            key.put_back(str(tmp_path))
    assert key.put_back(str(tmp_path)) and registration.read(str(tmp_path)) == key.data and not key.trouble


def failing(number):
    def fail(*arguments, **options):
        raise OSError(number, os.strerror(number))

    return fail


ARGUMENTS, SUPERVISORD, FORKED = b"python\0supervisord\0", 50, 0x40


class Machine:
    """Processes that are told, in the place of the module `proc`. `arguments` and `environments`: by pid."""

    def __init__(self):
        self.processes, self.arguments, self.environments, self.users = {}, {}, {}, {}
        self.add(SUPERVISORD, 1, session=SUPERVISORD)

    def add(self, pid, ppid, pgrp=0, session=SUPERVISORD, flags=0, arguments=ARGUMENTS, **environment):
        self.processes[pid] = proc.Process(pid, 1000 + pid, ppid, pgrp or pid, session, "S", 1, flags, 0)
        self.arguments[pid] = arguments
        self.environments[pid] = {name.encode(): value.encode() for name, value in environment.items()}
        return self.processes[pid]

    def watch(self, gone=False):
        made = census.Census(SUPERVISORD, URL, "instance", secrets=SECRETS, kernel=self)
        if gone:
            del self.processes[SUPERVISORD]
            made.gone = True
        return made

    def read(self, pid):
        return self.processes.get(pid)

    def table(self):
        return dict(self.processes)

    def alive(self, process):
        return process.pid in self.processes

    def cmdline(self, pid, most=None):
        return self.arguments.get(pid, b"")[:most]

    def has_environment(self, pid):
        return bool(self.environments[pid])

    def variables(self, pid, names, most):
        return self.environments[pid], 100

    def uids(self, pid):
        return self.users.get(pid, frozenset({os.getuid()}))

    def namespaces(self, pid):
        return ()


@pytest.fixture
def machine():
    return Machine()


@pytest.mark.parametrize("gone", [False, True])
def test_what_looks_like_a_fork_of_supervisord_and_is_kin_of_the_group_dies_with_it(machine, gone):
    """A program of the group has supervisord's arguments, and has forked."""
    member = machine.add(60, SUPERVISORD, arguments=b"orders\0")
    seen = machine.watch(gone)
    # Of a living one, its child that lost its parent, where supervisord takes orphans in.
    child = machine.add(61, 60 if gone else SUPERVISORD, pgrp=60, flags=FORKED)
    found = seen.find("primary", {member}, seen.look())
    assert (child in found.living, child in found.forming) == (gone, not gone)
    if not gone:
        # It is in none of supervisord's books.
        seen.foreign.add(child.identity)
        found = seen.find("primary", {member}, seen.look())
        assert child in found.living and not found.forming


def test_a_stranger_that_looks_like_a_fork_of_a_dead_supervisord_is_left_alone(machine):
    seen = machine.watch(gone=True)
    one = machine.add(61, 1, flags=FORKED)
    found = seen.find("primary", (), seen.look())
    assert not found.living and found.forming == {one} and not found.nameless


def test_what_looks_like_a_fork_of_a_dead_supervisord_is_known_by_what_it_carries(machine):
    """And a fork of it, which carries nothing, once it has executed its program."""
    seen = machine.watch(gone=True)
    one = machine.add(61, 1, flags=FORKED)
    seen.find("primary", (), seen.look())
    carrying = dict(SUPERVISOR_GROUP_NAME="primary", ZKELECT_SECRET=own_secret())
    assert machine.add(61, 1, arguments=b"orders\0", **carrying).identity == one.identity
    other = machine.add(62, 1, flags=FORKED, **carrying)
    found = seen.find("primary", (), seen.look())
    assert pids(found.living) == {one.pid, other.pid} and not found.forming


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
@pytest.mark.parametrize("name", ["environ", "status"])
def test_a_look_that_lacks_what_it_takes_to_read_is_none(start, monkeypatch, name, number):
    """What cannot be read is not empty: it might be of the group."""
    one, seen, real = start(ZKELECT_SECRET=own_secret()), watching(), open
    with monkeypatch.context() as patched:
        refused = failing(number)
        patched.setattr("builtins.open", lambda path, *rest, **more: (refused if path == f"/proc/{one.pid}/{name}" else real)(path, *rest, **more))
        with pytest.raises(OSError, match=os.strerror(number)):
            find(seen)
    assert one.pid in pids(find(seen).living)


@pytest.mark.parametrize("read", [proc.environ, proc.cmdline, proc.uids, proc.namespaces, lambda pid: proc.variables(pid, [], 10)])
def test_nothing_is_read_for_want_of_descriptors(monkeypatch, read):
    assert read(os.getpid())
    monkeypatch.setattr("builtins.open", failing(errno.EMFILE))
    monkeypatch.setattr(os, "open", failing(errno.EMFILE))
    with pytest.raises(OSError, match="Too many open files"):
        read(os.getpid())


def test_of_a_process_that_is_gone_there_is_nothing_to_read():
    gone = 1 << 22
    assert proc.variables(gone, [], 10) == ({}, 0) and (proc.cmdline(gone), proc.uids(gone), proc.namespaces(gone)) == (b"", frozenset(), ())


def test_whoever_has_no_users_yet_is_read_again(machine):
    seen = machine.watch(gone=True)
    one = machine.add(61, 1, arguments=b"orders\0", SUPERVISOR_GROUP_NAME="primary", ZKELECT_SECRET=own_secret())
    machine.users[61] = frozenset()
    assert not seen.find("primary", (), seen.look()).living
    del machine.users[61]
    assert seen.find("primary", (), seen.look()).living == {one}


def test_users_that_could_not_be_read_are_read_again(machine, monkeypatch):
    member = machine.add(60, SUPERVISORD, arguments=b"orders\0")
    seen = machine.watch()
    look = seen.look()
    with monkeypatch.context() as patched:
        patched.setattr(machine, "uids", failing(errno.EMFILE))
        with pytest.raises(OSError):
            seen.find("primary", {member}, look)
    machine.users[60] = frozenset({4321})
    seen.find("primary", {member}, look)
    assert seen.users["primary"] == {4321}


def test_the_environment_of_a_stranger_is_read_once(machine, monkeypatch):
    """Nobody asks for the users of whoever names no group."""
    seen, read = machine.watch(), []
    machine.add(61, 1, session=61, arguments=b"orders\0")
    monkeypatch.setattr(machine, "variables", lambda pid, names, most: read.append(pid) or ({}, 100))
    for _ in range(3):
        seen.find("primary", (), seen.look())
    assert read == [61]

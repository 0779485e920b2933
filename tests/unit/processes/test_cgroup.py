"""The cgroups of former instances, whose guards were killed with their supervisords, and moves that are made quick."""

import errno
import io
import os

import pytest

from supervisor_zkelect.guard import cgroups, record
from supervisor_zkelect.processes import cgroup, proc
from supervisor_zkelect.processes.cgroup import Cgroups, Former, find, made


def instance(root, name, *pids):
    """A folder as a cgroup's, with these processes in a group's cgroup inside."""
    group = root / name / "group-primary"
    group.mkdir(parents=True)
    (root / name / "cgroup.procs").touch()
    if pids:
        (group / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))
    return str(root / name)


def test_the_cgroups_of_an_instance_are_found_wherever_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(cgroup, "seen", lambda own: ([], [str(tmp_path)]))
    one = instance(tmp_path, "zkelect-beef-boot-1-10-20")
    two = instance(tmp_path / "system.slice" / "supervisor.service", "zkelect-beef-boot-1-11-21")
    for name in ("zkelect-cafe-boot-1-10-20", "zkelect-beef-earlier-1-10-20", "zkelect-beef-boot-2-10-20", "other"):
        instance(tmp_path, name)
    assert made("zkelect-beef-boot-1-") == {one: "10-20", two: "11-21"}


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
def test_another_users_cgroup_is_none_of_ours_whatever_its_name(tmp_path, monkeypatch):
    """Who owns it may move a stranger's process into it, and the service's out of it."""
    monkeypatch.setattr(cgroup, "seen", lambda own: ([], [str(tmp_path)]))
    path = instance(tmp_path, "zkelect-beef-boot-1-10-20")
    assert made("zkelect-beef-boot-1-") == {path: "10-20"}
    os.chown(path, 65534, 65534)
    assert made("zkelect-beef-boot-1-") == {}


MOUNTS = (
    b"30 1 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n"
    b"31 1 0:30 / /tmp/\xff\xa0 rw - fuse.\xfe evil\xff rw\n"
    b"32 1 0:31 /a\\040b\\134 /mnt/c\\040d\xc3\xa4\xff rw - cgroup2 none rw\n"
)


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """What the kernel tells, as the test has it: each file of /proc with its bytes, or with what it raises."""
    told = {"/proc/self/mountinfo": MOUNTS}

    def opened(path, mode="r", **more):
        found = told.get(path)
        if isinstance(found, Exception):
            raise found
        if found is None:
            return open(path, mode, **more)
        return io.BytesIO(found) if "b" in mode else io.TextIOWrapper(io.BytesIO(found), "utf-8")

    monkeypatch.setattr(cgroup, "open", opened, raising=False)
    return told


def test_mounts_whose_names_are_no_text_are_read_and_hide_no_others(kernel):
    """Any user may mount something below such a name."""
    assert cgroup.seen("")[1] == ["/sys/fs/cgroup", os.fsdecode(b"/mnt/c d\xc3\xa4\xff")]
    assert cgroup.seen("/a b\\/x")[0] == ["/sys/fs/cgroup/a b\\/x", os.fsdecode(b"/mnt/c d\xc3\xa4\xff/x")]
    kernel["/proc/77/cgroup"] = b"1:name=x:/\xfe\n0::/user/\xff\n"
    assert cgroup.own(77) == os.fsdecode(b"/user/\xff")


@pytest.mark.parametrize("short", [errno.ENFILE, errno.EMFILE, errno.ENOMEM])
def test_what_cannot_be_seen_for_want_of_anything_is_not_taken_for_nothing(tmp_path, kernel, monkeypatch, short):
    """The hidden member of a group would count as dead."""
    kernel["/proc/self/mountinfo"] = OSError(short, "no more")
    for look in (lambda: made("zkelect-"), lambda: find(os.getpid(), "zkelect-beef")):
        with pytest.raises(OSError, match="no more"):
            look()
    kernel["/proc/self/mountinfo"] = OSError(errno.EACCES, "denied")
    assert made("zkelect-") == {} and find(os.getpid(), "zkelect-beef") is None
    monkeypatch.setattr(cgroup, "seen", lambda own: ([str(tmp_path)], [str(tmp_path)]))

    def scandir(path):
        raise OSError(short, "no more")

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(OSError, match="no more"):
        made("zkelect-")
    monkeypatch.undo()
    monkeypatch.setattr(cgroup, "seen", lambda own: ([str(tmp_path)], []))
    monkeypatch.setattr(os, "makedirs", lambda path, exist_ok: scandir(path))
    # Nobody lives in one that is not there.
    assert find(os.getpid(), "zkelect-beef") is None
    with pytest.raises(OSError, match="no more"):
        find(os.getpid(), "zkelect-beef", [str(tmp_path / "zkelect-beef")])


def test_what_lives_in_a_former_instances_cgroup_is_told_and_killed(tmp_path):
    """Of those only whose supervisord is dead: by its pid and start time, and asked anew each time."""
    me = proc.read(os.getpid())
    alive, reused = f"{me.pid}-{me.start}", f"{me.pid}-{me.start + 1}"
    folders = {instance(tmp_path, whose, pid): whose for whose, pid in ((alive, 41), (reused, 42), ("rubbish", 43))}
    former = Former(folders, cgroups.lives)
    assert former.pids() == [42]
    former.kill()
    assert [path.parent.name for path in tmp_path.glob("*/cgroup.kill")] == [reused]
    living = {alive}
    former = Former(folders, living.__contains__)
    assert sorted(former.pids()) == [42, 43]
    living.clear()
    assert sorted(former.pids()) == [41, 42, 43]


def test_a_former_instances_cgroup_that_this_supervisord_is_in_is_left_alone(tmp_path):
    folders = {instance(tmp_path, "1-1", 41, 42): "1-1", instance(tmp_path, "2-2", 43): "2-2"}
    former = Former(folders, lambda whose: False, (42, 44))
    assert former.pids() == [43]


def test_a_cgroup_that_cannot_be_read_is_not_empty(tmp_path, monkeypatch):
    former = Former({instance(tmp_path, "1-1", 41): "1-1"}, lambda whose: False)

    def scarce(path, *mode):
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(cgroup, "open", scarce, raising=False)
    with pytest.raises(OSError):
        former.pids()
    with pytest.raises(OSError):
        Cgroups(str(tmp_path / "1-1")).pids("primary")
    monkeypatch.undo()
    monkeypatch.setattr(os, "scandir", scarce)
    with pytest.raises(OSError):
        former.pids()


def test_a_threaded_cgroup_below_hides_nobody_and_stops_no_look(tmp_path, monkeypatch):
    """What is in one is told by the cgroup above it; the kernel refuses to tell of the threaded one."""
    path = instance(tmp_path, "1-1", 41)
    (tmp_path / "1-1" / "group-primary" / "threads").mkdir()
    (tmp_path / "1-1" / "group-primary" / "threads" / "cgroup.procs").touch()
    refused = f"{path}/group-primary/threads"

    def opened(name, *mode, **more):
        if name.startswith(refused):
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")
        return open(name, *mode, **more)

    monkeypatch.setattr(cgroup, "open", opened, raising=False)
    assert Cgroups(path).pids("primary") == [41]
    refused = f"{path}/group-primary/cgroup.procs"
    with pytest.raises(OSError, match="not supported"):
        Cgroups(path).pids("primary")


def test_what_the_dead_left_is_removed_and_what_the_living_have_stays(tmp_path):
    """The kernel refuses to remove a cgroup with processes in it; so does a file in a folder."""
    folders = {}
    for whose in ("dead-1", "dead-2", "alive-1"):
        (tmp_path / whose / "group-primary").mkdir(parents=True)
        folders[str(tmp_path / whose)] = whose
    (tmp_path / "dead-2" / "group-primary" / "process").touch()
    Former(folders, lambda whose: whose == "alive-1").remove()
    assert set(os.listdir(tmp_path)) == {"alive-1", "dead-2"}


def test_a_guard_ends_what_its_own_former_instances_left_and_nobody_elses(tmp_path, monkeypatch):
    """Of others it removes what is empty."""
    monkeypatch.setattr(cgroup, "seen", lambda own: ([], [str(tmp_path)]))
    me, url, other = proc.read(os.getpid()), record.key("unix:///a.sock"), record.key("unix:///b.sock")
    own = instance(tmp_path, f"zkelect-{url}-boot-1-{me.pid}-{me.start}", 41)
    instance(tmp_path, f"zkelect-{url}-boot-1-{me.pid}-{me.start + 1}", 42)
    for number, name in enumerate((f"{other}-boot-1-1-1", f"{url}-boot-2-1-1", f"{url}-earlier-1-1-1"), 43):
        instance(tmp_path, f"zkelect-{name}", number)
    (tmp_path / f"zkelect-{other}-boot-1-{me.pid}-{me.start}").mkdir()
    (tmp_path / f"zkelect-{other}-boot-1-2-2").mkdir()
    owner = record.Owner("boot", "pid:[1]", me.pid, me.start)
    found, former = cgroups.find(owner, "unix:///a.sock")
    assert found.base == own and former.pids() == [42]
    former.kill()
    assert [path.parent.name for path in tmp_path.glob("*/cgroup.kill")] == [f"zkelect-{url}-boot-1-{me.pid}-{me.start + 1}"]
    assert (tmp_path / f"zkelect-{other}-boot-1-{me.pid}-{me.start}").exists()
    assert not (tmp_path / f"zkelect-{other}-boot-1-2-2").exists()


def test_a_dead_supervisords_cgroups_are_those_that_were_made(tmp_path):
    """Its pid may be another's, whose cgroup is no place for them."""
    assert find(None, "zkelect-1") is None
    path = instance(tmp_path, "zkelect-1")
    assert find(None, "zkelect-1", [path]).base == path


def test_who_is_let_out_is_where_the_cgroups_are(tmp_path):
    cgroup.Cgroups(str(tmp_path / "zkelect-a")).let_out(77)
    assert (tmp_path / "cgroup.procs").read_text() == "77"

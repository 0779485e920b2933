"""What keeps a user from a file, told by modes alone, and whether the kernel agrees."""

import os
import subprocess

import pytest

from supervisor_zkelect.diagnosis import access
from supervisor_zkelect.diagnosis.access import ENTER, EXECUTE, READ, WRITE, AccessUser

OWNER, MEMBER, STRANGER, ROOT = AccessUser(1000, frozenset([50])), AccessUser(1001, frozenset([100])), AccessUser(65534, frozenset()), AccessUser(0, frozenset())

takes_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes root")


@takes_root
@pytest.mark.parametrize("mode, may", [
    (0o700, {OWNER, ROOT}), (0o750, {OWNER, MEMBER, ROOT}), (0o755, {OWNER, MEMBER, STRANGER, ROOT}), (0o744, {OWNER, ROOT}),
    # The owner's and the group's own bits count for them, whatever others may.
    (0o011, {MEMBER, STRANGER, ROOT}), (0o701, {OWNER, STRANGER, ROOT}), (0o644, set()),
])
def test_a_file_is_closed_to_whom_its_mode_says(tree, mode, may):
    path = tree("file", mode, "#!/bin/sh\n")
    for user in (OWNER, MEMBER, STRANGER, ROOT):
        assert (access.closed(path, user, EXECUTE) == "") == (user in may)
        groups = sorted(user.groups) or [user.uid]
        done = subprocess.run(
            ["/bin/sh", "-c", '[ -x "$1" ]', "sh", path], user=user.uid, group=groups[0], extra_groups=groups, cwd="/", check=False
        )
        assert (done.returncode == 0) == (user in may)


@takes_root
def test_the_first_folder_that_is_closed_is_named(tree):
    tree("a", 0o755)
    inner = tree("a/b", 0o700)
    file = tree("a/b/file", 0o755, "")
    assert access.closed(file, STRANGER, EXECUTE) == inner and access.closed(inner, STRANGER, ENTER) == inner
    assert access.closed(file, OWNER, EXECUTE) == access.closed(file, ROOT, EXECUTE) == ""
    # Nobody is to enter what he only reads.
    os.chmod(inner, 0o744)
    assert access.closed(file, STRANGER, EXECUTE) == inner


@takes_root
def test_a_link_is_closed_where_what_it_leads_to_is(tree):
    closed = tree("closed", 0o700)
    file = tree("closed/python", 0o755, "")
    os.symlink(file, f"{tree.top}/python")
    os.symlink("closed/python", f"{tree.top}/relative")
    os.symlink("../tree-of-none/../closed", f"{tree.top}/lost")
    os.symlink("closed", f"{tree.top}/folder")
    for name in ("python", "relative", "folder/python", "./folder/../closed//python"):
        assert access.closed(f"{tree.top}/{name}", STRANGER, EXECUTE) == closed, name
        assert access.closed(f"{tree.top}/{name}", OWNER, EXECUTE) == "", name
    # What is not there, or leads round and round, is for others to tell.
    os.symlink("round", f"{tree.top}/round")
    assert access.closed(f"{tree.top}/lost", STRANGER, ENTER) == access.closed(f"{tree.top}/round", STRANGER, ENTER) == ""
    assert access.closed(f"{tree.top}/none/such", STRANGER, READ) == access.closed("/\0", STRANGER, READ) == ""


@takes_root
def test_reading_and_writing(tree):
    path = tree("file", 0o640, "")
    assert [access.closed(path, MEMBER, wanted) for wanted in (READ, WRITE)] == ["", path]
    assert [access.closed(path, OWNER, wanted) for wanted in (READ, WRITE)] == ["", ""]
    assert [access.closed(path, ROOT, wanted) for wanted in (READ, WRITE, EXECUTE)] == ["", "", path]


@takes_root
def test_what_has_an_access_control_list_counts_as_open(tree, monkeypatch):
    path = tree("file", 0o700, "")
    monkeypatch.setattr(os, "listxattr", lambda one, **options: ["system.posix_acl_access"] if one == path else [])
    assert access.closed(path, STRANGER, EXECUTE) == ""
    monkeypatch.setattr(os, "listxattr", lambda one, **options: ["user.mime_type", "security.selinux"])
    assert access.closed(path, STRANGER, EXECUTE) == path


def test_the_root_of_all_folders_is_open():
    assert access.closed("/", STRANGER, ENTER) == access.closed("/", ROOT, ENTER) == ""

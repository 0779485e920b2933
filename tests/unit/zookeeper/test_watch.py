"""What a client keeps of watches: one callback for each znode that it watches, and nothing of what it never came to watch."""

import gc
from types import SimpleNamespace

from supervisor_zkelect.zookeeper.watch import Watch


def client(registered):
    """One that keeps what it is given to call where the request is answered."""

    def exists_async(path, watch):
        if path in registered:
            registered[path].add(watch)

    return SimpleNamespace(exists_async=exists_async)


def test_many_watches_on_a_znode_are_one_callback():
    registered = {"/a": set()}
    one = client(registered)
    watches = [Watch(one, "/a") for _ in range(100)]
    for watch in watches:
        one.exists_async("/a", watch=watch.seen)
    assert len(registered["/a"]) == 1
    registered["/a"].pop()(SimpleNamespace(type="CHANGED"))
    assert [watch.changed.result(timeout=0) for watch in watches] == ["/a changed"] * 100


def test_nothing_is_left_of_requests_that_were_never_answered():
    one = client({})
    for number in range(100):
        watch = Watch(one, f"/{number}")
        one.exists_async(watch.path, watch=watch.seen)
        watch.end(None)
    del watch
    gc.collect()
    assert len(one.zkelect_callbacks) == 0


def test_who_is_told_once_is_forgotten_and_others_are_not():
    registered = {"/a": set()}
    one = client(registered)
    first, second = Watch(one, "/a"), Watch(one, "/a")
    one.exists_async("/a", watch=first.seen)
    one.exists_async("/a", watch=second.seen)
    first.end(None)
    registered["/a"].pop()(SimpleNamespace(type="DELETED"))
    assert first.changed.cancelled() and second.changed.result(timeout=0) == "/a deleted"

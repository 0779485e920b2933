"""Documents as `zkelect http` gives them to the page, of clusters that were never there."""

import time

NOW = 1796000400.0
"""Seconds since 1970 of the clusters below: 2026-11-30 01:00:00 UTC. Where a test lets time go by it has its own."""


def document(elections, node="a", age=0.4, now=None, **more):
    """The whole of it. elections: by name. age: seconds since the picture was made, None where there is none."""
    moment = round(1000 * (time.time() if now is None else now))
    return {
        "v": 1, "node": node, "version": "0.9.0", "now": moment, "age": age,
        "zookeeper": {"connected": True, "since": moment - 86_400_000, "trouble": ""}, "elections": elections, **more,
    }


def node(name, role="standby", place=2, since=None, **more):
    """One node as `list --json` has it. since: seconds since 1970."""
    return {
        "node": name, "role": role, "since": None if since is None else round(1000 * since), "address": f"{name}.example.net:8080",
        "place": place, "note": "", "live": True, "guarded": True, "tags": {}, "digest": "5e1f", "differs": "", "version": "0.9.0",
        **more,
    }


def term(token, name, acked, why="", took=1.0, dirty=False):
    """A term as `history --json` has it. acked: seconds since 1970. why: of its end, "" while it goes on. took: by how much its
    steps are longer than usual. dirty: its host was lost."""
    steps = {"acked": 0.0, "healthy": 0.006, "executed": 0.021, "started": 0.024, "leased": 0.043, "claimed": 0.044, "elected": 0.052}
    begun = {step: acked - before * took for step, before in steps.items()}
    found = {"v": 1, "token": token, "node": name, "address": f"{name}.example.net:8080", "begun": begun}
    return {**found, **({"lost": {"noticed": acked + 3600, "why": why}} if dirty else {})}


def ended(found, at, why, took=1.0, **more):
    """The same term, at its end. at: when it was released."""
    return {**found, "ended": {"noticed": at - 0.035 * took, "dead": at - 0.006 * took, "released": at, "why": why, **more}}


def election(nodes, leader="a", follower="b", after=9.8, terms=(), here=None, **more):
    """One election. leader: "" for nobody. here: whether the node that serves leads; by default where it is `a`."""
    named, leads = {one["node"]: one for one in nodes}, leader == "a" if here is None else here
    return {
        "here": {
            "primary": leads, "why": "" if leads else f"stands by behind {leader}" if leader else "stands by", "lease": 8.1 if leads else None,
            "acked": leads, "token": 4711 if leads else None, "guarded": True,
        },
        "address": named[leader]["address"] if leader else "", "coming": "", "trouble": "", "changed": None, "nodes": list(nodes),
        "next": {
            "node": follower or None, "seconds": after if follower else None,
            "why": "" if follower else "no other node stands in the queue that may lead: nobody would take over",
        },
        "orders": [], "paused": None, "left_out": 0, "unread_since": None, "terms": list(terms), **more,
    }


def past(now, names=("a", "b"), count=6):
    """The last terms of an election, the latest first, of a rich past."""
    why = (
        "resigned by order of root@b: kernel update", "its health check failed 3 times: HTTP 503 from http://127.0.0.1:8080/healthz",
        "switchover to a by order of anna@desk: back again", "its supervisord is gone", "the group ended: orders is FATAL",
    )
    found, at = [], now - 7512.0
    for number in range(count):
        name = names[number % len(names)]
        one = term(4711 - 53 * number, name, at, took=1.0 + number % 3)
        if number:
            # Released a moment before the next began.
            released = found[-1]["begun"]["elected"] - 0.002
            one = {**one, "lost": {"noticed": released, "why": "its session ended: the host is gone, or cut off"}} if number == 3 else (
                ended(one, released, why[(number - 1) % len(why)], took=1.0 + number % 2)
            )
        found.append(one)
        at -= 86_400.0 * (1.3 + number)
    return found


def pair(now):
    """Two nodes and nothing amiss."""
    history = past(now)
    begun = history[0]["begun"]["acked"]
    return election(
        [node("a", "primary", 1, begun, tags={"rack": "a1"}), node("b", "standby", 2, begun - 3, tags={"rack": "b4"})],
        terms=history, changed=round(1000 * begun),
    )


def one(now):
    """A node that is alone."""
    begun = now - 912
    return election([node("a", "primary", 1, begun)], follower="", terms=[term(17, "a", begun)], changed=round(1000 * begun))


def three(now):
    """Three nodes, one of them in maintenance."""
    history = past(now, ("a", "b", "c"))
    begun = history[0]["begun"]["acked"]
    words = "in maintenance by anna@desk, for another 1 h 12 m, until 2026-11-30 02:12:00+0000: new disk"
    nodes = [
        node("a", "primary", 1, begun), node("b", "standby", 2, begun + 40),
        node("c", "maintenance", None, now - 2880, note=words),
    ]
    return election(nodes, terms=history, changed=round(1000 * begun), orders=[f"c: {words}"])


def many(now, count=50):
    """A queue of many."""
    history = past(now, ("node-01", "node-02"))
    begun = history[0]["begun"]["acked"]
    nodes = [node("node-01", "primary", 1, begun)]
    nodes += [node(f"node-{place:02}", "standby", place, now - 3600.0 * place) for place in range(2, count + 1)]
    nodes[7].update(guarded=False, note="unguarded")
    nodes[20].update(note="not fit: exec:mountpoint -q /srv/data ended with status 32", role="detached", place=None)
    nodes[33].update(role="gone", live=False, place=None, since=None, guarded=True, note="was standby")
    nodes[34].update(version="0.8.2", differs="differs from node-01 in kill_time (0.4, not 0.3)", note="differs from node-01 in kill_time (0.4, not 0.3)")
    return election(nodes, "node-01", "node-02", here=True, terms=history, changed=round(1000 * begun))


NAMES = (
    "orders billing search-index mailer reports ledger sessions thumbnails webhooks audit invoices payments catalogue pricing stock "
    "shipping returns newsletter exports cron"
).split()


def twenty(now):
    """Twenty elections, of which some are not well."""
    found = {}
    for number, name in enumerate(NAMES):
        names = ("a", "b", "c") if number % 2 else ("b", "c", "a")
        history = past(now - 977.0 * number, names)
        begun = history[0]["begun"]["acked"]
        nodes = [node(one, "standby" if place else "primary", place + 1, begun + place) for place, one in enumerate(names)]
        found[name] = election(nodes, names[0], names[1], terms=history, changed=round(1000 * begun))
    found["mailer"]["nodes"][2].update(guarded=False, note="unguarded")
    found["ledger"].update(
        coming="paused by anna@desk: ZooKeeper 3.9, a runs on until zkelect resume",
        paused={"says": "paused by anna@desk: ZooKeeper 3.9", "node": "a", "seconds": None, "resume": False},
        orders=["paused by anna@desk: ZooKeeper 3.9, a runs on until zkelect resume"],
    )
    silent = found["webhooks"]
    silent.update(address="", changed=round(1000 * (now - 4.2)), next={"node": None, "seconds": None, "why": "nobody is primary"})
    silent["nodes"][0].update(role="promoting", note="starting")
    return found


def trouble(now):
    """All that may be amiss."""
    history = past(now)
    history[0] = ended(history[0], now - 92, "its health check failed 3 times: connection refused", failed=True)
    words = "its last promotion failed: not healthy within 60 s; its health check failed: connection refused"
    nodes = [
        node("b", "detached", None, now - 31, note=f"waiting; {words}"), node("a", "standby", None, now - 92, guarded=False, note="unguarded; not fit: exec:mountpoint -q /srv/data ended with status 32"),
        node("c", "gone", None, None, live=False, note="was standby"),
    ]
    down = election(nodes, "", "", terms=history, changed=round(1000 * (now - 92)))
    cut = pair(now)
    cut["nodes"][0].update(role="primary, cut off", live=False)
    cut["orders"] = ["switchover to b by anna@desk at 2026-11-30 03:00:00+0000, in 2 h 0 m: kernel update"]
    garbage = pair(now)
    garbage["trouble"] = "what operators have ordered cannot be read: control is no JSON; zkelect orders --reset makes it empty"
    return {"orders": down, "billing": cut, "search-index": garbage}


HOSTILE = "<img src=x onerror=\"document.title='owned'\">"


def hostile(now):
    """What a stranger may write into znodes, if no reader before the page kept it out."""
    found = pair(now)
    texts = [HOSTILE, "<script>document.title='owned'</script>", "javascript:document.title='owned'", "a'; touch /tmp/owned; '", "\u202egnp.exe\u0007\x1b[31m", "x" * 5000]
    nodes = [node(text, "standby", place, now, address=text, note=text, differs=text, tags={text: text}, version=text) for place, text in enumerate(texts, 2)]
    found["nodes"] += [*nodes, node("gone'; touch /tmp/owned; '", "gone", None, live=False, guarded=True)]
    found.update(coming=HOSTILE, trouble=HOSTILE, orders=[HOSTILE, *texts])
    found["next"] = {"node": HOSTILE, "seconds": 1e308, "why": HOSTILE}
    found["terms"][1]["ended"]["why"] = HOSTILE
    found["terms"][0]["node"] = HOSTILE
    nonsense = {"nodes": [None, 7, "x", {"node": {"a": 1}, "since": "x", "place": [], "note": 5, "role": None}], "terms": [None, {"begun": 5, "ended": {"noticed": -1, "dead": 1e300}, "restarts": [1]}],
                "next": 5, "orders": [None, {}, 5], "here": [], "changed": "x", "address": {}, "trouble": None, "paused": "x"}
    return {"orders": found, HOSTILE: pair(now), "__proto__": pair(now), "constructor": nonsense, "nothing": None}

"""The meaning of a role for somebody who has just been woken up: one line on what is wrong and what to do. Pure."""

from __future__ import annotations

from typing import Any, Dict, List

from supervisor_zkelect.core import moments
from supervisor_zkelect.operators.view import View, as_dict, as_text, is_number

#: The remedy for each kind of hindrance (`ability.py`), where its own line does not name it.
REMEDIES = {
    "guard": "see the log of the listener",
    "folder": "no program starts here until that is put right",
    "zookeeper": "see whether `servers` are right and can be reached; the node reconnects by itself",
    "timeout": "let the servers grant more (maxSessionTimeout), or shorten kill_time",
    "twin": "if this node was killed or cut off a moment ago, that proposal is its own and will go away; otherwise give each "
            "node a different node_name",
    "refused": "zkelect check names the znode and the remedy; the node retries by itself",
    "fence": "correct the fence command; see the log of the listener",
    "alive": "no other node leads until the group is dead; find its processes (zkelect check, the log), or, if none can do harm: "
             "zkelect resign --force",
}

_STEPS = {
    ("detached", "beginning"): "is starting",
    ("detached", "clearing"): "is checking that nothing from an earlier run is alive",
    ("detached", "proposing"): "is about to stand for election",
    ("promoting", "claiming"): "claims the term in ZooKeeper",
    ("promoting", "fencing"): "runs the fence command against the former primary",
    ("promoting", "leasing"): "waits for a lease",
    ("promoting", "restarting"): "stops the programs by order, to start them again in the same term",
    ("promoting", "starting"): "starts the programs",
    ("promoting", "probing"): "waits for the service to be healthy",
    ("promoting", "acking"): "the service is healthy, writes the ack",
    ("demoting", "stopping"): "stops the programs",
    ("demoting", "releasing"): "the programs are dead, releases the election",
    ("demoting", "closing"): "closes its session, since ZooKeeper refuses or fails its release",
}

_STANDING = {
    ("detached", "waiting"): "waits before it stands for election",
    ("standby", "asking"): "looks at the queue",
    ("standby", "watching"): "stands by", ("standby", "stepping"): "steps behind the others",
    ("primary", ""): "the ack is written",
    ("withdrawn", ""): "takes no part any more", ("maintenance", ""): "is in maintenance",
}


def step(role: str, name: str) -> str:
    """A step of a node, as a predicate."""
    return _STEPS.get((role, name)) or _STANDING.get((role, name)) or name or role


def duration(seconds: float) -> str:
    """A length of time in its two largest units, as `moments.duration` has it."""
    return moments.duration(seconds)


def line(view: View, election: str) -> str:
    """The line on an election whose role is known; "" for a primary without trouble."""
    facts = view.facts(election)
    cannot, trouble, role = as_dict(facts.get("cannot")), as_text(facts.get("trouble")), view.role(election)
    if cannot and role != "primary":
        said = [_hindered(view, facts, cannot)]
        # Without ZooKeeper each request fails, too.
        trouble = "" if trouble == as_text(cannot.get("why")) or cannot.get("kind") == "zookeeper" else trouble
    elif role == "primary":
        said = _primary(view, facts)
    elif role == "standby":
        said = [_halted(facts) or _standing(view, election, facts)]
    else:
        said = [_moving(view, facts)]
    if trouble:
        said.append(trouble)
    if facts.get("differs"):
        said.append(f"{as_text(facts['differs'])}; correct one of the two")
    if facts.get("unguarded") and role not in ("detached", "maintenance", "withdrawn"):
        why = as_text(facts.get("unguarded_why")) or "there is no guard, or `zkelect run --` is not before each program's command"
        said.append(f"unguarded, so nothing stops the service if the listener cannot: {why}")
    return "; ".join(filter(None, said))


def _hindered(view: View, facts: Dict[str, Any], cannot: Dict[str, Any]) -> str:
    kind, why = as_text(cannot.get("kind")), as_text(cannot.get("why"))
    session = as_dict(view.report.get("session"))
    if kind == "zookeeper":
        away = f" for {duration(view.now - session['since'])}" if not view.connected and is_number(session.get("since")) else ""
        head = f"cut off from ZooKeeper{away}: {why}"
    else:
        head = f"should take part but cannot: {why}"
    remedy = REMEDIES.get(kind, "")
    left = _left(view, facts) if kind == "twin" else ""
    return head + (f" (at most {left} more if it is this node's own)" if left else "") + (f"; {remedy}" if remedy else "")


def _halted(facts: Dict[str, Any]) -> str:
    """That nobody is promoted in a pause; "" without one."""
    paused = as_dict(facts.get("paused"))
    return f"stands by; {as_text(paused.get('why'))}, so nobody is promoted until zkelect resume" if paused.get("stands") else ""


def _primary(view: View, facts: Dict[str, Any]) -> List[str]:
    paused = as_dict(facts.get("paused"))
    if paused.get("held"):
        until = "zkelect resume" + (f", or for {duration(paused['until'] - view.now)}" if is_number(paused.get("until")) else "")
        sure = "" if paused.get("confirmed") else "; its guard has not confirmed that yet"
        return [f"{as_text(paused.get('why'))}: runs on whatever becomes of ZooKeeper, until {until}{sure}"]
    if paused:
        return ["a pause stands, or is asked for, to which this node has not consented yet"]
    if view.connected or not is_number(facts.get("deadline")):
        aside = as_text(facts.get("aside"))
        return [f"leads on until its term ends, though {aside}; zkelect resign hands over"] if aside else []
    why = as_text(as_dict(view.report.get("session")).get("trouble"))
    left = duration(facts["deadline"] - view.now)
    return [f"primary for {left} at most, as ZooKeeper does not answer" + (f": {why}" if why else "")]


def _standing(view: View, election: str, facts: Dict[str, Any]) -> str:
    if facts.get("step") == "stepping":
        return "steps behind the others in the queue"
    if facts.get("step") == "asking" and facts.get("trouble"):
        return "stands in the queue, but cannot find out its place"
    place, failed = facts.get("place"), failure(view, election)
    head = f"stands by, but {failed}" if failed else "stands by"
    if not facts.get("ack") and is_number(facts.get("ack_at")) and view.past(election, "ack_at") is None:
        return f"{head}; nobody is primary: see zkelect members, then run role on the node that leads the queue"
    if failed:
        return head
    unfit = as_text(facts.get("unfit"))
    if unfit:
        return f"stands by, but its check `fit` fails: {unfit}; it leaves the queue if that lasts while there is a primary"
    if is_number(place) and place > 2 and view.past(election, "place_at") is None:
        return f"stands by behind {place - 1} others, and could take over after them"
    return "stands by and could take over; there is nothing to do"


def failure(view: View, election: str) -> str:
    """That the node's last promotion failed, and why; "" where it did not."""
    failed = as_dict(view.facts(election).get("failed"))
    if not failed:
        return ""
    ago = f" {duration(view.now - failed['at'])} ago" if is_number(failed.get("at")) else ""
    return f"its last promotion failed{ago}: {as_text(failed.get('why'))}; correct that"


def _moving(view: View, facts: Dict[str, Any]) -> str:
    role, step, reason, left = facts["role"], as_text(facts.get("step")), as_text(facts.get("reason")), _left(view, facts)
    because = f", because: {reason}" if reason else ""
    if role == "withdrawn":
        return f"takes no part any more{because}"
    if role == "maintenance":
        return f"takes no part: {reason}" + (f", for another {left}" if left else "") + "; zkelect maintenance off ends that"
    if (role, step) == ("detached", "waiting"):
        aside = as_text(facts.get("aside"))
        if aside:
            remedy = "" if facts.get("priority") == 0 else "; it joins again when that check passes"
            return f"takes no part: {aside}{remedy}"
        if left:
            return f"takes no part for another {left}{because}; correct that (supervisorctl tail PROGRAM, zkelect history)"
        return f"is about to stand for election{because}"
    words = _STEPS.get((role, step), "")
    if role == "promoting" and left:
        words += f", and gives up in {left}"
    elif role == "demoting" and step == "stopping":
        words += f", and kills them in {left}" if left else ""
    return words + (because if role == "demoting" or step == "beginning" else "")


def _left(view: View, facts: Dict[str, Any]) -> str:
    moment = facts.get("until")
    return duration(moment - view.now) if is_number(moment) and moment > view.now else ""

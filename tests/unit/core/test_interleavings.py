"""Random interleavings of faults and orders, after which nobody waits for ever.

One node's role machine is played against models (`played.py`, `played_zookeeper.py`). When the faults have ended it must come to
rest within a bounded time of the model, leading or standing by where it should, with no order left that nobody begins; and it
must obey the orders that are given then.

More by hand: `python -m tests.unit.core.test_interleavings --seeds 10000 --seed 1`, and `--tell 4711` tells what happened in one.
"""

import argparse
import random
import sys
from typing import Callable, List, Optional, Tuple

import pytest

from supervisor_zkelect.core import messages as m
from supervisor_zkelect.core.roles import PRIMARY, STANDBY
from supervisor_zkelect.core.state import INFINITY
from tests.unit.core.played import AT_REST, Broken, Played, rules_of
from tests.unit.core.played_zookeeper import NODE, OTHER, Ordered, Pause

#: How many plays the test plays, how often the faults end in each, and how many faults and orders befall the node before that.
SEEDS, ROUNDS, BEFALLS = 300, 3, 20

#: Seconds within which everything comes to rest: an operator waits longest, who has resigned and wants to hear who leads.
PATIENCE = 120.0

#: Seconds for which a node at rest is watched.
REST = 6.0


# Operators


class Operators:
    """They order, and take back."""

    def __init__(self, node: Played) -> None:
        self.node, self.zk, self.random = node, node.zk, node.random
        self._given = 0

    def _id(self, kind: str) -> str:
        self._given += 1
        return f"{kind}{self._given}"

    def pause(self, lasts: Optional[float] = None) -> None:
        """Who leads is asked; where nobody does, it stands at once."""
        if self.zk.control.pause is None:
            lasts = self.random.choice((INFINITY, INFINITY, 1.0, 3.0, 8.0)) if lasts is None else lasts
            self.zk.write(pause=Pause(self._id("pause"), not self.zk.leads(self.zk.holder), lasts, self.node.now))

    def resume(self) -> None:
        pause = self.zk.control.pause
        if pause is not None and pause.stands and pause.consent:
            self.zk.write(pause=pause._replace(resume=True))
        elif pause is not None:
            self.zk.write(pause=None)

    def resume_by_force(self) -> None:
        """On the word that the node is dead which has consented."""
        pause = self.zk.control.pause
        if pause is not None and pause.consent and pause.consent not in self.zk.own | set(self.zk.queue):
            self.zk.end_pause()

    def switch(self, to: Optional[str] = None) -> None:
        control = self.zk.control
        if control.switchover is None and control.restart is None:
            self.zk.write(switchover=Ordered(self._id("switch"), self.random.choice((NODE, OTHER, "")) if to is None else to))

    def restart(self) -> None:
        control = self.zk.control
        if control.switchover is None and control.restart is None and self.zk.holder:
            self.zk.write(restart=Ordered(self._id("restart"), term=self.random.choice((0, self.zk.holder))))

    def take_back(self) -> None:
        """Take back what has not begun."""
        control = self.zk.control
        if control.switchover is not None and not control.switchover.begun:
            self.zk.write(switchover=None)
        if control.restart is not None and not control.restart.begun:
            self.zk.write(restart=None)

    def maintain(self) -> None:
        """Put the node into maintenance, or out of it."""
        aside = "" if self.zk.control.aside else self._id("maintenance")
        self.zk.write(aside=aside, forced=bool(aside) and self.random.random() < 0.3)

    def resign(self) -> None:
        ticket = self._id("resign")
        self.node.waiting_operators[ticket] = self.node.now
        self.node.decide(m.Resign(ticket, self.random.random() < 0.3))


# Faults


class Faults:
    """What befalls the node."""

    def __init__(self, node: Played) -> None:
        self.node, self.random = node, node.random

    def suspend(self) -> None:
        self.node.disconnect()

    def connect(self) -> None:
        self.node.connect()

    def lose_session(self) -> None:
        self.node.lose_session()

    def close_session(self) -> None:
        self.node.decide(m.SessionEnds("another election cannot do without"))

    def delete_proposal(self) -> None:
        self.node.zk.delete(self.node.zk.proposal(self.node.requests.session))

    def deny(self) -> None:
        self.node.zk.denied = "" if self.node.zk.denied else self.random.choice(("control", "control", "all"))

    def begin_listener(self) -> None:
        node = self.node
        if self.random.random() < 0.3:
            node.finish_request()
        if self.random.random() < 0.3:
            # The group has died meanwhile.
            node.guard.granted = False
        node.begin_listener()

    def forget_session(self) -> None:
        self.node.forget_session()

    def begin_life(self) -> None:
        self.node.begin_life()

    def sicken(self) -> None:
        """The service, the fence or the check `fit` fails from now on, or does so no more."""
        chances = self.node.chances
        chances.sick = self.random.choice((0.0, 0.0, 0.05, 1.0))
        chances.fences, chances.fit = self.random.choice((True, False, False)), self.random.choice((True, False, False))

    def end_by_hand(self) -> None:
        if self.node.guard.granted:
            self.node.decide(self.random.choice((m.StoppedByHand("web"), m.MemberFatal("web"))))

    def other_comes(self) -> None:
        self.node.other.come()

    def other_goes(self) -> None:
        self.node.other.go()

    def reconfigure(self) -> None:
        self.node.decide(m.Reconfigured(False))


ORDERS = (
    "pause", "pause", "pause", "resume", "resume", "resume_by_force", "switch", "restart", "take_back", "maintain", "resign",
)
FAULTS = (
    "suspend", "suspend", "connect", "connect", "lose_session", "close_session", "delete_proposal", "deny", "deny",
    "begin_listener", "begin_listener", "forget_session", "begin_life", "sicken", "end_by_hand", "other_comes", "other_comes",
    "other_goes", "reconfigure",
)


#: What is dangerous together. A play has one of them, and some more of everything.
THEMES: Tuple[Tuple[str, ...], ...] = (
    ("pause", "pause", "resume"),
    ("pause", "begin_listener", "suspend", "other_comes"),
    ("pause", "pause", "begin_listener", "begin_listener", "suspend", "other_comes", "other_goes"),
    ("pause", "pause", "resume", "begin_listener", "deny"),
    ("pause", "pause", "resume", "deny", "suspend"),
    ("switch", "resign", "pause", "resume", "sicken", "other_comes", "other_comes", "other_goes"),
    ("restart", "restart", "take_back", "deny", "begin_listener"),
    ("maintain", "sicken", "other_comes"),
    (),
)


class Play:
    """One play. `run` says what was wrong at its end."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(f"play {seed}")
        theme = THEMES[seed % len(THEMES)]
        sick, timeout = "sicken" in theme, chance.choice((4.0, 12.0))
        rules = rules_of(chance, fit=chance.random() < (0.7 if sick else 0.2))
        self.node = Played(seed, rules, fences=chance.random() < (0.7 if sick else 0.2), timeout=4.0 if sick else timeout)
        self.operators, self.faults = Operators(self.node), Faults(self.node)
        orders, faults = chance.choice((0, 1, 2)) + 2 * (not theme), chance.choice((0, 1, 2)) + 2 * (not theme)
        self.menu = ["connect", *theme, *chance.choices(ORDERS, k=orders), *chance.choices(FAULTS, k=faults)]
        self.chances = chance

    def run(self) -> List[str]:
        """What is wrong."""
        try:
            self.node.connect()
            self.node.run(3.0)
            for _ in range(ROUNDS):
                self._suffer()
                amiss = self._rests()
                if amiss:
                    return amiss
            for obeys in (self._is_resumed, self._leaves_maintenance, self._pauses, self._restarts, self._switches):
                self.node.told("NOW", obeys.__name__)
                amiss = obeys()
                if amiss:
                    return amiss
        except Broken as broken:
            return [str(broken)]
        return []

    def _suffer(self) -> None:
        """Faults and orders, until the faults end."""
        node, chance = self.node, self.chances
        node.chances.slow = chance.choice(((0.01, 0.1, 0.4), (0.1, 0.4, 1.0), (0.02, 0.5, 2.0), (1.0, 3.0)))
        node.chances.lag = chance.choice(((0.01, 0.05), (0.5, 1.0, 3.0)))
        node.chances.loss = chance.choice((0.0, 0.15, 0.5))
        if chance.random() < 0.2:
            node.other.come()
        for _ in range(BEFALLS):
            what = chance.choice(self.menu)
            node.told("!!", what)
            getattr(self.operators if what in ORDERS else self.faults, what)()
            node.run(chance.choice((0.02, 0.1, 0.3, 1.0, 3.0)))
        node.told("THE FAULTS END")
        node.chances.heal()
        node.zk.denied = ""

    def _settle(self, wrong: Callable[[], List[str]]) -> List[str]:
        """What is still wrong when everything has had time to come to rest."""
        until = self.node.now + PATIENCE
        while True:
            self.node.connect()
            self.node.run(1.0)
            if not wrong():
                begin = self.node.now
                self.node.run(REST)
                # Who leads though it is ordered not to looks again and again who could take over.
                resting = [kind.__name__ for kind in (*AT_REST, *((m.Begin,) if self.node.state.leads_on else ()))]
                restless = sorted({kind for moment, kind in self.node.asked if moment > begin and kind not in resting})
                if not restless and not wrong():
                    return []
            if self.node.now > until:
                return wrong() or [f"asks without an end for {', '.join(restless)}"]

    # What must be so

    def _rests(self) -> List[str]:
        """Nobody waits who is to be answered, and no pause is in a step that ends by itself."""
        return self._settle(lambda: [*self._unanswered(), *self._unfinished_pause()])

    def _unanswered(self) -> List[str]:
        return ["an operator waits for an answer"] if self.node.waiting_operators else []

    def _unfinished_pause(self) -> List[str]:
        pause, state = self.node.zk.control.pause, self.node.state
        if pause is None:
            return [f"{state.pausing.step} and there is no pause"] if state.pausing is not None else []
        leads = pause.stands and pause.consent in self.node.zk.queue
        wrong = [f"a pause that is to end stands ({self._at()})"] if leads and (pause.resume or pause.lasts < INFINITY) else []
        if not pause.stands and self._should_lead() or leads and state.role == PRIMARY and not state.consented:
            wrong.append(f"a pause is not consented to ({self._at()})")
        return wrong

    def _is_resumed(self) -> List[str]:
        self.operators.resume()
        if self.node.zk.control.pause is not None and not self.other_stands:
            self.operators.resume_by_force()
        return self._settle(lambda: [*self._paused(), *self._ordered()])

    def _leaves_maintenance(self) -> List[str]:
        if self.node.zk.control.aside:
            self.operators.maintain()
        return self._settle(self._misplaced)

    def _pauses(self) -> List[str]:
        self.operators.pause(INFINITY)
        amiss = self._settle(self._unpaused)
        self.operators.resume()
        return amiss or self._settle(lambda: [*self._paused(), *self._misplaced()])

    def _restarts(self) -> List[str]:
        self.operators.restart()
        return self._settle(lambda: [*self._ordered(), *self._misplaced()])

    def _switches(self) -> List[str]:
        self.node.other.come()
        self.node.run(1.0)
        to = OTHER if self._leads() else NODE
        self.operators.switch(to)
        return self._settle(lambda: [
            *self._ordered(), *([] if self._leads() == (to == NODE) else [f"a switchover was not done ({self._at()})"]),
        ])

    @property
    def other_stands(self) -> bool:
        return bool(self.node.other.token)

    def _should_lead(self) -> bool:
        """Whether nobody else does, as far as the queue is concerned."""
        return not self.node.zk.leads(self.node.other.token) and not self.node.zk.control.aside

    def _leads(self) -> bool:
        zk, state = self.node.zk, self.node.state
        return state.role == PRIMARY and zk.holder == zk.acked == state.token

    def _at(self) -> str:
        state = self.node.state
        return f"{state.role} {state.step} {state.pausing.step if state.pausing else ''}".strip()

    def _misplaced(self) -> List[str]:
        state, zk = self.node.state, self.node.zk
        if self._leads() or zk.leads(self.node.other.token) and (state.role, state.step) == (STANDBY, "watching"):
            return ["a handover is thought to be begun"] if state.beginning is not None else []
        return [f"neither leads nor stands by ({self._at()})"]

    def _ordered(self) -> List[str]:
        """No order stands, unless nobody leads who could begin it, or who leads is to make way first and nobody comes."""
        control, state = self.node.zk.control, self.node.state
        if state.leads_on or control.aside and not self.other_stands and not self._leads():
            return []
        return [f"the {name} stands ({self._at()})" for name in ("switchover", "restart") if getattr(control, name) is not None]

    def _unpaused(self) -> List[str]:
        pause, state = self.node.zk.control.pause, self.node.state
        done = pause is not None and pause.stands and (state.consented or state.role != PRIMARY)
        return [] if done else [f"a new pause is not consented to ({self._at()})"]

    def _paused(self) -> List[str]:
        state, zk = self.node.state, self.node.zk
        left = state.pausing is not None or state.paused_until > -INFINITY or state.halted and state.step == "watching"
        wrong = {
            "a pause stands": zk.control.pause is not None, "a barrier stands": bool(zk.barriers),
            "something of a pause is left": left,
        }
        return [f"{what} ({self._at()})" for what, so in wrong.items() if so]


@pytest.mark.parametrize("first", range(0, SEEDS, 50))
def test_nobody_waits_for_ever(first):
    """`--tell` of the seed tells what happened."""
    amiss = {seed: wrong for seed in range(first, first + 50) if (wrong := Play(seed).run())}
    assert not amiss


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0, help="the first one")
    parser.add_argument("--tell", type=int, help="play this one alone, and tell what happens")
    arguments = parser.parse_args()
    if arguments.tell is not None:
        play = Play(arguments.tell)
        amiss = play.run()
        print("\n".join(play.node.log), amiss or "nothing is amiss", sep="\n")
        return bool(amiss)
    found = 0
    for seed in range(arguments.seed, arguments.seed + arguments.seeds):
        amiss = Play(seed).run()
        found += bool(amiss)
        if amiss:
            print(f"{seed}: {'; '.join(amiss)}", flush=True)
    print(f"{found} of {arguments.seeds} plays ended amiss")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())

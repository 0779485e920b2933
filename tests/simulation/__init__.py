"""A simulation of many nodes in virtual time: the real role machine and the real lease arithmetic in a model world.

    world.py       time, chance and the transcript
    zookeeper.py   an ensemble: sessions, expiry in ticks, followers that relay late, links that stall
    node.py        a node: listener glue, guard, chain loader, supervisord and the group's processes
    schedule.py    what befalls them, drawn from a seed, and what must hold after each step
    __main__.py    `python -m tests.simulation --schedules N --seed S`
"""

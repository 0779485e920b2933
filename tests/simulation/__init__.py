"""Many nodes in virtual time: the real listener, guard, elector, session and release in a model world.

    world.py       time, chance, the transcript, and processes with threads that can be killed and frozen
    zookeeper.py   an ensemble: sessions, expiry in ticks, followers that relay late, leaders that change
    client.py      kazoo's client, over links that stall
    machine.py     supervisord, the chain loader and the service's processes; the runtime folder
    kernel.py      the kernel that the process manager finds there, and who drives that
    node.py        the product's processes on a machine
    promises.py    what must hold after each step
    schedule.py    what befalls them, drawn from a seed
    session_model.py   one session with requests that overlap, against the arithmetic of the lease alone
    faults.py      what must be found when it is put in
    __main__.py    `python -m tests.simulation --schedules N --seed S`
"""

"""A careful agent on kazoo's Election, as somebody writes it who knows what can go wrong.

    python -m bench.careful HOSTS TIMEOUT NAME -- COMMAND

The service is killed as soon as the connection is in doubt, dies with the agent, and is dead before the election is
released.
"""

import ctypes
import signal
import subprocess
import sys
import threading

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import KazooException

hosts, timeout, name, command = sys.argv[1], float(sys.argv[2]), sys.argv[3], sys.argv[5:]
libc = ctypes.CDLL(None)
ending, connected, services = threading.Event(), threading.Event(), []


def die_with_parent():
    libc.prctl(1, signal.SIGKILL, 0, 0, 0)


def changed(state):
    connected.set() if state == KazooState.CONNECTED else connected.clear()
    if state != KazooState.CONNECTED:
        kill()


def kill():
    for service in list(services):
        service.kill()


def lead():
    if connected.is_set() and not ending.is_set():
        service = subprocess.Popen(command, preexec_fn=die_with_parent)
        services.append(service)
        if not connected.is_set() or ending.is_set():
            service.kill()
        service.wait()
        services.remove(service)


def end(*_):
    ending.set()
    kill()


signal.signal(signal.SIGTERM, end)
client = KazooClient(hosts, timeout=timeout, connection_retry=dict(max_tries=-1, delay=0.1, max_delay=1))
client.add_listener(changed)
client.start(timeout=60)
while not ending.is_set():
    connected.wait()
    try:
        client.Election("/election", name).run(lead)
    except KazooException:
        pass
client.stop()

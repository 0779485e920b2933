"""An agent of a few lines on kazoo's Election, as its documentation has it.

    python -m bench.election HOSTS TIMEOUT NAME -- COMMAND
"""

import subprocess
import sys

from kazoo.client import KazooClient

hosts, timeout, name, command = sys.argv[1], float(sys.argv[2]), sys.argv[3], sys.argv[5:]
client = KazooClient(hosts, timeout=timeout)
client.start(timeout=60)
election = client.Election("/election", name)
while True:
    election.run(lambda: subprocess.Popen(command).wait())

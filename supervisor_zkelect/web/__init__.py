"""`zkelect http`: what load balancers, monitors and browsers are told. A process of its own, which only reads.

The path of a request:

1. `server.py` has the connection (`connections.py`) and parses the request: on the loop, as all that names no other thread.
2. `site.py` finds its route. `/primary` and `/live` are answered at once.
3. `admission.py` asks for a password, but not for probes; it is derived on the thread of passwords.
4. `fresh.py` waits for what is to be fresh: `report.py` asks supervisord on a thread,
   `picture.py` ZooKeeper on one more.
5. `here.py` is the node: the record is read by `witness.py` and judged by `verdict.py`, on the loop at that moment; report and
   picture are what was told last.
6. Metrics and large documents (`encoder.py`) are made on the thread of answers.
7. `server.py` sends, and reads the clock once more before a 200 of `/primary`; `streams.py` goes on sending.
"""

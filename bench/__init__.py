"""This plugin and its peers, measured side by side on one machine: script/bench --help.

faults.py       what befalls a node, and what is measured of it
measure.py      one run, and what a node's processes need
stage.py        namespaces, a coordinator, and the steps that all peers share
ours.py         the plugin
peers.py        kazoo's Election, a careful script, etcdctl lock, keepalived
election.py, careful.py     the agents of the first two, which run on the nodes
floors.py       what supervisord and the chain loader need by themselves
results.py      what was measured: statistics, the table, JSON
report.py       docs/bench.md from a file of results; pictures.py its pictures

scale.py        how the plugin scales; candidates.py, elections.py, programs.py its parts, counters.py what ZooKeeper
                counts, sums.py the sums for many nodes
"""

"""For tests and bench: nodes and ZooKeepers that can be frozen, cut off, put behind TLS. Not installed; the demo is without it."""

"""For tests and bench, not installed: nodes and ZooKeepers that can be frozen, cut off and put behind TLS."""

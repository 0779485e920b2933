"""One ZooKeeper session, and the election recipe by its parts; `supervisor_zkelect.elector` is its public face."""

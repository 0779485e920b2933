"""The guard: a process that ends a term in time when the listener cannot, and the record that both share."""

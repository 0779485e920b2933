"""Questions and orders of operators, from `zkelect` and from supervisorctl."""

"""`zkelect run`: the chain loader in front of a group's programs."""

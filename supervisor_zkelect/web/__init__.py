"""`zkelect http`: what load balancers, monitors and browsers are told. A process of its own, which only reads."""

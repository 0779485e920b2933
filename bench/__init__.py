"""Measurements: side by side with the peers (`python -m bench`), and how it scales (`python -m bench.scale`)."""

"""The page of the cluster in a browser."""

"""Is the process alive, are its stores, what does each hold: /healthz, /readyz, /version, /metrics, the first page."""

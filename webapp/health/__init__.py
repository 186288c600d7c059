"""Is the process alive, are its stores, and what does each of them hold: /healthz, /readyz, /version, /metrics and the first page."""

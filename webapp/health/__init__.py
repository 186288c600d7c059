"""Is the process alive, are its stores, and what each of them holds: /healthz, /readyz, /version, /metrics, the first page."""

"""Many accounts at once: read from files and tables, written to all shards, and written out again. No Django."""

"""Sessions in Redis, as JSON, under keys that are no cookies."""

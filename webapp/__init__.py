"""Hydra's web application: relational data in MySQL, accounts in SimpleDB, sessions and counters in Redis."""

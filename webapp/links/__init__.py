"""Short links: kept in MySQL, followed and counted in Redis, rolled up into MySQL every minute."""

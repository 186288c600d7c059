"""Accounts: who may sign in. The truth is in SimpleDB; MySQL has one small row for each user seen here."""

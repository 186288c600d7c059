"""Accounts and links for clients that are no browsers: JSON under /api/v1/, opened by tokens that can be revoked."""

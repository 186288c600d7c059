"""Runs Django's own tests over our session engine and our backend; no part of this project's tests."""

"""Measures the session engine beside others."""

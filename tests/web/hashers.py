"""A hasher that counts its runs."""

from typing import ClassVar

from django.contrib.auth.hashers import Argon2PasswordHasher


class CountingHasher(Argon2PasswordHasher):
    """Argon2, made cheap, with every run noted."""

    time_cost = 1
    memory_cost = 8
    parallelism = 1
    runs: ClassVar[list[str]] = []

    def encode(self, password, salt):
        self.runs.append("encode")
        return super().encode(password, salt)

    def verify(self, password, encoded):
        self.runs.append("verify")
        return super().verify(password, encoded)

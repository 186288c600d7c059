"""A hasher that counts its runs."""

import threading
from typing import ClassVar

from django.contrib.auth.hashers import Argon2PasswordHasher


class CountingHasher(Argon2PasswordHasher):
    """Argon2, made cheap, with every run noted."""

    time_cost = 1
    memory_cost = 8
    parallelism = 1
    runs: ClassVar[list[threading.Thread]] = []  # the thread of each run

    def encode(self, password, salt):
        self.runs.append(threading.current_thread())
        return super().encode(password, salt)

    def verify(self, password, encoded):
        self.runs.append(threading.current_thread())
        return super().verify(password, encoded)

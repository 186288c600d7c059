"""Argon2 as Django has it, few runs at a time: each takes 100 MiB for as long as it lasts."""

from threading import BoundedSemaphore

from django.contrib.auth.hashers import Argon2PasswordHasher

# Of one process. A run keeps all cores busy by itself, so more at once are none the quicker; but many who sign in at
# the same moment would take more memory than hydra-web may have, and the kernel would kill what answers them.
TURNS = BoundedSemaphore(2)


class PatientArgon2(Argon2PasswordHasher):
    """The same hashes; whoever comes while others are at it waits."""

    def encode(self, password, salt):
        """The hash of a password."""
        with TURNS:
            return super().encode(password, salt)

    def verify(self, password, encoded):
        """Whether it is of this password."""
        with TURNS:
            return super().verify(password, encoded)

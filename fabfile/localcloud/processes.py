"""Drivers for a machine that cannot hold hosts: databases as plain processes, and no machines or volumes at all."""

from .drivers import Drivers, Unsupported

SENTENCE = "this local cloud runs without machines"


class Network:
    """No network of its own: everything is on this machine's loopback."""

    gateway = ""

    def up(self):
        return "10.213.0.0/16"  # for the records of the default VPC only

    def guard(self, guards):
        raise Unsupported(SENTENCE)

    def down(self):
        pass


class Nothing:
    """What is not there: every call raises Unsupported."""

    def __getattr__(self, name):
        def unsupported(*arguments, **options):
            raise Unsupported(SENTENCE)

        return unsupported


def drivers(place):
    """The set for `place`."""
    from .databases import ProcessDatabases

    return Drivers("processes", Network(), Nothing(), Nothing(), ProcessDatabases(place))

"""The version of this package, and of nothing else: the service has its own."""

__version__ = "0.1.0"

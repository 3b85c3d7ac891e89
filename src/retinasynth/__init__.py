"""Labelled synthetic retinas, with the evidence that they are good enough."""

__version__ = "0.1.0"

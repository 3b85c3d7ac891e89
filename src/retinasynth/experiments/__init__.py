"""Whole ways through the system: the demonstration."""

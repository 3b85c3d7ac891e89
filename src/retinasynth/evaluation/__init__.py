"""Measuring generated photographs."""

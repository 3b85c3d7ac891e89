"""Whole ways through the system: the demonstration; many runs compared; settings searched; speed."""

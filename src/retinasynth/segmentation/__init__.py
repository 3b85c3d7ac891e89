"""From a photograph to label planes."""

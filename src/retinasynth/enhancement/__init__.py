"""From a degraded photograph to a better one."""

"""Plain words that the reports of all studies share."""

from collections.abc import Sequence


def capital(text: str) -> str:
    """A text that begins a line."""
    return text[0].upper() + text[1:]


def counted(count: int, what: str) -> str:
    """A number of things.

    Example:
        >>> counted(1, "eye"), counted(5, "eye"), counted(0, "eye")
        ('1 eye', '5 eyes', 'no eyes')
    """
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"


def listed(words: Sequence[str]) -> str:
    """Words in a sentence.

    Example:
        >>> listed(["1", "5", "20"])
        '1, 5 and 20'
    """
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last

"""Damage to bytes, texts and values, by what goes wrong in the world and by what an attacker would try."""

import copy
import json
import struct
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

Random = np.random.Generator
Item = TypeVar("Item")


def pick(random: Random, items: Sequence[Item]) -> Item:
    return items[int(random.integers(len(items)))]


# --- Bytes -------------------------------------------------------------------------------------------------------

INTEGERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 20_000, 100_000, 2**24, 2**31 - 1, 2**31, 2**32 - 1)


def flip(data: bytes, random: Random, most: int = 8, within: int | None = None) -> bytes:
    """Up to so many bits turned over, in the first bytes alone where `within` says so."""
    changed = bytearray(data)
    reach = min(len(changed), within or len(changed))
    for _ in range(int(random.integers(1, most + 1)) if reach else 0):
        changed[int(random.integers(reach))] ^= 1 << int(random.integers(8))
    return bytes(changed)


def with_number(data: bytes, place: int, form: str, number: int) -> bytes:
    """The bytes with a number of that `struct` format at a place, as much of it as fits."""
    size = struct.calcsize(form)
    packed = (number % 2 ** (8 * size)).to_bytes(size, "big" if form.startswith(">") else "little")
    return data[:place] + packed + data[place + size :]


def _odd_number(data: bytes, random: Random, _: bytes) -> bytes:
    form = pick(random, ("<I", ">I", "<H", ">H", "<Q"))
    place = int(random.integers(max(1, min(len(data), pick(random, (32, 128, 10**9))) - 8)))
    return with_number(data, place, form, pick(random, INTEGERS))


def _piece(data: bytes, random: Random) -> tuple[int, int]:
    start = int(random.integers(len(data) + 1))
    return start, min(len(data), start + int(random.integers(1, max(2, len(data) // 4))))


def _overwrite(data: bytes, random: Random, _: bytes) -> bytes:
    start, end = _piece(data, random)
    filling = pick(random, (b"\0" * (end - start), b"\xff" * (end - start), random.bytes(end - start)))
    return data[:start] + filling + data[end:]


def _repeat(data: bytes, random: Random, _: bytes) -> bytes:
    start, end = _piece(data, random)
    return data[:end] + data[start:end] * int(random.integers(1, 50)) + data[end:]


def _remove(data: bytes, random: Random, _: bytes) -> bytes:
    start, end = _piece(data, random)
    return data[:start] + data[end:]


def _splice(data: bytes, random: Random, other: bytes) -> bytes:
    return data[: int(random.integers(len(data) + 1))] + other[int(random.integers(len(other) + 1)) :]


_BYTES: tuple[Callable[[bytes, Random, bytes], bytes], ...] = (
    lambda data, random, _: flip(data, random),
    lambda data, random, _: flip(data, random, most=3, within=64),
    lambda data, random, _: flip(data, random, most=200),
    lambda data, random, _: data[: int(random.integers(len(data) + 1))],
    lambda data, random, _: data[: max(0, len(data) - int(random.integers(1, 20)))],
    lambda data, random, _: data + random.bytes(int(random.integers(1, 2000))),
    lambda data, random, _: random.bytes(int(random.integers(0, 200))) + data,
    lambda data, random, other: pick(random, (b"", b"\0" * len(data), other, random.bytes(len(data)))),
    _odd_number,
    _odd_number,
    _overwrite,
    _repeat,
    _remove,
    _splice,
)


def damaged(data: bytes, random: Random, other: bytes = b"") -> bytes:
    """The bytes of a file, damaged; `other` are those of another file that gets mixed in."""
    return pick(random, _BYTES)(data, random, other)


# --- Values ------------------------------------------------------------------------------------------------------


def nested(depth: int) -> list[Any]:
    inside: list[Any] = []
    for _ in range(depth):
        inside = [inside]
    return inside


VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 3, 7, 16, 31, 10**4, 10**6, 10**9, 10**12, 2**31, 2**63, 2**64, 10**40),
    *(1.5, -0.0, 1e-300, 1e300, float("nan"), float("inf"), float("-inf")),
    *("", " ", "1", "-1", "1e9", "nan", "x", "x" * 50_000, "\0", "a\nb", "\ud800", "é", "[red]", "b[/c]", "=1+1"),
    *("..", "../../etc/passwd", "/etc/passwd", "/dev/zero", "/", "~", "vessels", "train", "styled", "__class__"),
    *([], [[]], [None], [1, 2, 3], [-1], ["x"], [1e308] * 300, {}, {"a": 1}, {"": None}, nested(200)),
)
NUMBERS = tuple(value for value in VALUES if isinstance(value, int | float) and not isinstance(value, bool))


def _places(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value inside a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [above, *(place for key, below in inside for place in _places(below, (*above, key)))]


def hostile(value: Any, random: Random) -> Any:
    """A value of JSON with one to three things in it that do not belong there."""
    changed = copy.deepcopy(value)
    for _ in range(int(random.integers(1, 4)) if random.random() < 0.3 else 1):
        places = _places(changed)[1:]
        if not places or random.random() < 0.03:
            return pick(random, VALUES)
        *way, key = pick(random, places)
        holder = changed
        for step in way:
            holder = holder[step]
        _spoil(holder, key, random)
    return changed


def _spoil(holder: Any, key: Any, random: Random) -> None:
    before = holder[key]
    is_number = isinstance(before, int | float) and not isinstance(before, bool)
    what = int(random.integers(6))
    if what == 0:
        del holder[key]
    elif what == 1 and isinstance(holder, dict):
        holder[pick(random, ("", "unknown", str(key).upper(), "\ud800", "x" * 5000))] = holder.pop(key)
    elif what == 2 and isinstance(holder, list):
        holder += [before] * pick(random, (1, 3, 1000))
    elif what == 3:
        holder[key] = pick(random, ([before], {"a": before}, str(before), json.dumps(before)))
    else:
        holder[key] = pick(random, NUMBERS if is_number and random.random() < 0.6 else VALUES)


# --- Texts -------------------------------------------------------------------------------------------------------

DEEP = 100_000
JSON_TEXTS = (
    *("", " ", "null", "0", '"x"', "[]", "{}", "[" * DEEP, '{"a":' * DEEP, "[" * DEEP + "]" * DEEP, "9" * 6000),
    *('{"a": NaN}', "[1e9999]", "\ufeff{}", '{"a": 1, "a": 2}', "{} {}", "// {}", '"\\ud800"', "-", "{'a': 1}"),
)


def json_text(value: Any, random: Random) -> bytes:
    """A JSON file of a value, spoilt in what it says or in how it is written."""
    if random.random() < 0.55:
        return json.dumps(hostile(value, random)).encode("utf-8", "surrogatepass")
    whole = json.dumps(value, indent=2)
    if random.random() < 0.25:
        return pick(random, JSON_TEXTS).encode()
    return damaged_text(whole, random) if random.random() < 0.6 else damaged(whole.encode(), random)


def damaged_text(text: str, random: Random) -> bytes:
    """A text as editors, spreadsheets and broken copies leave it."""
    lines = text.splitlines(keepends=True) or [""]
    at = int(random.integers(len(lines)))
    what = int(random.integers(14))
    if what == 0:
        del lines[at]
    elif what == 1:
        lines.insert(at, lines[int(random.integers(len(lines)))])
    elif what == 2:
        lines[at] = lines[at][: int(random.integers(len(lines[at]) + 1))]
    elif what == 3:
        lines[at] = lines[at][: int(random.integers(len(lines[at]) + 1))] + "\n"
    elif what == 4:
        lines.insert(
            at, pick(random, ("\n", "   \n", "\r\n", "\0\n", "null\n", "[]\n", "{}\n", "garbage\n", "{\n", ",\n"))
        )
    elif what == 5:
        other = int(random.integers(len(lines)))
        lines[at], lines[other] = lines[other], lines[at]
    elif what == 6:
        lines[at] = lines[at].rstrip("\n") + pick(random, ("}", "]", ",", '"', ":", "\0", "\t", "x" * 200_000)) + "\n"
    elif what == 7:
        lines[at] = _with_word(lines[at], random)
    elif what == 8:
        lines.append(lines[at].rstrip("\n"))
    else:
        return _encoded_oddly("".join(lines), random)
    return "".join(lines).encode("utf-8", "surrogatepass")


def _with_word(line: str, random: Random) -> str:
    words = line.replace(",", " ").replace(":", " ").split() or [""]
    return line.replace(pick(random, words), str(pick(random, VALUES)), 1) if line.strip() else "x\n"


def _encoded_oddly(text: str, random: Random) -> bytes:
    ways: tuple[Callable[[str], bytes], ...] = (
        lambda whole: ("é" + whole).encode("latin-1", "replace"),
        lambda whole: whole.encode("utf-16", "surrogatepass"),
        lambda whole: b"\xef\xbb\xbf" + whole.encode("utf-8", "surrogatepass"),
        lambda whole: whole.replace("\n", "\r").encode("utf-8", "surrogatepass"),
        lambda whole: whole.replace("\n", "\r\n").encode("utf-8", "surrogatepass"),
        lambda whole: whole.rstrip("\n").encode("utf-8", "surrogatepass"),
        lambda whole: damaged(whole.encode("utf-8", "surrogatepass"), random),
        lambda whole: b"\0" * int(random.integers(1, 5000)) + whole.encode("utf-8", "surrogatepass"),
    )
    return pick(random, ways)(text)

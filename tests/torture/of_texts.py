"""Mutated tables, settings and requests."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from retinasynth.errors import RetinasynthError
from torture.material import EYES, Kind, NonsenseError, copied, tried
from torture.mutate import NUMBERS, VALUES, Random, damaged_text, hostile, json_text, pick

# --- Tables ------------------------------------------------------------------------------------------------------


def _table(rows: list[list[str]], random: Random) -> bytes:
    """A CSV file with cells that nobody expects, or spoilt as a text."""
    if random.random() < 0.5:
        for _ in range(int(random.integers(1, 4))):
            row = pick(random, rows)
            row[int(random.integers(len(row)))] = str(pick(random, VALUES))
        if random.random() < 0.3:
            rows.append(list(pick(random, rows)))
        if random.random() < 0.2:
            rows.append(pick(random, ([], [""], ["a"], ["x"] * 5000, ["eye_1"] * 2)))
    text = io.StringIO()
    csv.writer(text, delimiter=pick(random, (",", ",", ",", ";", "\t"))).writerows(rows)
    whole = text.getvalue()
    return whole.encode("utf-8", "surrogatepass") if random.random() < 0.5 else damaged_text(whole, random)


def _make_subjects(base: Path, into: Path, random: Random) -> None:
    copied(base / "pairs", into / "set")
    rows = [["image", "subject", "eye", "split", "transformation"]]
    rows += [[f"eye_{n}", f"person {n // 2}", f"e{n}", "train" if n < 4 else "test", ""] for n in range(EYES)]
    (into / "set" / "subjects.csv").write_bytes(_table(rows, random))


def _make_grades(base: Path, into: Path, random: Random) -> None:
    copied(base / "pairs", into / "set")
    rows = [["Image name", "Retinopathy grade"], *([f"eye_{n}", str(n % 5)] for n in range(EYES))]
    (into / "set" / pick(random, ("grades.csv", "train.csv", "a. test.csv"))).write_bytes(_table(rows, random))


def _read_eyes(_: Path, into: Path) -> bool:
    from retinasynth.data.find import find_eyes

    found = tried(lambda: find_eyes(into / "set"))
    if found is None:
        return False
    if [files.name for files in found.eyes] != [f"eye_{number}" for number in range(EYES)]:
        raise NonsenseError(f"the set has {EYES} eyes, found are {[files.name for files in found.eyes]}")
    sides = [{files.subject for files in found.split(side)} for side in ("train", "test")]
    if sides[0] & sides[1]:
        raise NonsenseError(f"a person is on both sides: {sides[0] & sides[1]}")
    if any(files.grade not in (None, 0, 1, 2, 3, 4) for files in found.eyes):
        raise NonsenseError("an eye has an impossible grade")
    return True


# --- YAML --------------------------------------------------------------------------------------------------------

_BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
_YAML_TEXTS = (
    *(_BOMB, "a: &a [*a]", "&a {b: *a}", "x: &x {<<: *x}", "a: *nothing", "!!python/object/apply:os.system ['true']"),
    *("? [a, b]\n: c", "? {a: b}\n: c", "a: !!binary 99", "a: !!timestamp x", "a: 2024-99-99", "a: !!set {b, c}"),
    *(
        "[" * 20_000,
        "{a: " * 20_000,
        "- " * 20_000,
        "a:\n" + "  b:\n" * 500,
        "a: b: c",
        "\ta: 1",
        "--- a\n--- b",
        "%YAML 9.9",
    ),
    *(
        "1: 2",
        "null: 1",
        "true: 1",
        ".inf: 1",
        "a: 0b11",
        "a: 1_000",
        "a: 190:20:30",
        "a: '\\ud800'",
        'a: "\\ud800"',
        "~",
        "",
    ),
    *(
        "a: " + "9" * 6000,
        "a: |\n  x",
        "{}",
        "[]",
        "x",
        "\0",
        "\x85",
        "preset: [source]",
        "preset: {}",
        "preset: \nrows: 3",
    ),
)


def _yaml_text(value: object, random: Random) -> bytes:
    what = random.random()
    if what < 0.15:
        text = pick(random, _YAML_TEXTS)
        under = pick(random, ("", "", "data:\n  size_px: ", "rows:\n"))
        return (under + text.replace("\n", "\n  ") if under else text).encode()
    if what < 0.65:
        spoilt = hostile(value, random)
        return yaml.safe_dump(spoilt, sort_keys=False, allow_unicode=True).encode("utf-8", "surrogatepass")
    return damaged_text(yaml.safe_dump(value, sort_keys=False), random)


def _kinds_of_settings() -> tuple:
    from retinasynth.enhancement.settings import EnhancerSettings
    from retinasynth.pix2pix.settings import Settings
    from retinasynth.segmentation.settings import SegmenterSettings

    return Settings, SegmenterSettings, EnhancerSettings


def _make_settings(_: Path, into: Path, random: Random) -> None:
    number = int(random.integers(3))
    kind = _kinds_of_settings()[number]
    value = yaml.safe_load(kind.from_preset(pick(random, list(kind.presets))).to_yaml())
    (into / f"{number}.yaml").write_bytes(_yaml_text(value, random))


def _read_settings(_: Path, into: Path) -> bool:
    file = next(into.glob("?.yaml"))
    kind = _kinds_of_settings()[int(file.stem)]
    settings = tried(lambda: kind.from_yaml(file))
    if settings is None:
        return False
    (into / "again.yaml").write_text(settings.to_yaml(), encoding="utf-8")
    if kind.from_yaml(into / "again.yaml") != settings:
        raise NonsenseError("settings are written otherwise than they are read")
    return True


def _make_table(_: Path, into: Path, random: Random) -> None:
    from retinasynth.studies.table import SOURCE

    (into / "table.yaml").write_bytes(_yaml_text(yaml.safe_load(SOURCE.to_yaml()), random))


def _read_table(_: Path, into: Path) -> bool:
    from retinasynth.studies.table import Table

    return tried(lambda: Table.named(into / "table.yaml").settings()) is not None


def _make_space(_: Path, into: Path, random: Random) -> None:
    from retinasynth.studies.space import SPACE

    value = {name: json.loads(search.model_dump_json(exclude_defaults=True)) for name, search in SPACE.items()}
    (into / "space.yaml").write_bytes(_yaml_text(value, random))


def _read_space(_: Path, into: Path) -> bool:
    from retinasynth.pix2pix.settings import Settings
    from retinasynth.studies.space import read_space, searched

    return tried(lambda: searched(Settings(), read_space(into / "space.yaml"), [])) is not None


# --- Requests ----------------------------------------------------------------------------------------------------


def _make_override(_: Path, into: Path, random: Random) -> None:
    from retinasynth.anatomy.physiology import Anatomy
    from retinasynth.settings import flat

    kind = _kinds_of_settings()[number := int(random.integers(4)) % 3]
    names = [*flat(kind.from_preset(next(iter(kind.presets))))] if random.random() < 0.7 else [*Anatomy.model_fields]
    texts = []
    for _ in range(int(random.integers(1, 4))):
        value = str(pick(random, NUMBERS if random.random() < 0.5 else VALUES))
        name = pick(random, names) if random.random() < 0.9 else str(pick(random, VALUES))
        texts.append(f"{name}{pick(random, ('=', '=', '=', '==', '', ' = '))}{value}")
    (into / "request.json").write_text(json.dumps([number, texts]))


def _read_override(_: Path, into: Path) -> bool:
    from retinasynth.anatomy.grow import anatomy_of
    from retinasynth.cli.generate import parse_knobs, parse_size
    from retinasynth.cli.shell import assignments

    number, texts = json.loads((into / "request.json").read_text())
    kind = _kinds_of_settings()[number]
    acts: Sequence[Callable[[], object]] = (
        lambda: kind.from_preset(next(iter(kind.presets))).with_overrides(texts),
        lambda: anatomy_of(1, "adult", dict(assignments(texts))),
        lambda: parse_knobs(texts),
        lambda: parse_size(texts[0]),
    )
    return sum(tried(act) is not None for act in acts) > 0


_SEEDS = ("1", 1.5, None, -1, True, 2**32, 2**70, float("nan"), [], "x")
_SIZES = ("model", "mask", 0, 1, -1, 15, 16, 17, 1.5, "64", None, 10**6, 10**9, 2**40, float("nan"), True, "x", [])
_KNOBS = (
    {"x": 1},
    {"brightness": 10**9},
    {"brightness": float("nan")},
    {"brightness": "1"},
    {"": 0},
    {"contrast": None},
)
_STYLES = ("x", "", "/etc/passwd", "/", "expected", "sampled", None, 3, "\0", "x" * 5000)


def _make_argument(_: Path, into: Path, random: Random) -> None:
    called = pick(random, ("grow", "grow", "generate", "generate", "measure", "segment", "enhance"))
    chosen = {"seed": 1, "size": 64, "style": None, "knobs": {}, "preset": "adult"}
    name = pick(random, list(chosen))
    odd = {"seed": _SEEDS, "size": _SIZES, "knobs": _KNOBS, "style": _STYLES, "preset": _STYLES}[name]
    array = [pick(random, ("uint8", "float32", "bool", "int64", "complex64", "U1")), pick(random, range(8))]
    (into / "request.json").write_text(json.dumps([called, {**chosen, name: pick(random, odd)}, array]))


def _read_argument(base: Path, into: Path) -> bool:
    import numpy as np

    import retinasynth as rs
    from retinasynth.enhancement.use import Enhancer

    called, chosen, (dtype, number) = json.loads((into / "request.json").read_text())
    shapes = ((0, 0), (64, 64), (64, 64, 3), (64, 64, 4), (3, 64, 64), (1, 1), (200, 200, 3), (64,))
    array = np.ones(shapes[number], dtype)
    seed, size = chosen["seed"], chosen["size"]
    wishes = {"size": size, "style": chosen["style"], "knobs": chosen["knobs"]}
    acts: dict[str, Callable[[], object]] = {
        "grow": lambda: rs.grow(seed, size, people=chosen["preset"]),
        "generate": lambda: rs.load(base / "styled").generate(rs.grow(1, 64), seed=seed, **wishes),
        "measure": lambda: rs.measure(array),
        "segment": lambda: rs.segment(array, models=[base / "vessels"]),
        "enhance": lambda: Enhancer.load(base / "enhancer").enhance(array, seed),
    }
    return tried(acts[called]) is not None


# --- The command line --------------------------------------------------------------------------------------------

_PLACES = (
    "eyes[new]",
    "b[/c]",
    "[bold]x",
    "a\nb",
    "x" * 300,
    " ",
    "-x",
    "é\u202e",
    "new.png",
    "new.txt",
    "=1+1",
    "eyes/x\0y",
)
_COMMANDS = (
    "settings --preset P --set S",
    "settings --set S --yaml",
    "grow --out O --size N --seed N --workers 1",
    "grow --out O --size 64 --anatomy S --people P --style P",
    "generate --model styled --masks eyes/test/vessels --out O --size N --seed N --style P",
    "generate --model plain --masks F --out O",
    "generate --model M --count 1 --out O --anatomy S --workers 1 --min-structure N",
    "generate --model plain --random 2 --data eyes --out O --seed N",
    "generate --model styled --masks eyes --out O --knob S",
    "measure F --out O",
    "overlay F --out O --opacity N",
    "data inspect F",
    "data prepare F --out O --size N --seed N",
    "data nnunet F --out O --planes P",
    "segment predict photos/train/images --model M --out O",
    "segment label --data photos --out O --model M --size N",
    "enhance apply F --model M --out O --scale N",
    "train --data F --out O --preset P --set S",
    "export --model M --out O",
    "ablate --table F --data F --out O",
)
_FILES = ("eyes", "pairs", "chase", "plain", "photos", "pairs/masks/eye_1.png", "nothing", "phantom", "enhanced")
_MODELS = ("plain", "styled", "vessels", "disc", "enhancer", "fundus-512", "eyes", "nothing")
_WORDS = ("source", "adult", "x", "", "vessels", "vessels,x", "natural", "expected", "[red]", "-1", "é")


def _make_option(base: Path, into: Path, random: Random) -> None:
    words = []
    for word in pick(random, _COMMANDS).split():
        if word == "O":
            place = pick(random, _PLACES)
            words.append(f"{{into}}/{place}" if random.random() < 0.9 else pick(random, ("/dev/null/x", "/proc/x", "")))
        elif word in "FM" or (base / word.split("/")[0]).exists():
            words.append(f"{{base}}/{pick(random, {'F': _FILES, 'M': _MODELS}.get(word, (word,)))}")
        elif word == "N":
            words.append(str(pick(random, (-1, 0, 1, 2, 16, 64, 97, 1.5, "x", "", 10**9, 10**30, "nan", "inf", "1e3"))))
        elif word == "S":
            words.append(f"{pick(random, ('size_px', 'filters', 'x', '', 'brightness'))}={pick(random, VALUES)}")
        else:
            words.append(pick(random, _WORDS) if word == "P" else word)
    (into / "command.json").write_text(json.dumps(words))


def _read_option(base: Path, into: Path) -> bool:
    import sys
    from contextlib import redirect_stderr, redirect_stdout

    from retinasynth.cli import main, shell

    text = (into / "command.json").read_text().replace("\\ud800", "\\udcff")  # a byte that is not UTF-8
    words = [word.replace("{base}", str(base)).replace("{into}", str(into)) for word in json.loads(text)]
    if "\0" in "".join(words):  # no operating system hands one over
        return False
    screen, before = io.StringIO(), sys.argv
    shell.screen.file = screen
    sys.argv = ["retinasynth", *words]
    code: object = 0
    try:
        with redirect_stdout(screen), redirect_stderr(screen):
            main()
    except SystemExit as error:
        code = error.code
    finally:
        sys.argv = before
    if code not in (0, None, 1, 2):
        raise NonsenseError(f"exit code {code!r}")
    out = words[words.index("--out") + 1] if "--out" in words else ""
    said = screen.getvalue()
    name = out.removeprefix(str(into)).splitlines()[0] if out else ""
    if code in (0, None) and f"{into}/" in said and name not in said:
        raise NonsenseError(f"wrote {out!r} and said {said[-200:]!r}")
    return code in (0, None)


def _make_selection(base: Path, into: Path, random: Random) -> None:
    (into / "set").mkdir()
    eyes = [f"eye_{number}" for number in range(EYES)]
    value = {"of": str(base / "pairs"), "train": eyes[:4], "test": eyes[4:]}
    if random.random() < 0.3:
        value["of"] = pick(
            random, (".", "..", "../set", str(into / "set"), "/etc", "/", "", "/proc", "phantom", "x" * 5000)
        )
        content = json.dumps(value).encode()
    else:
        content = json_text(value, random)
    (into / "set" / "selection.json").write_bytes(content)


def _read_selection(_: Path, into: Path) -> bool:
    from retinasynth.data.find import find_eyes

    try:
        names = [files.name for files in find_eyes(into / "set").eyes]
    except RetinasynthError:
        return False
    if len(set(names)) < len(names):
        raise NonsenseError(f"an eye is selected twice: {names}")
    return True


KINDS = {
    "subjects": Kind(50, _make_subjects, _read_eyes),
    "grades": Kind(30, _make_grades, _read_eyes),
    "table": Kind(30, _make_table, _read_table),
    "space": Kind(15, _make_space, _read_space),
    "settings": Kind(60, _make_settings, _read_settings),
    "override": Kind(50, _make_override, _read_override),
    "argument": Kind(20, _make_argument, _read_argument),
    "option": Kind(30, _make_option, _read_option),
    "selection": Kind(10, _make_selection, _read_selection),
}

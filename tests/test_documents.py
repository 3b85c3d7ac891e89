import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retinasynth.documents import MOST_JSON_BYTES, MOST_LEVELS, MOST_YAML_BYTES, parse_json, read_json, read_yaml
from retinasynth.errors import ModelError, SettingError

Reader = Callable[..., dict[str, Any]]
READERS = pytest.mark.parametrize("read", [read_json, read_yaml])


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@READERS
def test_names_and_values_are_read_with_their_types(read: Reader, tmp_path: Path) -> None:
    content = '{"a": 1, "b": 1.5, "c": true, "d": null, "e": ["x", {"f": "Auge é"}]}'
    expected = {"a": 1, "b": 1.5, "c": True, "d": None, "e": ["x", {"f": "Auge é"}]}
    for bytes_before in (b"", b"\xef\xbb\xbf"):  # as Windows editors begin a file
        assert read(written(tmp_path / "file", bytes_before + content.encode()), ModelError, what="it") == expected


@READERS
def test_a_file_that_cannot_be_opened_is_the_error_asked_for(
    read: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for path, reason in [
        (tmp_path, "Is a directory"),
        (tmp_path / "missing", "No such file"),
        (tmp_path / "link", "No such file"),
        (Path("a\0b"), "null byte"),
    ]:
        with pytest.raises(ModelError, match=f"cannot be read as the notes .*{reason}.*Expected: notes.*Do this"):
            read(path, ModelError, what="the notes", expected="notes", do="Do this")

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(SettingError, match=r"file cannot be read as settings \(Permission denied\)"):
        read(tmp_path / "file", SettingError, what="settings")


@READERS
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xfe", "not UTF-8 text"),
        ("[1, 2]", "holds list"),
        ('"text"', "holds str"),
        ("null", "holds NoneType"),
        ("{", "line 1"),
        ('{"a": ' + "9" * 5000 + "}", "digits"),
        ('{"a": ' + "9" * 400 + "}", "a number of 1,329 bits"),
        ('{"a": !' + "x" * 50_000 + " 1}", "Expecting value|tags are refused"),
        ('{"a": &' + "x" * 50_000 + " 1}", "Expecting value|anchors and aliases are refused"),
        ("[" * 50_000, "nested too deeply"),
        ('{"a": ' * 10_000, "nested too deeply"),
        ('{"a": ' + "[" * MOST_LEVELS + "]" * MOST_LEVELS + "}", "nested too deeply"),
    ],
)
def test_what_is_no_file_of_names_and_values_is_refused_at_once(
    read: Reader, content: str | bytes, reason: str, tmp_path: Path
) -> None:
    begin = time.monotonic()
    with pytest.raises(SettingError, match=reason) as caught:
        read(written(tmp_path / "file", content), SettingError, what="settings")
    assert time.monotonic() - begin < 5
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


@READERS
def test_values_may_be_nested_as_deep_as_ours(read: Reader, tmp_path: Path) -> None:
    inside = MOST_LEVELS - 1
    text = '{"a": ' + "[" * inside + "]" * inside + "}"
    assert list(read(written(tmp_path / "file", text), SettingError, what="settings")) == ["a"]


def test_json_has_no_numbers_beyond_all_bounds() -> None:
    for text in ("NaN", "[Infinity]", '{"a": -Infinity}', "1e400", "9" * 5000 + ".0"):
        with pytest.raises(ValueError, match="is no finite number"):
            parse_json(text)
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json("[" * 50_000)
    assert parse_json("[1, 2.5]") == [1, 2.5]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a: &name 1", "anchors and aliases are refused: 'name'"),
        ("a: *name", "anchors and aliases are refused: 'name'"),
        ("a: &name [1]\nb: *name", "anchors and aliases are refused: 'name'"),
        ("a: &name\n  b: 1\n<<: *name", "anchors and aliases are refused: 'name'"),
        ("a: !!python/object/apply:os.system [ls]", "tags are refused"),
        ("a: !!timestamp x", "tags are refused"),
        ("a: !own {b: 1}", "tags are refused"),
        ("1: a", "a int for a name"),
        ("? [a]\n: 1", "unhashable"),
        ("a: 2024-99-99", "month"),
        ("a: =", "could not determine"),
        ("a: 0x" + "f" * 5000, "a number of 20,000 bits"),
        ("a: 1" + ":1" * 300 + ".5", "too large"),
        ("a: 1\n---\nb: 2", "single document"),
    ],
)
def test_yaml_is_names_and_plain_values_alone(content: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=reason):
        read_yaml(written(tmp_path / "file.yaml", content), SettingError, what="settings")


@pytest.mark.parametrize(("read", "most"), [(read_json, MOST_JSON_BYTES), (read_yaml, MOST_YAML_BYTES)])
def test_a_file_is_read_up_to_its_bound(read: Reader, most: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = '{"a": "' + "x" * (most - 9) + '"}'
    assert len(content) == most
    assert read(written(path, content), SettingError, what="settings")
    with pytest.raises(SettingError, match=f"larger than {most:,} bytes"):
        read(written(path, content + " "), SettingError, what="settings")
    with pytest.raises(SettingError, match="larger than 10 bytes"):
        read(written(path, '{"a": "bcdefgh"}'), SettingError, what="settings", most_bytes=10)
    with pytest.raises(SettingError, match=f"larger than {most:,} bytes"):
        read(Path("/dev/zero"), SettingError, what="settings")


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 10)
)


@pytest.mark.parametrize("content", [BOMB, "x: " + "[" * 90_000, "a: " + "1,\n" * 30_000])
def test_a_refusal_takes_neither_time_nor_memory(content: str, tmp_path: Path) -> None:
    path = written(tmp_path / "file.yaml", content)
    script = (
        "import sys\nfrom pathlib import Path\nfrom retinasynth.documents import read_yaml\n"
        "from retinasynth.errors import SettingError\n"
        "try:\n    read_yaml(Path(sys.argv[1]), SettingError, what='settings')\n"
        "except SettingError as error:\n    print(error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28)),
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "cannot be read as settings" in ran.stdout

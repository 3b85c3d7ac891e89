import contextlib
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from retinasynth.enhancement.settings import EnhancerSettings
from retinasynth.errors import SettingError
from retinasynth.generation.train import settings_of_preset
from retinasynth.pix2pix.model import Config
from retinasynth.pix2pix.settings import PRESETS, Settings
from retinasynth.segmentation.model import SegmenterConfig
from retinasynth.segmentation.settings import SegmenterSettings
from retinasynth.settings import descriptions, flat
from retinasynth.styled.model import Config as StyledConfig
from retinasynth.styled.settings import Settings as StyledSettings

# What the publication fixes; beta2, the seed and all that does not change a step are Adam's and ours.
PUBLISHED = {
    "data.size_px": 256,
    "data.resize": "stretch",
    "data.planes": "vessels",
    "data.mask_channels": 3,
    "data.appearance": "own",
    "data.flip": False,  # its 80 files are already flipped and rotated
    "data.rotation_deg": 0.0,
    "generator.architecture": "unet",
    "generator.filters": 64,
    "generator.depth": 8,
    "generator.dropout": 0.5,
    "discriminator.filters": 64,
    "discriminator.norm": "batch",
    "loss.adversarial_weight": 1.0,
    "loss.ssim_weight": 0.0,
    "loss.l1_weight": 100.0,
    "optimiser.learning_rate": 0.0002,
    "optimiser.beta1": 0.5,
    "optimiser.beta2": 0.999,
    "training.epochs": 40,
    "training.batch_size": 1,
    "training.initialisation": "normal",
    "training.ema_decay": 0.0,
    "training.devices": 1,
}


def from_yaml(folder: Path, text: str) -> Settings:
    path = folder / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return Settings.from_yaml(path)


def changed_names(one: Settings, other: Settings) -> list[str]:
    return [name for name, value in flat(one).items() if flat(other)[name] != value]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings")


# --- Presets ---


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_valid_and_comes_back_from_yaml(name: str, tmp_path: Path) -> None:
    preset = settings_of_preset(name)
    assert preset.preset == name
    assert from_yaml(tmp_path, preset.to_yaml()) == preset
    assert from_yaml(tmp_path, f"preset: {name}") == preset


def test_the_source_preset_is_the_published_system() -> None:
    values = flat(settings_of_preset("source"))
    assert {name: values[name] for name in PUBLISHED} == PUBLISHED
    assert Settings() == settings_of_preset("source")


def test_an_unknown_preset_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        SettingError,
        match=r"no preset 'sorce'; did you mean 'source'.*one of: source, lean, demo, fundus-512, few-shot,",
    ):
        settings_of_preset("sorce")


def test_an_unknown_preset_in_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no preset 'dmeo'; did you mean 'demo'"):
        from_yaml(tmp_path, "preset: dmeo")


def test_every_setting_is_described_where_its_name_does_not_do() -> None:
    assert descriptions(Settings).keys() == flat(Settings()).keys() - {"preset"}
    undescribed = {name for name, text in descriptions(Settings).items() if not text}
    assert undescribed == {
        "optimiser.learning_rate",
        "optimiser.beta1",
        "optimiser.beta2",
        "training.epochs",
        "training.seed",
        "training.log_every_steps",
    }


# --- Files ---


def test_a_file_changes_only_what_it_names(tmp_path: Path) -> None:
    changed = from_yaml(tmp_path, "preset: demo\ntraining:\n  epochs: 3\n")
    assert changed_names(changed, settings_of_preset("demo")) == ["training.epochs"]
    assert changed.training.epochs == 3
    assert changed_names(from_yaml(tmp_path, "loss: {l1_weight: 50}"), Settings()) == ["loss.l1_weight"]


@pytest.mark.parametrize("spelling", ["1e-4", "1E-4", "0.0001", "1.0e-4", "'1e-4'"])
def test_every_spelling_of_a_small_number_is_one(spelling: str, tmp_path: Path) -> None:
    # YAML 1.1 asks for a point and a sign: PyYAML reads 1e-4 as text.
    assert yaml.safe_load("1e-4") == "1e-4"
    chosen = from_yaml(tmp_path, f"optimiser: {{learning_rate: {spelling}}}").optimiser.learning_rate
    assert isinstance(chosen, float)
    assert chosen == 0.0001
    if not spelling.startswith("'"):
        by_override = Settings().with_overrides([f"learning_rate={spelling}"]).optimiser.learning_rate
        assert isinstance(by_override, float)
        assert by_override == 0.0001


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"settings\.yaml holds NoneType.*Expected: a YAML file of names and values"),
        ("- data\n- training", r"settings\.yaml holds list.*Expected: a YAML file of names and values"),
        ("source", r"settings\.yaml holds str"),
        ("data: [", r"settings\.yaml cannot be read as settings .*Expected: a YAML file"),
        ("data: 2024-99-99", r"settings\.yaml cannot be read as settings .*Expected: a YAML file"),
        ("data: 3", r"settings\.yaml: data is 3"),
        ("preset: [source]", r"There is no preset .*source"),
        ("data: {sizes_px: 64}", r"no setting 'data\.sizes_px'; did you mean 'data\.size_px'"),
        ("optimizer: {learning_rate: 1.0e-4}", r"no setting 'optimizer'; did you mean 'optimiser"),
        ("training: {epochs: 0}", r"training\.epochs is 0, but input should be greater than or equal to 1"),
        ("data: {size_px: 64.5}", r"data\.size_px is 64\.5"),
        ("loss: {l1_weight: .nan}", r"loss\.l1_weight is nan, but input should be a finite number"),
        (
            "discriminator: {norm: instance}",
            r"discriminator\.norm is 'instance', but input should be 'batch', 'spectral' or 'none'",
        ),
    ],
)
def test_a_wrong_file_is_refused_and_named(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=rf"(?s){says}"):
        from_yaml(tmp_path, text)


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"nowhere\.yaml cannot be read as settings"):
        Settings.from_yaml(tmp_path / "nowhere.yaml")
    (tmp_path / "picture.yaml").write_bytes(b"\x89PNG\r\n\xff\xff")
    with pytest.raises(SettingError, match=r"picture\.yaml cannot be read as settings"):
        Settings.from_yaml(tmp_path / "picture.yaml")


# Anything but control characters and the two Unicode line separators, which YAML folds.
texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])).map(str.strip)
plain_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "size_px", "training", "preset", "x"]) | st.integers(), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=60)
@given(plain_values)
def test_any_file_gives_settings_or_a_setting_error(scratch: Path, value: object) -> None:
    with contextlib.suppress(SettingError):
        made = from_yaml(scratch, yaml.safe_dump(value))
        assert from_yaml(scratch, made.to_yaml()) == made


BOMB = "data: {folder: &a [x, x, x, x, x, x, x, x, x], licence: [*a, *a, *a, *a, *a, *a, *a, *a, *a]}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BOMB, "anchors and aliases are refused"),
        ("data: !!python/name:os.system", "tags are refused"),
        ("[" * 50_000, "nested too deeply"),
        ("data: {folder: " + "[" * 100 + "]" * 100 + "}", "nested too deeply"),
        ("a: b\n" * 25_000, "larger than 100,000 bytes"),
        ("training: {epochs: 0x" + "f" * 50_000 + "}", "a number of 200,000 bits"),
        ("training: {epochs: " + "9" * 4000 + "}", "a number of"),
        ("training: {epochs: '" + "9" * 90_000 + "'}", r"epochs is '9+ \[\.\.\.\], but .*maximum size"),
        ("".join(f"a{number}: 1\n" for number in range(10_000)), "no setting 'a4'; and 9995 more"),
        ("preset: " + "x" * 90_000, r"no preset 'x+ \[\.\.\.\]"),
        ("? " + "x" * 90_000 + "\n: 1", r"no setting 'x+ \[\.\.\.\]"),
    ],
)
def test_a_hostile_file_is_refused_at_once_in_one_short_sentence(text: str, says: str, tmp_path: Path) -> None:
    begin = time.monotonic()
    with pytest.raises(SettingError, match=says) as caught:
        from_yaml(tmp_path, text)
    assert time.monotonic() - begin < 5
    assert len(str(caught.value)) < 1500


def leaves(kind: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Every setting of a kind of run by its full name."""
    for name, field in kind.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from ((f"{name}.{inside}", leaf) for inside, leaf in leaves(field.annotation))
        else:
            yield name, field


@pytest.mark.parametrize(
    "kind", [Settings, SegmenterSettings, EnhancerSettings, StyledSettings, Config, StyledConfig, SegmenterConfig]
)
def test_every_number_has_a_least_and_a_greatest_value(kind: type[BaseModel]) -> None:
    numbers = {name: leaf.metadata for name, leaf in leaves(kind) if leaf.annotation in (int, float)}
    numbers.pop("format_version", None)  # which is one number alone
    assert len(numbers) >= 3
    for name, bounds in numbers.items():
        ends = {end for bound in bounds for end in ("ge", "gt", "le", "lt") if getattr(bound, end, None) is not None}
        assert len(ends) == 2, name


# --- Overrides ---


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("epochs", r"`overrides` 'epochs' has no '='.*epochs=5"),
        ("=3", r"no setting ''"),
        ("filters=8", r"`overrides` filters is ambiguous.*generator\.filters, discriminator\.filters"),
        ("epoch=3", r"no setting 'epoch'; did you mean 'epochs'"),
        ("training.epoch=3", r"no setting 'training\.epoch'; did you mean 'training\.epochs'"),
        ("generator=3", r"no setting 'generator'"),
        ("preset=demo", r"no setting 'preset'"),
        ("learning_rate=-0.1", r"optimiser\.learning_rate is '-0\.1', but input should be greater than 0"),
        ("learning_rate=0", r"optimiser\.learning_rate is '0', but input should be greater than 0"),
        ("learning_rate=nan", r"optimiser\.learning_rate is 'nan', but input should be a finite number"),
        ("learning_rate=", r"optimiser\.learning_rate is ''.*valid number"),
        ("l1_weight=inf", r"loss\.l1_weight is 'inf', but input should be a finite number"),
        ("beta1=1", r"optimiser\.beta1 is '1', but input should be less than 1"),
        ("epochs=1000000001", r"training\.epochs is 1000000001, but input should be less than or equal to 1000000000"),
        ("epochs=" + "9" * 5000, r"training\.epochs is '9+ \[\.\.\.\], but .*maximum size"),
        ("l1_weight=1e7", r"loss\.l1_weight is '1e7', but input should be less than or equal to 1000000"),
        ("x" * 90_000, r"`overrides` 'x+ \[\.\.\.\] has no '='"),
        ("x" * 90_000 + "=1", r"no setting 'x+ \[\.\.\.\]"),
        ("epochs=2.5", r"training\.epochs is '2\.5'"),
        ("epochs=many", r"training\.epochs is 'many'"),
        ("epochs=[3", r"training\.epochs is '\[3'"),
        ("mask_channels=2", r"data\.mask_channels is 2, but input should be 1 or 3"),
        ("precision=fp8", r"training\.precision is 'fp8', but input should be 'auto', 'fp32', 'bf16' or 'fp16'"),
        ("flip=perhaps", r"data\.flip is 'perhaps'"),
        ("size_px=300", r"size_px is 300.* multiple of 256; nearest: 256"),
        ("size_px=400", r"size_px is 400.* multiple of 256; nearest: 512"),
        ("size_px=20", r"size_px is 20.* multiple of 256; nearest: 256"),
        (
            "depth=9",
            r"size_px is 256, but generator\.depth 9 halves it 9 times and needs a multiple of 512; nearest: 512",
        ),
    ],
)
def test_a_wrong_override_is_refused_and_explained(override: str, says: str) -> None:
    with pytest.raises(SettingError, match=says):
        Settings().with_overrides([override])


def test_a_size_below_what_the_discriminator_takes_is_refused() -> None:
    with pytest.raises(SettingError, match=r"size_px is 16, but the discriminator needs at least 32"):
        Settings().with_overrides(["size_px=16", "depth=4"])
    assert Settings().with_overrides(["size_px=32", "depth=5"]).data.size_px == 32


def test_the_nearest_size_that_an_error_names_is_valid() -> None:
    for size in (17, 100, 129, 300, 700, 1000):
        for depth in (5, 7, 8):
            overrides = [f"size_px={size}", f"depth={depth}"]
            if size % 2**depth:
                with pytest.raises(SettingError) as caught:
                    Settings().with_overrides(overrides)
                nearest = int(caught.value.got.rpartition("nearest: ")[2])
                overrides[0] = f"size_px={nearest}"
                assert abs(nearest - size) <= max(2**depth / 2, 2**depth - size)
            assert Settings().with_overrides(overrides).data.size_px % 2**depth == 0


def test_overrides_apply_together_and_the_last_wins() -> None:
    chosen = Settings().with_overrides(["depth=5", "size_px=96", "epochs=3", " training.epochs = 4 "])
    assert changed_names(chosen, Settings()) == ["data.size_px", "generator.depth", "training.epochs"]
    assert (chosen.data.size_px, chosen.training.epochs) == (96, 4)
    assert Settings().with_overrides([]) == Settings()


def test_a_text_is_taken_as_it_stands() -> None:
    for text in ("/eyes/left: right #2", "123", "no", "null", "a=b", "[x", "", "1e-4"):
        assert Settings().with_overrides([f"folder={text}"]).data.folder == text


def test_a_licence_is_text_that_a_model_card_can_hold() -> None:
    with pytest.raises(SettingError, match=r"data\.licence is 'CC \\udcff'"):
        Settings().with_overrides(["licence=CC \udcff"])


def test_settings_cannot_be_changed_once_made() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().training.epochs = 3  # type: ignore[misc]


def numbers(least: float, most: float, *, open_below: bool = False, open_above: bool = False) -> st.SearchStrategy[Any]:
    return st.floats(least, most, exclude_min=open_below, exclude_max=open_above)


# One strategy for every setting, over its whole range (the others being the source's).
VALID: dict[str, st.SearchStrategy[Any]] = {
    "data.folder": texts,
    "data.size_px": st.integers(1, 16).map(lambda number: 256 * number),
    "data.resize": st.sampled_from(["stretch", "letterbox"]),
    "data.planes": st.sampled_from(["vessels", "disc"]),
    "data.mask_channels": st.sampled_from([1, 3]),
    "data.appearance": st.sampled_from(["own", "expected"]),
    "data.flip": st.booleans(),
    "data.rotation_deg": numbers(0, 180),
    "data.labels": texts,
    "data.licence": texts,
    "generator.architecture": st.sampled_from(["unet", "resize"]),
    "generator.filters": st.integers(1, 512),
    "generator.depth": st.integers(2, 8),
    "generator.dropout": numbers(0, 1, open_above=True),
    "discriminator.filters": st.integers(1, 512),
    "discriminator.norm": st.sampled_from(["batch", "none"]),
    "loss.adversarial_weight": numbers(0, 1e6),
    "loss.ssim_weight": numbers(0, 1e6),
    "loss.l1_weight": numbers(0, 1e6),
    "optimiser.learning_rate": numbers(0, 1, open_below=True),
    "optimiser.beta1": numbers(0, 1, open_above=True),
    "optimiser.beta2": numbers(0, 1, open_above=True),
    "training.epochs": st.integers(1, 10**9),
    "training.batch_size": st.integers(1, 4096),
    "training.initialisation": st.sampled_from(["normal", "glorot", "he"]),
    "training.seed": st.integers(0, 2**32 - 1),
    "training.precision": st.sampled_from(["auto", "fp32", "bf16", "fp16"]),
    "training.ema_decay": numbers(0, 1, open_above=True),
    "training.devices": st.integers(1, 64),
    "training.log_every_steps": st.integers(1, 10**9),
    "training.sample_every_steps": st.integers(1, 10**9),
    "training.checkpoint_every_steps": st.integers(1, 10**9),
    "training.tensorboard": st.booleans(),
}
NOT_STYLED = {"data.resize", "data.mask_channels", "data.appearance", "generator.dropout"}
STYLED_VALID = {name: values for name, values in VALID.items() if name not in NOT_STYLED} | {
    "data.size_px": st.integers(2, 16).map(lambda number: 256 * number),
    "data.planes": st.just("vessels"),
    "generator.architecture": st.just("styled"),
    "data.plane_dropout": numbers(0, 1),
    "data.cup_variation": numbers(0, 1),
    "data.lesion_lending": numbers(0, 1),
    "discriminator.scales": st.integers(1, 3),
    "discriminator.crop_px": st.integers(32, 4096),
    "loss.feature_weight": numbers(0, 1e6),
    "loss.texture_weight": numbers(0, 1e6),
    "loss.lesion_weight": numbers(0, 1e6),
    "loss.cup_weight": numbers(0, 1e6),
    "loss.expected_share": numbers(0, 1),
    "training.start_from": st.just(""),
}
KINDS_AND_VALUES: list[tuple[type[Settings | StyledSettings], dict[str, st.SearchStrategy[Any]]]] = [
    (Settings, VALID),
    (StyledSettings, STYLED_VALID),
]
one_valid_override = st.sampled_from(KINDS_AND_VALUES).flatmap(
    lambda kind: st.sampled_from(sorted(kind[1])).flatmap(
        lambda name: kind[1][name].map(lambda value: (kind[0], name, value))
    )
)


@pytest.mark.parametrize(("kind", "values"), KINDS_AND_VALUES)
def test_every_setting_has_a_strategy(kind: type[Settings | StyledSettings], values: dict[str, Any]) -> None:
    assert values.keys() == flat(kind()).keys() - {"preset"}


@settings(deadline=None, max_examples=250)
@given(one_valid_override)
def test_any_valid_override_is_taken_exactly_and_comes_back_from_yaml(
    scratch: Path, one: tuple[type[Settings | StyledSettings], str, Any]
) -> None:
    kind, name, value = one
    chosen = kind().with_overrides([f"{name}={value}"])
    taken = flat(chosen)[name]
    assert (taken, type(taken)) == (value, type(value))
    assert set(changed_names(chosen, kind())) <= {name}
    (scratch / "settings.yaml").write_text(chosen.to_yaml(), encoding="utf-8")
    assert kind.from_yaml(scratch / "settings.yaml") == chosen
    if isinstance(value, float):
        assert math.isfinite(taken)

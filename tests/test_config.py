import pytest
from hypothesis import given
from hypothesis import strategies as st

from retinasynth.config import PRESETS, Settings, descriptions, flat
from retinasynth.errors import SettingError


def test_source_preset_is_the_published_system():
    published = {
        "data.size_px": 256,
        "data.mask_channels": 3,
        "data.flip": False,  # the 80 files are already rotated and flipped
        "data.rotation_deg": 0,
        "generator.filters": 64,
        "generator.depth": 8,
        "generator.dropout": 0.5,
        "discriminator.filters": 64,
        "discriminator.norm": "batch",
        "loss.l1_weight": 100,
        "optimiser.learning_rate": 0.0002,
        "optimiser.beta1": 0.5,
        "training.epochs": 40,
        "training.batch_size": 1,
        "training.initialisation": "normal",
        "training.ema_decay": 0,
    }
    assert flat(Settings.from_preset("source")).items() >= published.items()


@pytest.mark.parametrize("preset", list(PRESETS))
def test_presets_are_valid_and_survive_yaml(preset, tmp_path):
    settings = Settings.from_preset(preset)
    (tmp_path / "config.yaml").write_text(settings.to_yaml())
    assert Settings.from_yaml(tmp_path / "config.yaml") == settings


@given(
    name_and_value=st.one_of(
        st.tuples(st.just("optimiser.learning_rate"), st.floats(1e-9, 1)),
        st.tuples(st.just("training.epochs"), st.integers(1, 10**6)),
        st.tuples(st.just("generator.dropout"), st.floats(0, 0.99)),
        st.tuples(st.just("discriminator.norm"), st.sampled_from(["batch", "none"])),
        st.tuples(st.just("data.flip"), st.booleans()),
    )
)
def test_any_override_is_taken_and_survives_yaml(name_and_value, tmp_path_factory):
    name, value = name_and_value
    settings = Settings().with_overrides([f"{name}={value}"])
    assert flat(settings)[name] == value
    path = tmp_path_factory.mktemp("yaml") / "config.yaml"
    path.write_text(settings.to_yaml())
    assert Settings.from_yaml(path) == settings


def test_exponents_that_yaml_reads_as_text_are_numbers(tmp_path):
    assert Settings().with_overrides(["learning_rate=1e-4"]).optimiser.learning_rate == 1e-4
    (tmp_path / "config.yaml").write_text("optimiser: {learning_rate: 1e-4}")
    assert Settings.from_yaml(tmp_path / "config.yaml").optimiser.learning_rate == 1e-4


def test_a_path_is_taken_as_it_is():
    assert Settings().with_overrides(["data.folder=/a: b #c"]).data.folder == "/a: b #c"
    assert Settings().with_overrides(["licence=2"]).data.licence == "2"


def test_a_file_starts_from_its_preset(tmp_path):
    (tmp_path / "config.yaml").write_text("preset: demo\ntraining: {epochs: 3}")
    expected = Settings.from_preset("demo").with_overrides(["epochs=3"])
    assert Settings.from_yaml(tmp_path / "config.yaml") == expected


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epoch=3", r"no setting 'epoch'; did you mean 'epochs'"),
        ("generator.filter=3", r"did you mean 'generator\.filters'"),
        ("filters=3", r"ambiguous.*generator\.filters, discriminator\.filters"),
        ("epochs", r"has no '='"),
        ("epochs=0", r"training\.epochs is 0, but input should be greater"),
        ("epochs=many", r"training\.epochs is 'many'"),
        ("epochs=1.5", r"training\.epochs is '1\.5'"),
        ("learning_rate=-1", r"learning_rate is '-1'"),
        ("learning_rate=nan", r"learning_rate is 'nan'"),
        ("discriminator.norm=layer", r"norm is 'layer'.*'batch' or 'none'"),
        ("flip=perhaps", r"flip is 'perhaps'"),
        ("mask_channels=2", r"mask_channels is 2"),
        ("size_px=300", r"needs a multiple of 256; nearest: 256"),
        ("preset=other", r"no setting 'preset'"),
    ],
)
def test_impossible_overrides_are_refused(override, message):
    with pytest.raises(SettingError, match=message):
        Settings().with_overrides([override])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("generator: {filtres: 3}", r"no setting 'generator\.filtres'; did you mean 'generator\.filters'"),
        ("colour: red", "no setting 'colour'"),
        ("preset: lost\n", "lost"),
        ("[1, 2]", "holds list"),
        ("", "holds NoneType"),
        ("a: [", "cannot be read"),
    ],
)
def test_impossible_files_are_refused(text, message, tmp_path):
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(SettingError, match=message):
        Settings.from_yaml(tmp_path / "config.yaml")


def test_unknown_preset_is_refused_with_a_hint():
    with pytest.raises(SettingError, match=r"no preset 'sourse'; did you mean 'source'"):
        Settings.from_preset("sourse")


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Settings().training.epochs = 3


def test_every_setting_but_the_published_constants_is_described():
    undescribed = {name for name, text in descriptions().items() if not text}
    assert undescribed <= {
        "optimiser.learning_rate",
        "optimiser.beta1",
        "optimiser.beta2",
        "training.epochs",
        "training.seed",
        "training.log_every_steps",
    }

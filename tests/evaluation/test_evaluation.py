"""What an evaluation writes and says, on small procedural pictures."""

import base64
import csv
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from retinasynth.errors import DataError, OutputError
from retinasynth.evaluation.baselines import phantom_of
from retinasynth.evaluation.examples import Example, Reference
from retinasynth.evaluation.metrics.fidelity import source_protocol
from retinasynth.evaluation.report import read_training_log
from retinasynth.evaluation.results import Figures, Picture, outcome, summarise
from retinasynth.evaluation.run import evaluate_examples
from retinasynth.eye import Eye
from retinasynth.images import read_metadata, read_photograph
from retinasynth.intervals import Estimate, bootstrap_difference
from retinasynth.tables import read_table

ABOUT = {"Model": "a <b>bold</b> model", "Command": 'retinasynth evaluate --out "here" & there', "Seed": "0"}
RECORD = {
    "step": 1,
    "epoch": 0.1,
    "loss_discriminator_real": 0.7,
    "loss_discriminator_generated": 0.6,
    "loss_generator_adversarial": 0.8,
    "loss_generator_l1": 0.4,
    "seconds": 0.5,
}


def eye(number, size=64):
    """A disc with a few straight vessels; every number has its own vessels and its own brightness."""
    rng = np.random.default_rng(number)
    rows, columns = np.mgrid[:size, :size] / size - 0.5
    mask = np.zeros((size, size), bool)
    for angle in rng.uniform(0, np.pi, 3):
        mask |= abs(rows * np.cos(angle) + columns * np.sin(angle)) < 0.02
    inside = rows**2 + columns**2 < 0.2
    light = np.where(inside, 150 + 40 * rng.uniform(-1, 1) - 70 * mask + 60 * columns, 0)
    return mask & inside, np.clip(light[..., None] * [1.2, 0.6, 0.3], 0, 255).astype(np.uint8)


def noisy(photograph, amount, seed=0):
    noise = np.random.default_rng(seed).normal(0, amount, photograph.shape)
    return np.clip(photograph + noise, 0, 255).astype(np.uint8)


def examples(generate, count=6):
    for number in range(count):
        mask, photograph = eye(100 + number)
        yield Example(f"eye-{number}", f"person-{number // 2}", mask, generate(number, photograph), photograph)


@pytest.fixture(scope="module")
def reference():
    return Reference.of((f"train-{number}", *reversed(eye(number))) for number in range(5))


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "metrics.jsonl"
    lines = [json.dumps({**RECORD, "step": step, "loss_generator_l1": 1 / step}) for step in range(1, 40)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory, reference, log):
    out = tmp_path_factory.mktemp("evaluation")
    evaluation = evaluate_examples(
        examples(lambda number, photograph: noisy(photograph, 8, number)),
        reference=reference,
        out=out,
        about=ABOUT,
        training_log=log,
        title="Six <eyes> & one model",
    )
    return out, evaluation


def run(tmp_path, generate, reference, count=6):
    return evaluate_examples(examples(generate, count), reference=reference, out=tmp_path, about={}, title="A trial")


def table(out):
    return list(csv.DictReader(io.StringIO((out / "pictures.csv").read_text())))


def with_pattern(seed):
    """A generator of pictures that are, turn by turn, far from and close to the expected one."""
    return lambda number, photograph: noisy(photograph, 90 if number // 2 % 2 else 2, seed + number)


# --- Files -------------------------------------------------------------------------------------------------------


def test_the_json_holds_every_figure_with_its_interval(finished):
    out, evaluation = finished
    written = json.loads((out / "evaluation.json").read_text())
    assert written == evaluation.to_json()
    assert list(written["baselines"]) == list(written["differences"]) == ["mean_image", "nearest_train"]
    all_six = ["mse", "ssim", "psnr", "fov_ssim", "fov_psnr", "vessels"]
    for names, measures in (
        (["mse", "ssim", "psnr"], written["source_protocol"]),
        (["ssim", "psnr"], written["fov"]),
        (["vessels", "vessels_in_expected"], written["structure"]),
        *((all_six, measures) for measures in written["baselines"].values()),
        *((all_six, measures) for measures in written["differences"].values()),
    ):
        assert list(measures) == names
        for figure in measures.values():
            assert list(figure) == ["mean", "low", "high", "n"]
            assert figure["low"] < figure["mean"] < figure["high"]
            assert figure["n"] == 6
    assert written["about"] == ABOUT
    told = " ".join(written["conventions"].values())
    for convention in ("[-1, 1]", "256 x 256", "BOX", "7 x 7", "data range 2", "bootstrap"):
        assert convention in told


def test_the_table_holds_every_picture_and_the_means_of_the_json(finished):
    out, evaluation = finished
    rows = table(out)
    assert [row["name"] for row in rows] == [f"eye-{number}" for number in range(6)]
    assert [row["eye"] for row in rows] == [f"person-{number // 2}" for number in range(6)]
    for prefix, measures in (
        ("", evaluation.source_protocol),
        ("mean_image_", evaluation.baselines["mean_image"]),
        ("nearest_train_", evaluation.baselines["nearest_train"]),
    ):
        for measure, estimate in measures.items():
            column = [float(row[prefix + measure]) for row in rows]
            assert np.mean(column) == pytest.approx(estimate.mean, abs=1e-12)


def test_figures_are_of_the_pictures_and_differences_paired_by_subject(finished, reference):
    _, evaluation = finished
    people = [f"person-{number // 2}" for number in range(6)]
    expected = [eye(100 + number)[1] for number in range(6)]
    mean = np.rint(np.mean(np.array(reference.photographs, float), axis=0)).astype(np.uint8)
    model = [source_protocol(noisy(photograph, 8, number), photograph) for number, photograph in enumerate(expected)]
    rival = [source_protocol(mean, photograph) for photograph in expected]
    for index, measure in enumerate(("mse", "ssim", "psnr")):
        ours, theirs = [figures[index] for figures in model], [figures[index] for figures in rival]
        assert evaluation.differences["mean_image"][measure] == bootstrap_difference(ours, theirs, groups=people)


def test_the_nearest_training_eye_of_a_training_eye_is_itself(tmp_path, reference):
    mask, photograph = eye(3)
    same = Example("x", "x", mask, photograph, photograph)
    evaluation = evaluate_examples([same], reference=reference, out=tmp_path, about={}, title="t")
    assert evaluation.baselines["nearest_train"]["mse"].mean == 0
    assert evaluation.baselines["mean_image"]["mse"].mean > 0


def test_panels_show_source_generated_expected_and_say_synthetic(finished):
    out, _ = finished
    assert sorted(path.name for path in (out / "panels").iterdir()) == [f"eye-{number}.png" for number in range(6)]
    panel = read_photograph(out / "panels" / "eye-0.png")
    assert panel.shape[1] > 3 * 64
    assert panel.shape[0] > 64
    mask, photograph = eye(100)
    for picture in (np.repeat(mask[..., None] * np.uint8(255), 3, 2), noisy(photograph, 8, 0), photograph):
        assert any(
            np.array_equal(panel[row : row + 64, column : column + 64], picture)
            for row in range(panel.shape[0] - 63)
            for column in range(panel.shape[1] - 63)
            if np.array_equal(panel[row + 30, column : column + 64], picture[30])
        )
    assert "not for diagnosis" in read_metadata(out / "panels" / "eye-0.png")["Warning"]


# --- The verdict -------------------------------------------------------------------------------------------------


def test_a_model_that_is_better_is_said_to_beat_the_baselines(finished):
    _, evaluation = finished
    assert evaluation.verdict[0] == (
        "The model beats the mean training photograph, which ignores the mask, on MSE, SSIM, PSNR, SSIM in "
        "view, PSNR in view and vessels."
    )
    assert all("beats" in sentence and "not" not in sentence for sentence in evaluation.verdict[:-1])
    assert evaluation.verdict[-1].startswith("The generated photographs carry no periodic pattern")
    assert "nearest mask" in evaluation.verdict[2]


def test_a_model_that_is_worse_is_said_not_to_beat_them_with_its_figures(tmp_path, reference):
    evaluation = run(tmp_path, lambda _, photograph: 255 - photograph, reference)
    model, rival = evaluation.source_protocol["mse"], evaluation.baselines["mean_image"]["mse"]
    assert evaluation.verdict[0].startswith("The model does not beat the mean training photograph, which ignores the")
    assert evaluation.verdict[1].startswith(
        "On MSE, SSIM, PSNR, SSIM in view and PSNR in view the model does not beat the mean training photograph, "
        "which ignores the mask; "
        f"it is worse: MSE {model.mean:.4f} against {rival.mean:.4f} (difference +{model.mean - rival.mean:.4f}, "
        "95 % interval +"
    )
    assert not any("beats" in sentence for sentence in evaluation.verdict if "vessels" not in sentence)


def test_a_difference_that_may_be_chance_is_said_to_be_undecided(tmp_path, reference):
    evaluation = run(tmp_path, with_pattern(0), reference)
    difference = evaluation.differences["mean_image"]["psnr"]
    assert difference.low < 0 < difference.high
    assert "is not shown to differ from the mean training photograph" in evaluation.verdict[0]
    assert any("the interval of the difference includes zero" in sentence for sentence in evaluation.verdict[1:])


def test_measures_that_disagree_are_told_apart_and_bad_news_comes_first():
    def picture(number, ssim):
        model, rival = Figures(0.07 + 0.001 * number, ssim, 18.0), Figures(0.06, 0.7, 18.4 + 0.1 * number)
        return Picture(str(number), str(number), model, {"mean_image": rival}, {})

    better = summarise("t", [picture(number, 0.8 + 0.01 * number) for number in range(5)], {})
    assert better.verdict[0] == (
        "The model does not beat the mean training photograph, which ignores the mask, on MSE and PSNR, "
        "and beats it on SSIM."
    )
    assert [sentence.split(" the ")[0] for sentence in better.verdict[1:3]] == ["On MSE and PSNR", "On SSIM"]
    assert "PSNR 18.00 against 18.60 dB (difference -0.60, 95 % interval -0.72 to -0.48)" in better.verdict[1]
    undecided = summarise("t", [picture(number, 0.7 + 0.1 * (-1) ** number) for number in range(5)], {})
    assert undecided.verdict[0].endswith("on MSE and PSNR, and is not shown to differ from it on SSIM.")


@pytest.mark.parametrize(
    ("measure", "low", "high", "expected"),
    [
        ("mse", 0.1, 0.3, "worse"),
        ("mse", -0.3, -0.1, "better"),
        ("ssim", 0.1, 0.3, "better"),
        ("psnr", -0.3, -0.1, "worse"),
        ("psnr", -0.1, 0.3, "undecided"),
        ("ssim", 0.0, 0.0, "undecided"),
    ],
)
def test_the_outcome_depends_on_the_direction_of_the_measure(measure, low, high, expected):
    assert outcome(measure, Estimate((low + high) / 2, low, high, 9)) == expected


def test_one_eye_decides_nothing(tmp_path, reference):
    evaluation = run(tmp_path, lambda _, photograph: photograph, reference, count=2)
    assert evaluation.verdict[:-1] == [
        "All pictures are of one eye, which cannot tell whether the model beats a baseline."
    ]
    assert '<span class="outcome' not in (tmp_path / "report.html").read_text()


# --- The report --------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Tags, attributes and visible text; fails on a tag that is closed out of turn."""

    def __init__(self, source):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(source)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in {"meta", "img", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"style"}:
            self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_report_asks_for_nothing_outside_itself(finished):
    source = (finished[0] / "report.html").read_text()
    page = Page(source)
    assert len(source) < 3_000_000
    for _, attributes in page.tags:
        for name, value in attributes.items():
            if name in {"src", "href", "xlink:href", "srcset", "action", "data"}:
                assert value.startswith(("data:image/", "#"))
    assert not page.all("script")
    assert not page.all("link")
    assert "@import" not in source
    assert all(target.startswith("#") for target in re.findall(r"url\(['\"]?([^)]*)", source))
    addresses = set(re.findall(r"https?://[^\"'\s<>]*", re.sub(r"base64,[A-Za-z0-9+/=]*", "", source)))
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # names, never fetched


def test_ids_and_local_references_in_the_report_fit(finished):
    page = Page((finished[0] / "report.html").read_text())
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = {value[1:] for _, attributes in page.tags for name, value in attributes.items() if name == "xlink:href"}
    wanted |= {a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a}
    assert wanted
    assert wanted <= set(ids)


def test_the_report_answers_first_and_then_shows_the_evidence_in_order(finished):
    out, evaluation = finished
    text = " ".join(Page((out / "report.html").read_text()).text.split())
    places = [
        text.index(part)
        for part in (
            "Six <eyes> & one model",
            evaluation.verdict[0],
            "not for diagnosis",
            "Mean training photograph",
            "Nearest training eye",
            "Model minus mean training photograph",
            "Best by SSIM",
            "Worst by SSIM",
            "Picture by picture",
            "Training losses",
            "Conventions",
            "About this evaluation",
            'retinasynth evaluate --out "here" & there',
        )
    ]
    assert places == sorted(places)
    psnr = evaluation.source_protocol["psnr"]
    assert f"{psnr.mean:.2f} {psnr.low:.2f} to {psnr.high:.2f}" in text
    assert all(f"eye-{number} MSE" in text for number in range(6))


def test_names_and_settings_cannot_become_markup(finished, tmp_path):
    source = (finished[0] / "report.html").read_text()
    assert "a &lt;b&gt;bold&lt;/b&gt; model" in source
    assert "<b>" not in source
    _, photograph = eye(1)
    name = '"><img src=x onerror=alert(1)>&'
    evaluate_examples(
        [Example(name, "e", None, photograph, photograph)], reference=None, out=tmp_path, about={name: name}, title=name
    )
    page = Page((tmp_path / "report.html").read_text())
    assert not [attributes for _, attributes in page.tags if "onerror" in attributes]
    assert [image["alt"] for image in page.all("img")[:2]] == [f"Generated of {name}", f"Expected of {name}"]


def test_pictures_in_the_report_are_described_and_near_the_originals(finished):
    page = Page((finished[0] / "report.html").read_text())
    images = page.all("img")
    assert [image["alt"] for image in images[6 * 5 :]] == [
        f"Mean spectrum: {whose} photographs" for whose in ("generated", "real")
    ]
    assert all(image["alt"] for image in images)
    shown = {image["alt"]: image["src"].partition(",")[2] for image in images}
    expected = np.asarray(Image.open(io.BytesIO(base64.b64decode(shown["Expected of eye-2"]))))
    assert expected.shape == (256, 256, 3)
    assert "Error of eye-2" in shown
    assert source_protocol(expected, eye(102)[1]).psnr > 35  # JPEG
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in page.all("svg"))
    assert {header["scope"] for header in page.all("th")} == {"col", "row"}


def test_plots_count_pictures_and_loss_curves_need_a_log(finished, tmp_path, reference):
    page = Page((finished[0] / "report.html").read_text())
    labels = [svg["aria-label"] for svg in page.all("svg")]
    assert len(labels) == 6 + 3
    for loss in ("on real", "on generated", "adversarial", "mean absolute error"):
        assert any(f"{loss} ends near" in label for label in labels[6:])
    run(tmp_path, lambda number, photograph: photograph if number else 255 - photograph, reference, count=3)
    assert "PSNR: the model is better in 2 of 3 pictures" in (tmp_path / "report.html").read_text()
    assert len(Page((tmp_path / "report.html").read_text()).all("svg")) == 6


def test_no_more_than_24_pictures_are_shown_from_both_ends_and_the_middle(tmp_path):
    _, photograph = eye(1, 32)
    many = (
        Example(f"n{amount:02}", f"n{amount:02}", None, noisy(photograph, amount), photograph) for amount in range(40)
    )
    evaluation = evaluate_examples(many, reference=None, out=tmp_path, about={}, title="t")
    ranked = [picture.name for picture in sorted(evaluation.pictures, key=lambda picture: -picture.model.ssim)]
    source = (tmp_path / "report.html").read_text()
    shown = re.findall(r'alt="Generated of (n\d\d)"', source)
    assert shown == ranked[:8] + ranked[16:24] + ranked[32:]
    assert "Every picture has a row in" in source
    assert len((tmp_path / "pictures.csv").read_text().splitlines()) == 41


def test_no_name_in_the_table_is_a_formula_to_a_spreadsheet(tmp_path):
    _, photograph = eye(1, 32)
    odd = [Example(name, f"+{name}", None, noisy(photograph, 9), photograph) for name in ("=cmd", "-1+1")]
    evaluate_examples(odd, reference=None, out=tmp_path, about={}, title="t")
    assert [(row["name"], row["eye"]) for row in table(tmp_path)] == [("'=cmd", "'+=cmd"), ("'-1+1", "'+-1+1")]
    columns, *rows = read_table(tmp_path / "pictures.csv")
    assert [dict(zip(columns, row, strict=True))["name"] for row in rows] == ["=cmd", "-1+1"]


def test_photographs_that_compress_badly_have_their_report(tmp_path):
    mask, photograph = eye(1, 256)
    grainy = (Example(f"n{n}", f"n{n}", mask, noisy(photograph, 30, n), noisy(photograph, 30)) for n in range(2))
    evaluate_examples(grainy, reference=None, out=tmp_path, about={}, title="t")
    assert (tmp_path / "report.html").stat().st_size > 2 * 2 * 65_536


# --- What may be missing -----------------------------------------------------------------------------------------


def test_without_reference_the_figures_are_said_to_stand_alone(tmp_path):
    evaluation = run(tmp_path, lambda number, photograph: noisy(photograph, 5, number), None)
    assert evaluation.baselines == evaluation.differences == {}
    assert evaluation.verdict[0].startswith("These figures stand alone")
    page = Page((tmp_path / "report.html").read_text())
    assert "Model minus" not in page.text
    assert "Mean photograph" not in page.text
    assert len(page.all("img")) == 6 * 4 + 2
    row = table(tmp_path)[0]
    assert row["mean_image_mse"] == row["nearest_train_psnr"] == ""


@pytest.mark.parametrize("who", ["example", "training eye"])
def test_one_missing_mask_leaves_the_nearest_eye_out_and_says_so(tmp_path, reference, who):
    six = list(examples(lambda number, photograph: noisy(photograph, 5, number)))
    if who == "example":
        six[2] = Example("bare", "person-1", None, six[2].generated, six[2].expected)
    else:
        masks = [(None if number == 1 else eye(number)[0]) for number in range(5)]
        reference = Reference.of((str(number), eye(number)[1], masks[number]) for number in range(5))
    evaluation = evaluate_examples(six, reference=reference, out=tmp_path, about={}, title="t")
    assert list(evaluation.baselines) == ["mean_image"]
    assert evaluation.verdict[-2].startswith("The baseline of the nearest training eye was left out")


def test_generated_and_expected_may_differ_in_size(tmp_path):
    mask, expected = eye(1, 96)
    evaluation = evaluate_examples(
        [Example("a", "a", mask, eye(1, 48)[1], expected)], reference=None, out=tmp_path, about={}, title="t"
    )
    assert evaluation.source_protocol["ssim"].mean > 0.5
    assert (tmp_path / "panels" / "a.png").exists()


def test_nothing_to_evaluate_is_an_error_and_writes_nothing(tmp_path, reference):
    with pytest.raises(DataError, match="nothing to evaluate"):
        evaluate_examples([], reference=reference, out=tmp_path, about={}, title="t")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("names", [("a", "a"), ("../a",), ("b/c",), ("",)])
def test_names_that_would_overwrite_or_escape_are_refused(tmp_path, names):
    _, photograph = eye(1)
    with pytest.raises(DataError, match="called"):
        evaluate_examples(
            [Example(name, "e", None, photograph, photograph) for name in names],
            reference=None,
            out=tmp_path / "out",
            about={},
            title="t",
        )
    assert not (tmp_path / "a.png").exists()


def test_a_file_in_the_way_is_an_error(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError, match="is a file"):
        run(tmp_path / "out", lambda _, photograph: photograph, None)
    assert (tmp_path / "out").read_text() == "mine"


def test_a_reference_needs_eyes_and_one_of_each(reference):
    with pytest.raises(DataError, match="0 names"):
        Reference.of([])
    with pytest.raises(DataError, match="1 names of training eyes, 5 photographs and 5 masks"):
        Reference(["a"], reference.photographs, reference.masks)


# --- The training log --------------------------------------------------------------------------------------------


def test_a_log_gives_its_columns_and_a_torn_last_line_is_passed_over(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps({**RECORD, "step": step}) + "\n" for step in (10, 20)) + '{"step": 3')
    losses = read_training_log(path)
    assert losses["step"].tolist() == [10, 20]
    assert losses["loss_discriminator_generated"].tolist() == [0.6, 0.6]


@pytest.mark.parametrize("line", ["nonsense", "[1]", '{"step": 1}', json.dumps({**RECORD, "loss_generator_l1": "x"})])
def test_a_broken_log_is_an_error_that_names_the_line(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    path.write_text(f"{json.dumps(RECORD)}\n{line}\n")
    with pytest.raises(DataError, match="line 2 is not a training record"):
        read_training_log(path)


def test_a_missing_log_is_an_error_and_an_empty_one_gives_no_curves(tmp_path):
    with pytest.raises(DataError, match="cannot be read as a training log"):
        read_training_log(tmp_path / "none.jsonl")
    (tmp_path / "empty.jsonl").write_text("")
    _, photograph = eye(1)
    evaluate_examples(
        [Example("a", "a", None, photograph, photograph)],
        reference=None,
        out=tmp_path / "out",
        about={},
        training_log=tmp_path / "empty.jsonl",
        title="t",
    )
    assert "Training losses" not in (tmp_path / "out" / "report.html").read_text()


def test_vessels_of_real_photographs_are_beside_those_of_the_model(finished):
    out, evaluation = finished
    text = Page((out / "report.html").read_text()).text
    assert f"Vessels found again in the real photographs: {evaluation.vessels_in_expected.mean:.4f}." in text


def test_a_checkerboard_is_seen_and_said(tmp_path):
    board = 6 * (np.indices((64, 64)).sum(axis=0) % 2)[..., None].astype(np.uint8)
    evaluation = run(tmp_path, lambda _, photograph: np.clip(photograph, 0, 249) + board, None)
    assert evaluation.verdict[-1].startswith("The generated photographs carry a periodic pattern")
    assert "2 px in rows and 2 px in columns" in evaluation.verdict[-1]
    spectrum = json.loads((tmp_path / "evaluation.json").read_text())["spectrum"]
    assert spectrum["model"]["cycles"] == [0.5, 0.5]
    assert spectrum["model"]["height_db"] > spectrum["expected"]["height_db"] + 10


def test_the_procedural_photograph_is_a_baseline_of_its_own(tmp_path, reference):
    pairs = [(number, *eye(100 + number)) for number in range(3)]
    whole = (
        Example(
            f"eye-{n}", f"person-{n}", mask, noisy(picture, 8, n), picture, asked=Eye(f"eye-{n}", {"vessels": mask})
        )
        for n, mask, picture in pairs
    )
    found = evaluate_examples(whole, reference=reference, out=tmp_path, about=ABOUT, title="With a phantom")
    assert list(found.baselines) == ["mean_image", "nearest_train", "phantom"]
    drawn = phantom_of(Eye("eye-1", {"vessels": pairs[1][1]}))
    assert found.pictures[1].baselines["phantom"].mse == pytest.approx(source_protocol(drawn, pairs[1][2]).mse)
    assert "Procedural photograph" in (tmp_path / "report.html").read_text()

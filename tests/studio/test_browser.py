"""The studio in a real browser: drawing, sliders, downloads, phones, and what strangers may try."""

import base64
import contextlib
import io
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from pictures import put_photograph
from retinasynth.eye.label_map import read_label_map
from retinasynth.studio.view_model import proposed

pytest.importorskip("gradio", reason="the extra studio is not installed")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
PATIENCE_MS = 40_000

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        # As root, as in a container, chromium starts only without its sandbox; it opens our own page alone.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@contextlib.contextmanager
def opened(browser: Any, studio: str, width: int = 1440, height: int = 1000) -> Iterator[Any]:
    """A page that asks for nothing elsewhere and has no errors."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(PATIENCE_MS)
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(studio)
    page.wait_for_selector("#picture img")
    page.wait_for_function("document.querySelector('fieldset[aria-label]')")
    yield page
    assert [url for url in asked if not url.startswith((studio, "data:", "blob:"))] == []
    assert errors == []
    page.close()


def picture(page: Any) -> np.ndarray:
    content = base64.b64decode(page.get_attribute("#picture img", "src").partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content))).astype(int)


@contextlib.contextmanager
def changing(page: Any) -> Iterator[None]:
    before = page.get_attribute("#picture img", "src")
    yield
    page.wait_for_function("old => document.querySelector('#picture img')?.src !== old", arg=before)


def fetched(page: Any, button: str, folder: Path) -> Path:
    with page.expect_download() as download:
        page.click(button)
    with zipfile.ZipFile(download.value.path()) as archive:
        archive.extractall(folder)
    return next(folder.iterdir())


def test_draw_move_generate_download(browser, studio, tmp_path):
    with opened(browser, studio) as page:
        slider = page.get_by_label("range slider for Cup-to-disc ratio")
        with changing(page):
            slider.focus()
            page.keyboard.press("ArrowRight")
        first = page.locator("#measures td").all_inner_texts()
        pair = fetched(page, "#pair", tmp_path / "grown")
        grown = read_label_map(pair, "grown_000007")
        proposed_cup = proposed(7, "adult")[1]["cup_to_disc"]
        assert float(first[6]) == pytest.approx(proposed_cup + 0.01, abs=0.011)
        page.get_by_text("Drawn by me").click()
        page.wait_for_function("document.querySelector('#canvas canvas')?.width === 512")
        box = page.locator("#canvas canvas").bounding_box()
        before = picture(page)
        with changing(page):
            page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.6)
            page.mouse.down()
            page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.6, steps=5)
            page.mouse.up()
        after = picture(page)
        drawn = read_label_map(fetched(page, "#pair", tmp_path / "drawn"), "drawn")
        new = drawn.planes["vessels"] & ~grown.planes["vessels"]
        rows, columns = np.nonzero(new)
        assert abs(rows.mean() - 0.6 * 512) < 4
        assert 0.3 * 512 - 6 < columns.min() < columns.max() < 0.7 * 512 + 6
        assert np.abs(after - before)[new].mean() > 2 * np.abs(after - before)[~new].mean()
        assert (drawn.planes["vessels"] | ~grown.planes["vessels"]).all()
        with changing(page):
            page.get_by_role("button", name="Undo").click()
        again = read_label_map(fetched(page, "#pair", tmp_path / "undone"), "drawn")
        assert np.array_equal(again.planes["vessels"], grown.planes["vessels"])


def test_drawing_by_keyboard_and_choosing_a_style(browser, studio, tmp_path):
    with opened(browser, studio) as page:
        page.get_by_text("Six styles", exact=True).click()
        page.wait_for_selector(".choice")
        assert page.locator(".choice").count() == 6
        page.locator(".choice").nth(3).focus()
        page.keyboard.press("Enter")
        page.wait_for_function("!document.querySelector('.choice')")
        assert page.locator("input[type=radio][value='4']").is_checked()
        page.get_by_text("Drawn by me").click()
        page.wait_for_function("document.querySelector('#canvas canvas')?.width === 512")
        page.get_by_role("button", name="Clear all").click()
        page.wait_for_selector(".message.problem")  # no vessels are left
        assert "vessels" in page.inner_text("#message .problem")
        page.locator("#canvas canvas").focus()
        with changing(page):
            for key in ["Space", *["Shift+ArrowRight"] * 4, "Space"]:
                page.keyboard.press(key)
        eye = read_label_map(fetched(page, "#pair", tmp_path / "keys"), "drawn")
        assert 80 <= np.ptp(np.nonzero(eye.planes["vessels"])[1]) <= 90


def opened_tab(page, name):
    """Open a tab; where there is no room for it, from the menu of the others."""
    tab, menu = page.get_by_role("tab", name=name), page.get_by_label("More tabs")
    tab.or_(menu).first.wait_for()
    if not tab.is_visible():
        menu.click()
        tab = page.locator(".overflow-dropdown button", has_text=name)
    tab.click()


def test_a_phone_needs_no_sideways_scrolling_and_everything_is_named(browser, studio):
    with opened(browser, studio, 390, 844) as page:
        for title in ("Lesions", "Turn the style"):
            page.get_by_text(title, exact=True).click()
        page.get_by_label("range slider for Contrast").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        session = page.context.new_cdp_session(page)
        controls = {"button", "radio", "checkbox", "slider", "textbox", "combobox", "spinbutton", "tab"}

        def nameless():
            return [
                node["role"]["value"]
                for node in session.send("Accessibility.getFullAXTree")["nodes"]
                if not node["ignored"] and node["role"]["value"] in controls and not node["name"]["value"]
            ]

        assert nameless() == []
        page.mouse.wheel(0, 1000)
        page.wait_for_function("scrollY > 900 && document.querySelector('#picture').getBoundingClientRect().top === 0")
        for name, place in (
            ("What if", "#whatif img"),
            ("Series", "#series-plot svg"),
            ("Enhance", "#enhance"),
            ("Evaluate", "#evaluate"),
        ):
            opened_tab(page, name)
            page.locator(place).first.wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") == 390
            assert nameless() == []


def test_tabs_without_room_are_in_a_menu_that_can_be_reached(browser, studio):
    with opened(browser, studio, 240, 844) as page:
        page.get_by_label("More tabs").wait_for()
        opened_tab(page, "Evaluate")
        page.locator("#evaluate").first.wait_for()


def changes(page, place, do, then="img"):
    """Do something; wait until the picture at a place is another one."""
    before = page.get_attribute(f"{place} {then}", "src")
    do()
    page.wait_for_function(
        "([at, old]) => (document.querySelector(at)?.src ?? old) !== old", arg=[f"{place} {then}", before]
    )


def pressed(page, label):
    """Move a slider by a step."""
    page.get_by_label(f"range slider for {label}").focus()
    page.keyboard.press("ArrowLeft")


def test_what_ifs_and_series(browser, studio):
    with opened(browser, studio) as page:
        page.get_by_role("tab", name="What if").click()
        page.wait_for_selector("#whatif img")
        assert page.locator("#whatif img").count() == 6  # whole and close up
        changes(page, "#whatif", lambda: pressed(page, "Cup-to-disc ratio after"), "figure:nth-of-type(2) img")
        assert "ratio 0.79" in page.inner_text("#whatif")
        page.get_by_role("checkbox", name="Arteries", exact=True).check()
        page.get_by_label("range slider for Calibre that arteries keep, percent").wait_for()
        page.get_by_role("checkbox", name="Arteries", exact=True).uncheck()
        page.get_by_role("checkbox", name="Cup", exact=True).uncheck()
        page.wait_for_selector("#whatif-message :text('Choose one thing or more')")
        page.get_by_role("checkbox", name="Cup", exact=True).check()
        page.wait_for_selector("#whatif-message .message", state="detached")
        with page.expect_download() as download:
            page.click("#whatif-panel")
        assert download.value.suggested_filename == "grown_000007-what-if.png"
        page.get_by_role("checkbox", name="Cup", exact=True).uncheck()
        fetched = []
        page.on("download", lambda download: fetched.append(download))  # noqa: PLW0108 - playwright marks what it is given
        page.click("#whatif-panel")
        page.wait_for_timeout(500)
        assert not fetched  # not the one before

        page.get_by_role("tab", name="Series").click()
        page.wait_for_selector("#series-measures td")
        assert page.locator("#series img").count() == 3 * page.locator("#series-measures tbody tr").count()
        changes(page, "#series", lambda: page.get_by_label("Glaucoma, a notch").check(force=True))
        page.wait_for_selector("#series-measures :text('Narrowest rim')")
        page.get_by_role("tab", name="What if").click()
        page.get_by_role("tab", name="Series").click()
        page.wait_for_timeout(500)
        assert page.locator("#series img").count() > 3  # what is drawn already stays


def test_enhancement(browser, studio, tmp_path):
    with opened(browser, studio) as page:
        page.get_by_role("tab", name="Enhance").click()
        page.click("#enhance")
        page.wait_for_selector("#enhance-message .problem:has-text('Upload one')")
        with page.expect_file_chooser() as chooser:
            page.click("#enhance-upload")
        chooser.value.set_files(put_photograph(tmp_path / "mine.png", 1, 450, 500))
        page.wait_for_selector(".arrived :text('mine.png, 500 x 450 px')")
        page.get_by_label("2 x").check(force=True)
        page.click("#enhance")
        page.wait_for_selector("#enhanced img")
        assert "not for diagnosis" in page.inner_text("#enhance-message")
        changes(
            page, "#enhanced", lambda: pressed(page, "Close up: from the left, percent"), "figure:nth-of-type(4) img"
        )
        assert "not for diagnosis" in page.inner_text("#enhance-message")
        with page.expect_download() as download:
            page.click("#enhance-fetch a")
        with Image.open(download.value.path()) as enhanced:
            assert enhanced.size == (1000, 900)


def test_uploads_that_are_wrong_get_a_sentence_and_all_else_still_works(browser, studio, tmp_path):
    wrong = tmp_path / "not a picture.png"
    wrong.write_bytes(b"MZ")
    link = tmp_path / "trick.zip"
    with zipfile.ZipFile(link, "w") as archive:
        archive.writestr("../../../etc/cron.d/a.png", b"")
    with opened(browser, studio) as page:
        for button, file, said in (
            ("#style-upload", wrong, "not a picture.png cannot be opened"),
            ("#style-upload", put_photograph(tmp_path / "lent.png", 1, 300, 300), ""),
        ):
            with page.expect_file_chooser() as chooser:
                page.click(button)
            chooser.value.set_files(file)
            if said:
                page.wait_for_selector(f"#message .problem:has-text('{said}')")
                assert "/" not in page.inner_text("#message .problem")
            else:
                page.wait_for_function("!document.querySelector('#message .problem')")
        page.wait_for_function("document.querySelector('input[value=\"My photograph\"]').checked")
        page.get_by_role("tab", name="Evaluate").click()
        for button in ("#real-upload", "#generated-upload"):
            with page.expect_file_chooser() as chooser:
                page.click(button)
            chooser.value.set_files(link)
        page.wait_for_function("document.querySelectorAll('.arrived .message').length === 2")
        page.click("#evaluate")
        page.wait_for_selector("#evaluation-message .problem")
        assert "points out of its folder" in page.inner_text("#evaluation-message .problem")
    assert httpx.get(studio, timeout=30).status_code == 200

"""The pictures of studio.md: the studio, driven in a browser.

    python docs/studio_screens.py                      # needs the extras studio and dev, and chromium
    python docs/studio_screens.py --seconds seconds.json     # also how long a change takes

Writes docs/images/studio-*.jpg.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

from retinasynth.anatomy.grow import grow
from retinasynth.enhancement.degradation import Degradation, degraded
from retinasynth.generation.generator import load as load_generator
from retinasynth.images import write_photograph

IMAGES = Path(__file__).parent / "images"
WIDE, NARROW = {"width": 1440, "height": 1000}, {"width": 390, "height": 844}
REPEATS = 7


def main() -> None:
    """Start a studio, photograph it, stop it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=Path, help="JSON file for times, in seconds")
    wanted = parser.parse_args()
    started = time.monotonic()
    command = [sys.executable, "-m", "retinasynth.cli", "studio", "--port", "0"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,  # noqa: S603 - our own command
        sync_playwright() as playwright,
    ):
        try:
            address = server.stdout.readline().split()[4] if server.stdout else ""
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            first = opened(browser.new_page(viewport=WIDE), address)
            seconds = {"first picture, from the command": [time.monotonic() - started]}
            if wanted.seconds:
                wanted.seconds.write_text(json.dumps(seconds | timed(first), indent=2) + "\n")
            page = opened(browser.new_page(viewport=WIDE), address)
            change(page, lambda: page.get_by_label("Disc", exact=True).check())
            photograph(page, "wide")
            draw(opened(browser.new_page(viewport=WIDE), address))
            six = opened(browser.new_page(viewport=NARROW), address)
            six.get_by_text("Six styles", exact=True).click()
            six.wait_for_selector(".choice")
            photograph(six, "phone")
            tabs(opened(browser.new_page(viewport=WIDE), address))
        finally:
            server.terminate()


def opened(page: Page, address: str) -> Page:
    """The page at an address, when its first picture is there."""
    page.set_default_timeout(120_000)
    page.goto(address)
    page.wait_for_selector("#picture img")
    page.wait_for_function("document.querySelector('fieldset[aria-label]')")
    return page


def draw(page: Page) -> None:
    """Draw a vessel, show some labels."""
    page.get_by_text("Drawn by me").click()
    page.wait_for_function("document.querySelector('#canvas canvas')?.width === 512")
    box = page.locator("#canvas canvas").bounding_box()
    if box is None:
        raise SystemExit("The canvas is not to be seen")

    def stroke() -> None:
        for number, (x, y) in enumerate(((0.42, 0.62), (0.5, 0.66), (0.58, 0.64), (0.66, 0.68), (0.74, 0.66))):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=6)
            if number == 0:
                page.mouse.down()
        page.mouse.up()

    change(page, stroke)
    photograph(page, "drawing")


def tabs(page: Page) -> None:
    """The tabs of what-ifs, series and enhancement."""
    page.get_by_role("tab", name="What if").click()
    page.wait_for_selector("#whatif-measures td")
    photograph(page, "whatif", whole=True)
    page.get_by_role("tab", name="Series").click()
    page.wait_for_selector("#series-measures td")
    photograph(page, "series", whole=True)
    page.get_by_role("tab", name="Enhance").click()
    sharp = load_generator("fundus-512").generate(grow(7, 512, centred_on="disc"), seed=3)
    spoilt = degraded(sharp, Degradation(blur_px=1.0, noise=0.04), np.random.default_rng(0))
    with tempfile.TemporaryDirectory() as folder:
        write_photograph(Path(folder) / "noisy.png", spoilt)
        with page.expect_file_chooser() as chooser:
            page.click("#enhance-upload")
        chooser.value.set_files(Path(folder) / "noisy.png")
        page.wait_for_selector(".arrived .message:visible")
    page.locator("label", has_text="2 x").click()
    page.click("#enhance")
    page.wait_for_selector("#enhanced img")
    photograph(page, "enhance", whole=True)


def change(page: Page, do: Callable[[], None]) -> float:
    """Do something, wait for another picture; returns how long that took, in seconds."""
    before = page.get_attribute("#picture img", "src")
    begun = time.monotonic()
    do()
    page.wait_for_function("old => document.querySelector('#picture img')?.src !== old", arg=before)
    return time.monotonic() - begun


def timed(page: Page) -> dict[str, list[float]]:
    """How long changes take until their picture is there, in seconds."""
    slider = page.get_by_label("range slider for Cup-to-disc ratio")
    slider.focus()
    moved = [change(page, lambda: page.keyboard.press("ArrowRight")) for _ in range(REPEATS)]
    styles = [
        change(page, lambda style=style: page.locator(f"input[type=radio][value='{style}']").check(force=True))
        for style in (2, 3, 4, 5, 6, 1)
    ]
    grown = [change(page, lambda: page.click("#another")) for _ in range(REPEATS)]
    return {"a slider": moved, "another style": styles, "another eye": grown}


def photograph(page: Page, name: str, *, whole: bool = False) -> None:
    """Save what is in sight, or the whole page."""
    page.wait_for_timeout(1500)  # for transitions to end
    page.screenshot(path=IMAGES / f"studio-{name}.jpg", type="jpeg", quality=88, full_page=whole)


if __name__ == "__main__":
    main()

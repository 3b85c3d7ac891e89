"""Is this fit for release? `make release-check`.

Builds the sdist and the wheel into dist/, looks into both, installs the wheel with constraints.txt into a new virtual
environment far from the sources, runs `retinasynth demo` and `retinasynth generate` there, and looks the constraints
up among known vulnerabilities.
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"
LARGEST_MIB = 30  # of the wheel; package indexes refuse above 100
PACKAGE = ROOT / "src" / "retinasynth"


def say(text: str) -> None:
    """One line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def run(words: Sequence[str | Path], where: Path) -> str:
    """What a command prints; where it fails, so does the check. It sees nothing of our sources or settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "RETINASYNTH", "VIRTUAL"))}
    done = subprocess.run(  # noqa: S603  # commands of this file
        [str(word) for word in words], cwd=where, env=kept, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}\nended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def check_contents(wheel: Path, sdist: Path) -> None:
    """Everything of the package is in the wheel, byte for byte, and nothing else; the sdist can be built and tested."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        info = next(name.split("/")[0] for name in names if name.endswith(".dist-info/METADATA"))
        wanted = {
            f"retinasynth/{path.relative_to(PACKAGE).as_posix()}": path
            for path in PACKAGE.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        strange = {name for name in names if not name.startswith(f"{info}/")} ^ set(wanted)
        if strange:
            raise SystemExit(f"{wheel.name} and src/ differ in: {', '.join(sorted(strange))}")
        changed = [name for name, path in wanted.items() if archive.read(name) != path.read_bytes()]
        if changed or f"{info}/licenses/LICENSE" not in names:
            raise SystemExit(f"{wheel.name}: changed {changed}, or without its licence")
    weights = [name for name in wanted if name.endswith(".safetensors")]
    mib = wheel.stat().st_size / 2**20
    if mib > LARGEST_MIB or len(weights) < 4:
        raise SystemExit(f"{wheel.name} has {mib:.1f} MiB (at most {LARGEST_MIB}) and the weights {weights}")
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    missing = {"LICENSE", "README.md", "CHANGELOG.md", "constraints.txt", "mkdocs.yml", "tests/test_docs.py"} - inside
    if missing:
        raise SystemExit(f"{sdist.name} is without {', '.join(sorted(missing))}")
    say(f"{wheel.name}: {mib:.1f} MiB, {len(wanted)} files, {len(weights)} models; {sdist.name}: {len(inside)} files")


def check_installed(wheel: Path) -> None:
    """The wheel works in an environment that has nothing else."""
    with tempfile.TemporaryDirectory(prefix="retinasynth-release-") as name:
        away = Path(name)
        venv.create(away / "venv", with_pip=True)
        programs = away / "venv" / ("Scripts" if os.name == "nt" else "bin")
        pip = [programs / "python", "-m", "pip", "--disable-pip-version-check"]
        run([*pip, "install", "--quiet", "-c", ROOT / "constraints.txt", wheel], away)
        run([*pip, "check"], away)
        command = programs / "retinasynth"
        say(f"installed: {run([command, '--version'], away).strip()}")
        run([command, "generate", "--model", "fundus-512", "--count", "2", "--out", "set"], away)
        run([command, "demo", "--out", "demo"], away)
        made = sorted((away / "set" / "images").glob("*.png"))
        if len(made) != 2 or not (away / "demo" / "evaluation" / "report.html").is_file():
            raise SystemExit(f"generate or demo left no result: {made}")
    say("generate and demo ran from the wheel alone")


def check_vulnerabilities() -> None:
    """None is known of the pinned versions. What the index does not answer for is said, and is no failure."""
    words = [sys.executable, "-m", "pip_audit", "-r", "constraints.txt", "--no-deps", "--disable-pip", "-f", "json"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        say(f"pip-audit: NOT CHECKED, no answer: {done.stderr.strip().splitlines()[-1:]}")
        return
    hurt = [f"{one['name']} {one['version']}: {fault['id']}" for one in packages for fault in one.get("vulns", [])]
    if hurt:
        raise SystemExit("pip-audit: known vulnerabilities\n" + "\n".join(hurt))
    unknown = sum("skip_reason" in one for one in packages)
    if unknown < len(packages):
        say(f"pip-audit: nothing known against {len(packages) - unknown} packages")
    if unknown:
        say(f"pip-audit: {unknown} packages NOT CHECKED, the index does not answer for them")


def main() -> None:
    """All of it; the first thing that is wrong ends it."""
    for old in DIST.glob("retinasynth-*"):
        old.unlink()
    run([sys.executable, "-m", "build", "--outdir", DIST, ROOT], ROOT)
    wheel, sdist = next(DIST.glob("*.whl")), next(DIST.glob("*.tar.gz"))
    check_contents(wheel, sdist)
    say(run([sys.executable, "-m", "twine", "check", "--strict", wheel, sdist], ROOT).strip())
    check_vulnerabilities()
    check_installed(wheel)
    say("Fit for release.")


if __name__ == "__main__":
    main()

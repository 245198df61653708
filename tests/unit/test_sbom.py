"""`make sbom` lists what the image has in it, each package with its version."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PINNED = re.compile(r"^([a-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE | re.IGNORECASE)


def test_every_locked_package_is_listed_with_its_version(tmp_path: Path) -> None:
    [recipe] = re.findall(r"^sbom:.*\n\t(.*\\\n.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    command = recipe.replace("\\\n", " ").replace("$(BIN)/python", sys.executable)
    command = command.replace("sbom.json", str(tmp_path / "sbom.json"))

    subprocess.run(command.split(), cwd=ROOT, check=True)

    listed = json.loads((tmp_path / "sbom.json").read_text())
    found = {(one["name"], one["version"]) for one in listed["components"]}
    assert listed["bomFormat"] == "CycloneDX"
    assert found == set(_PINNED.findall((ROOT / "requirements" / "runtime.txt").read_text()))

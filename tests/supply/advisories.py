"""Ask OSV whether anything that the image has is known to be vulnerable, with pip-audit; `make check` runs it.

Where OSV cannot be reached this says so, and fails nothing: who works on a train must be able to commit. It fails for a
vulnerability alone.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
LOCKED = ROOT / "requirements" / "runtime.txt"
SOURCE = "https://api.osv.dev/v1/query"
REACH_SECONDS, ANSWER_SECONDS, LONGEST_SECONDS = 3, 5, 120
CODES_OF_ANSWERS = range(200, 300)
PROBE = {"package": {"name": "muster-asks", "ecosystem": "PyPI"}, "version": "0"}


def main(source: str = SOURCE, locked: Path = LOCKED) -> int:
    """Print what was found; return 1 when something is vulnerable."""
    if not _is_reachable(source):
        return _unknown(f"{source} cannot be reached")
    try:
        done = subprocess.run(_command(source, locked), capture_output=True, timeout=LONGEST_SECONDS, check=False)
        asked = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError, KeyError):
        return _unknown(f"{source} gave no answer")
    found = list(_vulnerable(asked))
    for line in found:
        print(f"advisories: {line}")
    if not found:
        print(f"advisories: none for the {len(asked)} packages of {locked.name}")
    return 1 if found else 0


def _is_reachable(source: str) -> bool:
    try:
        return httpx.post(source, json=PROBE, timeout=REACH_SECONDS).status_code in CODES_OF_ANSWERS
    except httpx.HTTPError:
        return False


def _command(source: str, locked: Path) -> list[str]:
    """What is locked with hashes need not be resolved: nothing is downloaded and nothing is run."""
    options = ["--require-hashes", "--disable-pip", "--progress-spinner", "off", "--timeout", str(ANSWER_SECONDS)]
    service = ["--vulnerability-service", "osv", "--osv-url", source, "--format", "json"]
    return [sys.executable, "-m", "pip_audit", "--requirement", str(locked), *options, *service]


def _vulnerable(asked: list[dict[str, Any]]) -> Iterator[str]:
    for package in asked:
        for each in package.get("vulns", ()):
            mended = ", ".join(each.get("fix_versions", ())) or "no version yet"
            yield f"{package['name']} {package['version']} has {each['id']}; mended in {mended}"


def _unknown(why: str) -> int:
    print(f"advisories: not asked for, since {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

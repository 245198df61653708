"""Tell whoever started this process that it is at work: it touches the file that was named for that."""

from collections.abc import Mapping
from pathlib import Path

VARIABLE = "MUSTER_READY_FILE"


def tell(environ: Mapping[str, str]) -> None:
    """Touch the file that the environment names, if it names one."""
    name = environ.get(VARIABLE)
    if name:
        Path(name).touch()

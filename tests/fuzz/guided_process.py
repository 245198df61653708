"""The process that `guided` starts: atheris, a parser whose code it watches, and a folder to begin with."""

import sys

import atheris

with atheris.instrument_imports(include=["shared.scim", "services.gateway", "services.directory.portal.cursors"]):
    from tests.fuzz import guided, parsers


def main(name: str, count: str, seed: str, folder: str) -> None:
    """Give a parser so many texts; the process ends with another status than 0 as soon as it trips over one."""
    parser = parsers.ALL[name]

    def once(given: bytes) -> None:
        parsers.check(parser, given.decode(errors="replace"))

    options = [f"-runs={count}", f"-seed={seed}", f"-max_len={guided.LONGEST}", "-timeout=60", "-rss_limit_mb=2048"]
    atheris.Setup([sys.argv[0], *options, folder], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:5])

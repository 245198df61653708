"""The process that sends load: it reads what to send from standard input, and writes what came back."""

import pickle
import sys

from bench import generator


def main() -> None:
    """Send, and tell."""
    loads = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started this one.
    pickle.dump(generator.run(loads), sys.stdout.buffer)


if __name__ == "__main__":
    main()

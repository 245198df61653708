"""Arm the process that drains for a gateway: Python imports this by its name, where this folder is in its path."""

import sys

if sys.orig_argv[1:3] == ["-m", "services.gateway.draining"]:
    from tests.faults import armed

    armed.arm()

#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""run.py VMHANG [--only exits|libvirt]: what vmhang must do on live VMs besides diagnosing the lab's scenarios.

`vmhang exits` on real VMs (exits.py), and libvirt domains under a real libvirtd (domains.py). The scenarios
themselves are played by lab/run. Prints a table and, last, the counts. Exit status 1 where one failed.
"""
import argparse
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent.parent / "lab"), str(HERE)]

import domains  # noqa: E402
import exits  # noqa: E402
from checks import Vmhang  # noqa: E402
from pool import interrupts_as_exceptions  # noqa: E402
from table import Table  # noqa: E402

TESTS = {"exits": exits.run, "libvirt": domains.run}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vmhang")
    parser.add_argument("--only", nargs="+", choices=TESTS, default=list(TESTS))
    arguments = parser.parse_args()
    interrupts_as_exceptions()
    vmhang, table = Vmhang(arguments.vmhang), Table()
    for name in arguments.only:
        TESTS[name](vmhang, table)
    return table.end()


if __name__ == "__main__":
    sys.exit(main())

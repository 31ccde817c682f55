#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""hog.py CPU [PRIORITY]: takes a CPU for itself; with PRIORITY as a real-time (FIFO) thread."""
import os
import sys

os.sched_setaffinity(0, {int(sys.argv[1])})
if len(sys.argv) > 2:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(int(sys.argv[2])))
while True:
    pass

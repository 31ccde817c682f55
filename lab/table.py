# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table that a run prints: a row a play as it ends, and at the end the counts, which scripts/check reads."""


class Table:
    MARKS = {"passed": "ok  ", "failed": "FAIL", "skipped": "skip"}

    def __init__(self):
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        print(f"{'scenario':30} {'expected':44} {'got':60} seconds", flush=True)

    def row(self, outcome, name, expected, got, seconds=None, problems=()):
        self.counts[outcome] += 1
        self.show(self.MARKS[outcome], name, expected, got, seconds, problems)

    @staticmethod
    def show(mark, name, expected, got, seconds=None, lines=()):
        """A row that is not counted."""
        print(f"{mark} {name:25} {expected:44} {got:60} "
              + (f"{seconds:4.1f}" if seconds is not None else ""), flush=True)
        for line in lines:
            print(f"     {name}: {line}", flush=True)

    def end(self):
        """Prints the counts; returns the exit status."""
        print(", ".join(f"{number} {outcome}" for outcome, number in self.counts.items()))
        return 1 if self.counts["failed"] else 0

#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every JSON report is as docs/report.schema.json says, and the schema says something.

Usage: schema.py SCHEMA DUMP VMHANG CASE...
DUMP prints reports, one a line; VMHANG makes one of each saved CASE.
"""
import copy
import json
import pathlib
import re
import subprocess
import sys

try:
    import jsonschema
except ImportError:
    print("no jsonschema (python3-jsonschema): skipped")
    sys.exit(77)

# What must not reach a terminal, whoever prints the string.
HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def strings(value, path=""):
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from strings(item, f"{path}/{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from strings(item, f"{path}/{number}")


def problems(validator, of_exits, report):
    for error in validator.iter_errors(report):
        yield f"{'/'.join(map(str, error.path))}: {error.message[:200]}"
    if report["exits"]:
        for error in of_exits.iter_errors(report["exits"]):
            yield f"exits/{'/'.join(map(str, error.path))}: {error.message[:200]}"
    for path, text in strings(report):
        if HARMFUL.search(text):
            yield f"{path}: not escaped: {text!r}"
    evidence = len(report["evidence"])
    for fact in report["facts"]:
        for index in fact["evidence"]:
            if index >= evidence:
                yield f"fact {fact['id']} names evidence {index} of {evidence}"


def broken(report):
    """Reports that are wrong in one place each."""
    def change(path, value):
        wrong = copy.deepcopy(report)
        at = wrong
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
        return path, wrong

    yield change(["schema"], "vmhang.report/2")
    yield change(["extra"], 1)
    yield change(["vm", "extra"], 1)
    yield change(["vm", "name"], None)
    yield change(["verdict", "hung"], "yes")
    yield change(["verdict", "state"], "odd")
    yield change(["verdict", "confidence"], "sure")
    yield change(["verdict", "cause"], None if report["verdict"]["cause"] else "some-cause")
    yield change(["verdict", "for"], {})
    yield change(["window_ns"], -1)
    yield change(["threads"], None)
    for key in report:
        wrong = copy.deepcopy(report)
        del wrong[key]
        yield [key], wrong


def main():
    schema, dump, vmhang, *cases = sys.argv[1:]
    with open(pathlib.Path(schema).with_name("exits.schema.json"), encoding="utf-8") as file:
        exits_schema = json.load(file)
    with open(schema, encoding="utf-8") as file:
        schema = json.load(file)
    kind = getattr(jsonschema, "Draft202012Validator", None)
    if not kind:
        print("this jsonschema is too old: skipped")
        return 77
    kind.check_schema(schema)
    validator, of_exits = kind(schema), kind(exits_schema)
    lines = subprocess.run([dump], check=True, capture_output=True).stdout.splitlines()
    reports = [(f"dump line {n}", line) for n, line in enumerate(lines, 1)]
    for case in cases:
        run = subprocess.run([vmhang, "analyze", "--json", case], capture_output=True, check=False)
        if run.returncode > 2 or run.stderr:
            print(f"{case}: exit status {run.returncode}: {run.stderr.decode()}")
            return 1
        reports.append((case, run.stdout))
    failures = 0
    for name, text in reports:
        report = json.loads(text)
        for problem in problems(validator, of_exits, report):
            print(f"{name}: {problem}")
            failures += 1
        for path, wrong in broken(report):
            if validator.is_valid(wrong):
                print(f"{name}: the schema accepts a wrong {'/'.join(path)}")
                failures += 1
    if not any(json.loads(text)["exits"] for _, text in reports):
        print("no report has exits")
        failures += 1
    print(f"{len(reports)} reports, {failures} problems")
    return 1 if failures or len(reports) < 6 + len(cases) else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""run.py VMHANG: analyses each pasted text of texts/, and holds the report against expected.json.

An expectation has: cause (null: could not tell), hung, confidence; read (recognisers that must have found
something); facts (ids that must hold); others (causes that must be among the further ones); name, pid, vcpus,
memory_bytes, confidential, isa, registers_are_guest; vms (reports, 1 unless told); status (the exit status where
nothing is recognised); unread (lines of which at least one must be told as not understood). The case that --save writes
must give the same verdict. Prints a table and, last, the counts.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = 20  # seconds; the sanitizers make it slow


def run(vmhang, *arguments):
    return subprocess.run([vmhang, "analyze", *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=LIMIT)


def objects(text):
    """The JSON texts that stand one behind the other."""
    decoder, at, found = json.JSONDecoder(), 0, []
    while at < len(text.rstrip()):
        value, at = decoder.raw_decode(text, at)
        found.append(value)
        while at < len(text) and text[at].isspace():
            at += 1
    return found


def validators():
    """Of the report, and of the exits in it; none where there is no jsonschema."""
    try:
        import jsonschema
    except ImportError:
        return []
    docs = HERE.parent.parent / "docs"
    return [jsonschema.Draft202012Validator(json.loads((docs / name).read_text()))
            for name in ("report.schema.json", "exits.schema.json")]


def against_schemas(report):
    for validator, value in zip(VALIDATORS, (report, report["exits"])):
        for error in validator.iter_errors(value) if value else ():
            yield f"{'/'.join(map(str, error.path))}: {error.message[:200]}"


VALIDATORS = validators()


def got(report):
    verdict, vm = report["verdict"], report["vm"]
    values = {key: verdict[key] for key in ("cause", "hung", "confidence", "state")}
    values |= {key: vm[key] for key in ("name", "pid", "memory_bytes", "confidential")}
    values["vcpus"] = len(report["vcpus"])
    values["isa"] = report["exits"]["isa"] if report["exits"] else None
    values["registers_are_guest"] = any(
        vcpu["registers_are_guest"] for vcpu in report["vcpus"])
    return values


def sets(report):
    files = report["pasted"] or []
    return {
        "read": {block["by"] for file in files for block in file["read"]},
        "facts": {fact["id"] for fact in report["facts"]},
        "others": {cause["cause"] for cause in report["others"]},
    }


def compare(expect, report):
    values, found = got(report), sets(report)
    for key, value in expect.items():
        if key in values and values[key] != value:
            yield f"{key} is {values[key]}, not {value}"
        for item in (value if key in found else ()):
            if item not in found[key]:
                yield f"{key}: no {item} (but {', '.join(sorted(found[key])) or 'nothing'})"
    unread = [(r["from"], r["to"]) for file in report["pasted"] or [] for r in file["unread"]]
    for line in expect.get("unread", ()):
        if not any(a <= line <= b for a, b in unread):
            yield f"line {line} is not told as not understood ({unread})"


def same_from_case(vmhang, path, report):
    """The saved case must give the same report, but for the evidence's own numbers."""
    with tempfile.TemporaryDirectory(prefix="vmhang-pasted-", dir="/tmp") as scratch:
        saved = os.path.join(scratch, "case.vmhang")
        run(vmhang, "--save", saved, path)
        again = json.loads(run(vmhang, "--json", saved).stdout)
    if again != report:
        keys = [key for key in report if report[key] != again.get(key)]
        yield f"the saved case gives another report: {', '.join(keys)}"


def check(vmhang, row):
    path, expect = HERE / "texts" / (row["name"] + ".txt"), row["expect"]
    done = run(vmhang, "--json", path)
    if "status" in expect:
        wrong = done.returncode != expect["status"]
        return [f"exit status is {done.returncode}"] if wrong else [], "nothing recognised"
    try:
        reports = objects(done.stdout.decode())
    except ValueError:
        return [f"no JSON: {done.stderr.decode(errors='replace').strip()[-1500:]}"], "-"
    if len(reports) != expect.get("vms", 1):
        return [f"{len(reports)} reports: {done.stderr.decode(errors='replace')[-500:]}"], "-"
    problems = list(compare(expect, reports[0]))
    for report in reports:
        problems += against_schemas(report)
    if len(reports) == 1:
        problems += same_from_case(vmhang, path, reports[0])
    hung = reports[0]["verdict"]["hung"]
    if len(reports) == 1 and done.returncode != {True: 1, False: 0, None: 2}[hung]:
        problems.append(f"exit status is {done.returncode} with hung {hung}")
    text = run(vmhang, "-v", path)
    if text.returncode != done.returncode or b"Read in the text" not in text.stdout:
        problems.append("the text report does not say what it read")
    v = reports[0]["verdict"]
    return problems, f"{v['cause'] or 'unknown'} ({v['state']}, {v['confidence']})"


def main():
    vmhang = os.path.abspath(sys.argv[1])
    rows = json.loads((HERE / "expected.json").read_text())
    failed = passed = 0
    unlisted = {p.stem for p in (HERE / "texts").glob("*.txt")} - {row["name"] for row in rows}
    for row in rows:
        began = time.monotonic()
        try:
            problems, found = check(vmhang, row)
        except subprocess.TimeoutExpired:
            problems, found = [f"no end within {LIMIT} s"], "-"
        passed, failed = passed + (not problems), failed + bool(problems)
        print(f"{'FAIL' if problems else 'ok  '} {row['name']:26} {found:58} "
              f"{time.monotonic() - began:4.1f}", flush=True)
        for problem in problems:
            print(f"     {row['name']}: {problem}")
    for name in sorted(unlisted):
        failed += 1
        print(f"FAIL {name}: not in expected.json")
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

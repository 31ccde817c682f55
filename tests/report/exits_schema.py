#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every line of `vmhang exits --json` is as docs/exits.schema.json says, and the schema says something.

Usage: exits_schema.py SCHEMA VMHANG FILE...
FILE holds intervals for --replay.
"""
import copy
import json
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
VARIANTS = ([], ["--vcpu", "0"], ["--vcpu", "77"], ["--event", "ioport"], ["--sort", "name"])


def strings(value, path=""):
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield f"{path}/{key}", key
            yield from strings(item, f"{path}/{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from strings(item, f"{path}/{number}")


def broken(interval):
    """Intervals that are wrong in one place each."""
    def change(path, value):
        wrong = copy.deepcopy(interval)
        at = wrong
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
        return path, wrong

    yield change(["schema"], "vmhang.exits/2")
    yield change(["extra"], 1)
    yield change(["backend"], "magic")
    yield change(["span_ns"], 0)
    yield change(["lost"], -1)
    yield change(["vm", "name"], None)
    yield change(["total", "split", "guest"], 1.5)
    yield change(["total", "vcpu"], -1)
    for key in interval:
        wrong = copy.deepcopy(interval)
        del wrong[key]
        yield [key], wrong
    for kind in ("rows", "keys"):
        for row in interval["total"][kind][:1]:
            for key in row:
                wrong = copy.deepcopy(interval)
                del wrong["total"][kind][0][key]
                yield ["total", kind, key], wrong


def main():
    schema, vmhang, *files = sys.argv[1:]
    with open(schema, encoding="utf-8") as file:
        schema = json.load(file)
    kind = getattr(jsonschema, "Draft202012Validator", None)
    if not kind:
        print("this jsonschema is too old: skipped")
        return 77
    kind.check_schema(schema)
    validator = kind(schema)
    count = failures = 0
    for name in files:
        for variant in VARIANTS:
            run = subprocess.run([vmhang, "exits", "--json", "--replay", name, *variant],
                                 capture_output=True, check=False)
            if run.returncode or run.stderr:
                print(f"{name} {variant}: exit status {run.returncode}: {run.stderr.decode()}")
                return 1
            for line in run.stdout.splitlines():
                interval = json.loads(line)
                found = [f"{'/'.join(map(str, e.path))}: {e.message[:200]}"
                         for e in validator.iter_errors(interval)]
                found += [f"{path}: not escaped: {text!r}" for path, text in strings(interval)
                          if HARMFUL.search(text)]
                found += [f"the schema accepts a wrong {'/'.join(path)}"
                          for path, wrong in broken(interval) if validator.is_valid(wrong)]
                for problem in found:
                    print(f"{name} {variant}: {problem}")
                count += 1
                failures += len(found)
    print(f"{count} intervals, {failures} problems")
    return 1 if failures or count < len(files) * len(VARIANTS) else 0


if __name__ == "__main__":
    sys.exit(main())

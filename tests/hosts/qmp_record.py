#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Records what a QEMU answers to every question that vmhang may ask, as a script for qmp_server.py.

Usage: qmp_record.py SOCKET > SCRIPT.json
"""
import json
import socket
import sys

COMMANDS = [
    ("query-status", None), ("query-version", None), ("query-cpus-fast", None),
    ("query-blockstats", None), ("query-name", None), ("query-uuid", None), ("query-kvm", None),
    ("query-chardev", None), ("query-migrate", None), ("query-balloon", None),
    ("query-block-jobs", None), ("query-dump", None),
    ("query-iothreads", None), ("query-block", None),
    ("query-stats", {"target": "vm"}), ("query-stats", {"target": "vcpu"}),
    ("qom-get", {"path": "/machine", "property": "confidential-guest-support"}),
]


def main():
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(5)
    sock.connect(sys.argv[1])
    stream = sock.makefile("rwb")

    def ask(command, arguments=None):
        message = {"execute": command}
        if arguments:
            message["arguments"] = arguments
        stream.write(json.dumps(message).encode() + b"\n")
        stream.flush()
        while True:
            reply = json.loads(stream.readline())
            if "event" not in reply:
                return reply

    script = {"greeting": json.loads(stream.readline()), "answers": {}, "hmp": {}}
    ask("qmp_capabilities")
    for command, arguments in COMMANDS:
        key = command if not arguments else command + " " + list(arguments.values())[-1]
        script["answers"][key] = ask(command, arguments)
    vcpus = len(script["answers"]["query-cpus-fast"]["return"])
    for cpu in range(vcpus):
        for line in ("info registers", "info lapic", "info pic", "info mtree -f"):
            reply = ask("human-monitor-command", {"command-line": line, "cpu-index": cpu})
            script["hmp"][f"{line}@{cpu}"] = reply["return"]
    json.dump(script, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()

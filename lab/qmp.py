# SPDX-License-Identifier: LGPL-2.1-or-later
"""The lab's own QMP client: small, and with a deadline on everything."""
import json
import re
import socket
import time


class QmpError(Exception):
    pass


class Qmp:
    def __init__(self, path, seconds=10):
        self.buffer = b""
        self.events = []
        self.socket = socket.socket(socket.AF_UNIX)
        self._connect(str(path), time.monotonic() + seconds)
        self._message(time.monotonic() + seconds)
        self.ask("qmp_capabilities", seconds=seconds)

    def _connect(self, path, deadline):
        while True:
            try:
                return self.socket.connect(path)
            except (FileNotFoundError, ConnectionRefusedError) as error:
                if time.monotonic() > deadline:
                    raise QmpError(f"{path}: {error}") from error
                time.sleep(0.01)

    def _message(self, deadline):
        while b"\n" not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise QmpError("no answer in time")
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except socket.timeout as error:
                raise QmpError("no answer in time") from error
            if not data:
                raise QmpError("the monitor was closed")
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def send(self, command, **arguments):
        """Asks, and does not wait for the answer."""
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())

    def ask(self, command, seconds=10, **arguments):
        self.send(command, **arguments)
        deadline = time.monotonic() + seconds
        while True:
            message = self._message(deadline)
            if "event" in message:
                self.events.append(message["event"])
            elif "error" in message:
                raise QmpError(f"{command}: {message['error']['desc']}")
            else:
                return message["return"]

    def ask_at_once(self, *commands):
        """Asks one right behind the other, and waits for all of the answers."""
        for command in commands:
            self.send(command)
        deadline, answers = time.monotonic() + 10, 0
        while answers < len(commands):
            answers += "event" not in self._message(deadline)

    def status(self):
        return self.ask("query-status")["status"]

    def human(self, line, cpu=0):
        return self.ask("human-monitor-command", **{"command-line": line, "cpu-index": cpu})

    def halted(self, cpu=0):
        return "HLT=1" in self.human("info registers", cpu)

    def screen(self):
        """The rows of the VGA text screen, 80x25, from guest memory."""
        words = re.findall(r"0x([0-9a-f]{4})\b", self.human("xp /2000hx 0xb8000"))
        text = "".join(chr(int(word, 16) & 0xFF) for word in words)
        return "\n".join(text[i:i + 80].rstrip("\0 ") for i in range(0, len(text), 80)).strip()

    def close(self):
        self.socket.close()

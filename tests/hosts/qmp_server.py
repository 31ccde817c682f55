#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A QMP server that plays a script, and misbehaves where the script says so.

Usage: qmp_server.py SOCKET SCRIPT.json [KEY=BEHAVIOUR[:NUMBER]]...

SCRIPT.json is what qmp_record.py wrote: "greeting", "answers" by command (query-stats and qom-get by
"COMMAND ARGUMENT") and "hmp" by "LINE@CPU". KEY is "greeting", a command, or an HMP line; from its
NUMBERth occurrence on (1 without) it is answered by BEHAVIOUR:

  stall         nothing, ever                        half         half of the answer, then nothing
  close         closes instead of answering          half-close   half of the answer, then closes
  exit          the process dies                     wrong-id     the answer with another id
  no-id         the answer without its id            strays       answers to nothing, then the answer
  events        300 events, then the answer          flood        events without end
  long          one message of 100 MB                values       one message of millions of values
  deep          nested 5000 deep                     bad-utf8     bytes that are not UTF-8
  huge          numbers beyond 64 bits               garbage      no JSON at all
  list          JSON that is no object               error        an error answer
  empty         "return": {}                         null         "return": null
  io-error      query-status of a VM that an I/O error paused
  slow          the answer, 200 ms late              bytes        the answer, a byte at a time

A script may have "forbidden": commands and HMP lines that must never be asked of such a VM. One
that is asked all the same is written to SOCKET.forbidden, and the server dies as QEMU might.

Prints "ready" when it listens. Ends when standard input does.
"""
import json
import os
import socket
import sys
import threading
import time


class Server:
    def __init__(self, script, behaviours, path=None):
        self.script = script
        self.forbidden = path + ".forbidden" if path else None
        self.behaviours = {}
        self.seen = {}
        for text in behaviours:
            key, _, behaviour = text.rpartition("=")
            name, _, number = behaviour.partition(":")
            self.behaviours[key] = (name, int(number or 1))

    def behaviour(self, key):
        self.seen[key] = self.seen.get(key, 0) + 1
        name, first = self.behaviours.get(key, ("", 1))
        return name if self.seen[key] >= first else ""

    def refuse_forbidden(self, asked):
        if asked not in self.script.get("forbidden", []):
            return
        with open(self.forbidden, "a", encoding="utf-8") as file:
            file.write(asked + "\n")
        os._exit(3)

    def reply(self, request):
        """The answer to a request, and the key by which a behaviour is looked up."""
        command = request.get("execute", "")
        arguments = request.get("arguments", {})
        self.refuse_forbidden(arguments.get("command-line", command))
        if command == "qmp_capabilities":
            return {"return": {}}, command
        if command == "human-monitor-command":
            line = arguments.get("command-line", "")
            cpu = arguments.get("cpu-index", 0)
            text = self.script["hmp"].get(f"{line}@{cpu}", f"unknown command: '{line}'\r\n")
            return {"return": text}, line
        key = command
        if arguments:
            key += " " + str(list(arguments.values())[-1])
        error = {"class": "CommandNotFound", "desc": f"The command {command} has not been found"}
        return dict(self.script["answers"].get(key, {"error": error})), key

    def serve(self, client):
        if not self.send(client, self.script["greeting"], self.behaviour("greeting")):
            return
        for line in client.makefile("rb"):
            request = json.loads(line)
            answer, key = self.reply(request)
            if "id" in request:
                answer["id"] = request["id"]
            if not self.send(client, answer, self.behaviour(key)):
                return

    @staticmethod
    def send(client, message, behaviour):
        """Plays one message; False where the connection is over."""
        text = json.dumps(message).encode() + b"\r\n"
        event = {"timestamp": {"seconds": 1, "microseconds": 2}, "event": "RTC_CHANGE"}
        event = json.dumps(event).encode() + b"\r\n"
        other = dict(message, id="other")
        bodies = {
            "stall": b"",
            "half": text[:len(text) // 2],
            "close": None,
            "half-close": text[:len(text) // 2],
            "wrong-id": json.dumps(other).encode() + b"\r\n",
            "no-id": json.dumps({k: v for k, v in message.items() if k != "id"}).encode(),
            "strays": (json.dumps(other).encode() + b"\r\n") * 3 + text,
            "events": event * 300 + text,
            "deep": b"[" * 5000,
            "bad-utf8": b'{"return": "\xff\xfe\x80", "id": 1}\r\n',
            "huge": b'{"return": {"status": "running", "running": true, "a": ' + b"9" * 400 +
                    b', "b": 18446744073709551615, "c": -9223372036854775809}, "id": ' +
                    json.dumps(message.get("id")).encode() + b"}\r\n",
            "garbage": b"SSH-2.0-OpenSSH_9.2p1\r\n",
            "list": b"[1, 2, 3]\r\n",
            "error": json.dumps({"id": message.get("id"), "error": {
                "class": "GenericError", "desc": "no \x1b[31mluck"}}).encode() + b"\r\n",
            "empty": json.dumps({"return": {}, "id": message.get("id")}).encode(),
            "io-error": json.dumps({"return": {"status": "io-error", "running": False},
                                    "id": message.get("id")}).encode(),
            "null": json.dumps({"return": None, "id": message.get("id")}).encode(),
        }
        if behaviour == "exit":
            os._exit(3)
        if behaviour == "long":
            client.sendall(b'{"return": "')
            for _ in range(100):
                client.sendall(b"x" * 1000000)
        if behaviour == "values":
            client.sendall(b'{"return": [')
            for _ in range(100):
                client.sendall(b"[],[1]," * 10000)
        while behaviour == "flood":
            client.sendall(event * 100)
        if behaviour == "slow":
            time.sleep(0.2)
        if behaviour == "bytes":
            for i in range(len(text)):
                client.sendall(text[i:i + 1])
            return True
        client.sendall(bodies.get(behaviour, text) or b"")
        return behaviour not in ("close", "half-close")


def end_with_stdin():
    while os.read(0, 4096):
        pass
    os._exit(0)


def main():
    path, script = sys.argv[1:3]
    with open(script, encoding="utf-8") as file:
        server = Server(json.load(file), sys.argv[3:], path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(2)
    threading.Thread(target=end_with_stdin, daemon=True).start()
    os.write(1, b"ready\n")
    while True:
        client, _ = listener.accept()
        with client:
            try:
                server.serve(client)
            except OSError:
                pass


if __name__ == "__main__":
    main()

#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""stallfs.py DIRECTORY: a FUSE file system that stops answering, as dead network storage does.

It speaks the kernel's protocol (include/uapi/linux/fuse.h) by itself and holds two files:
  ram      2 MiB of zeroes; reads of the page at 8000h are never answered
  screen   may be opened; writes are never answered
A file that is made in it, as a crash does with "core", takes no writes either.
Prints "mounted" when it is. Unmounting is left to who started it.
"""
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from process import mount  # noqa: E402

FORGET, INIT = 2, 26
LOOKUP, GETATTR, SETATTR, OPEN, READ, WRITE = 1, 3, 4, 14, 15, 16
STATFS, RELEASE, FLUSH, OPENDIR, RELEASEDIR, ACCESS, BATCH_FORGET, CREATE = 17, 18, 25, 27, 29, 34, 42, 35
ENOENT, ENOSYS = 2, 38
HEADER = struct.Struct("<IIQQIIII")  # length, opcode, unique, node, uid, gid, pid, padding
ROOT, RAM, SCREEN, CORE = 1, 2, 3, 4
FILES = {b"ram": RAM, b"screen": SCREEN}
RAM_BYTES, STALLED_PAGE, PAGE = 2 << 20, 0x8000, 4096


def attributes(node):
    """struct fuse_attr"""
    mode, size = (0o40755, 0) if node == ROOT else (0o100666, RAM_BYTES if node == RAM else 0)
    return struct.pack("<QQQ QQQ III III III I", node, size, size // 512, 0, 0, 0, 0, 0, 0,
                       0o100600 if node == CORE else mode, 1, 0, 0, 0, PAGE, 0)


def answer(opcode, node, body):
    """What to answer: bytes, a negative errno, or None for no answer ever."""
    if opcode == INIT:
        major, minor = struct.unpack_from("<II", body)
        # No read-ahead, so that only the stalled page stalls; writes of at most a page.
        return struct.pack("<IIIIHHIIHHII24x", major, min(minor, 31), 0, 0, 12, 10, PAGE, 1, 1,
                           0, 0, 0)
    if opcode == LOOKUP:
        found = FILES.get(body.rstrip(b"\0"))
        if not found:
            return -ENOENT
        return struct.pack("<QQQQII", found, 0, 60, 60, 0, 0) + attributes(found)
    if opcode in (GETATTR, SETATTR):
        return struct.pack("<QII", 60, 0, 0) + attributes(node)
    if opcode == CREATE:
        return (struct.pack("<QQQQII", CORE, 0, 60, 60, 0, 0) + attributes(CORE)
                + struct.pack("<QII", 1, 0, 0))
    if opcode in (OPEN, OPENDIR):
        return struct.pack("<QII", 1, 0, 0)
    if opcode == READ:
        _, offset, size = struct.unpack_from("<QQI", body)
        if offset <= STALLED_PAGE < offset + size:
            return None
        return bytes(max(0, min(size, RAM_BYTES - offset)))
    if opcode == WRITE:
        return None
    if opcode == STATFS:
        return struct.pack("<QQQQQIIII24x", 1024, 512, 512, 16, 8, PAGE, 255, PAGE, 0)
    if opcode in (RELEASE, RELEASEDIR, FLUSH, ACCESS):
        return b""
    return -ENOSYS


def main():
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    mount("vmhang-stall", sys.argv[1], "fuse.stall",
          f"fd={device},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()},allow_other")
    print("mounted", flush=True)
    while True:
        try:
            request = os.read(device, 1 << 20)
        except OSError:  # unmounted
            return
        _, opcode, unique, node, *_ = HEADER.unpack_from(request)
        if opcode in (FORGET, BATCH_FORGET):
            continue
        reply = answer(opcode, node, request[HEADER.size:])
        if reply is None:
            continue
        error, data = (reply, b"") if isinstance(reply, int) else (0, reply)
        try:
            os.write(device, struct.pack("<IiQ", 16 + len(data), error, unique) + data)
        except OSError:  # the request was given up meanwhile
            pass


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: LGPL-2.1-or-later
"""Jobs side by side: each in a process of its own with a deadline, and as many at once as the host bears.

A job that is stuck, or dies, takes nothing with it but itself: what it made on a stage (lab/stage.py) ends
with it. The pool is used from one thread.
"""
import dataclasses
import json
import os
import select
import signal
import sys
import time
import traceback
import typing

import process

AT_ONCE = 6   # jobs, sleeping ones included
GRACE = 20    # seconds from "please end" to the end


@dataclasses.dataclass
class Job:
    what: typing.Any         # the owner's
    work: typing.Callable    # work() -> something that JSON holds; runs in the job's process
    cpus: float = 0.0        # of the host, that it keeps busy
    alone: bool = False      # nothing else runs beside it
    deadline: float = 240.0  # seconds
    tells: bool = False      # work(tell) instead: tell(something) comes at once, in Running.told


@dataclasses.dataclass
class Done:
    job: Job
    value: typing.Any = None  # what work() returned; None where it did not
    error: str = ""           # why not
    seconds: float = 0.0
    beside: bool = False      # another job ran at some time of it


class Plan:
    """Which job comes next. Those that take much of the host first, those that bear nobody beside them last."""

    def __init__(self, jobs, cpus, at_once=AT_ONCE):
        self.cpus, self.at_once = cpus, at_once
        # sorted() is stable: among equals, the order of the caller.
        self.waiting = sorted(jobs, key=lambda job: (job.alone, -min(job.cpus, cpus)))

    def fits(self, job, running):
        """Whether it may run beside those. A job that wants more CPUs than there are may have all of them."""
        if not running:
            return True
        if job.alone or any(other.alone for other in running) or len(running) >= self.at_once:
            return False
        return not job.cpus or sum(other.cpus for other in running) + min(job.cpus, self.cpus) <= self.cpus

    def take(self, running):
        """The next job that may run beside those, or None."""
        for job in self.waiting:
            if self.fits(job, running):
                self.waiting.remove(job)
                return job
        return None

    def add(self, job):
        """One more, the last of its kind."""
        self.waiting.append(job)
        self.waiting.sort(key=lambda job: (job.alone, -min(job.cpus, self.cpus)))


class Running:
    """A job in its process. What it has to tell while it runs (tell()) comes in `told`."""

    def __init__(self, job):
        self.job, self.began, self.data, self.ending = job, time.monotonic(), b"", None
        self.beside, self.told, self.said = False, [], None
        self.pipe, theirs = os.pipe()
        sys.stdout.flush()
        parent = os.getpid()
        self.pid = os.fork()
        if not self.pid:
            os.close(self.pipe)
            self._live(parent, theirs)
        os.close(theirs)
        os.set_blocking(self.pipe, False)
        self.ended = os.pidfd_open(self.pid)

    def _live(self, parent, pipe):
        """The job's own process; does not return. It is asked to end by SIGTERM, also when the pool dies."""
        status = 1
        try:
            self.theirs = pipe
            answer = self._answer(parent)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            self._write(answer)
            status = 0
        finally:
            os._exit(status)

    def _answer(self, parent):
        try:
            os.setsid()  # ^C is for the pool, which ends its jobs in order
            interrupts_as_exceptions()
            process.die_with_parent(signal.SIGTERM)
            if os.getppid() != parent:
                return {"error": "the pool is gone"}
            told = (self.tell,) if self.job.tells else ()
            return {"value": self.job.work(*told)}
        except KeyboardInterrupt:
            return {"error": "it was ended"}
        except Exception as error:  # the pool tells, whatever it was
            return {"error": f"{type(error).__name__}: {error}\n{traceback.format_exc()}"}

    def _write(self, message):
        data = json.dumps(message).encode() + b"\n"
        while data:
            data = data[os.write(self.theirs, data):]

    def tell(self, what):
        """Called by the job, with something that JSON holds."""
        self._write({"told": what})

    def read(self):
        """Takes what it has said so far."""
        while True:
            try:
                data = os.read(self.pipe, 65536)
            except BlockingIOError:
                break
            if not data:
                break
            self.data += data
        *lines, self.data = self.data.split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "told" in message:
                self.told.append(message["told"])
            else:
                self.said = message

    def signal(self, number):
        try:
            signal.pidfd_send_signal(self.ended, number)
        except ProcessLookupError:
            pass

    def press(self, now):
        """Ends it where its time is over: first it is asked, then killed."""
        if self.ending is None and now > self.began + self.job.deadline:
            self.stop(now)
        elif self.ending is not None and now > self.ending + GRACE:
            self.signal(signal.SIGKILL)

    def stop(self, now):
        self.ending = now
        self.signal(signal.SIGTERM)

    def done(self):
        """To be called once, when it has ended."""
        self.read()
        _, status = os.waitpid(self.pid, 0)
        os.close(self.pipe)
        os.close(self.ended)
        done = Done(self.job, seconds=time.monotonic() - self.began, beside=self.beside)
        said = self.said or {"error": f"its process ended with {os.waitstatus_to_exitcode(status)}"}
        done.value, done.error = said.get("value"), said.get("error", "")
        if self.ending is not None and done.value is None:
            done.error = f"not done within {self.job.deadline:.0f} s"
        return done


class Pool:
    """Runs jobs; on leaving, however, no process of any is left."""

    def __init__(self, jobs, cpus=None, at_once=AT_ONCE):
        self.plan = Plan(jobs, cpus or len(os.sched_getaffinity(0)), at_once)
        self.running = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def add(self, job):
        self.plan.add(job)

    def start(self):
        """Starts what may run now."""
        while job := self.plan.take([each.job for each in self.running]):
            self.running.append(Running(job))
        if len(self.running) > 1:
            for each in self.running:
                each.beside = True

    def wait(self, seconds):
        """The jobs that end within that time, or have ended."""
        poll = select.poll()
        for each in self.running:
            poll.register(each.pipe, select.POLLIN)
            poll.register(each.ended, select.POLLIN)
        ready = {number for number, _ in poll.poll(seconds * 1000)}
        for each in self.running:
            if each.pipe in ready:
                each.read()
        ended = [each for each in self.running if each.ended in ready]
        self.running = [each for each in self.running if each not in ended]
        return [each.done() for each in ended]

    def results(self):
        """Done by Done, as they come."""
        while True:
            self.start()
            if not self.running:
                return
            yield from self.wait(0.5)
            now = time.monotonic()
            for each in self.running:
                each.press(now)

    def close(self):
        """Asks all that run to end, then kills; returns when they are gone."""
        now = time.monotonic()
        for each in self.running:
            each.stop(now)
        while self.running:
            self.wait(0.5)
            for each in self.running:
                each.press(time.monotonic())


def interrupts_as_exceptions():
    """SIGINT, SIGTERM and SIGHUP become KeyboardInterrupt, so that stages are always closed."""
    def interrupt(*_):
        raise KeyboardInterrupt
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)

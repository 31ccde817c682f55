# SPDX-License-Identifier: LGPL-2.1-or-later
"""Migration in its phases, on both sides; block jobs; dumps."""
import errno
import json
import os
import signal
import socket
import threading
import time

import process
from qmp import QmpError
from scenario import Expect, Scenario
from stage import Skip

MIB = 1 << 20
RAM_IN_POSTCOPY = 256 << 10  # bytes a second: it lasts longer than anybody looks


def capable(vm, *capabilities):
    if capabilities:
        vm.qmp.ask("migrate-set-capabilities", capabilities=[
            {"capability": name, "state": True} for name in capabilities])


def migration(vm):
    return vm.qmp.ask("query-migrate")


def ram(vm):
    return migration(vm).get("ram", {})


def moved(vm):
    return ram(vm).get("transferred", 0)


def until_phase(vm, *phases, seconds=60):
    vm.stage.until(f"the migration is {phases}", lambda: migration(vm).get("status") in phases, seconds)


def until_still(vm):
    """Until its source has sent nothing for half a second."""
    def still():
        before = moved(vm)
        time.sleep(0.5)
        return before and moved(vm) == before
    vm.stage.until("nothing is sent any more", still, 30)


def stop(vm):
    os.kill(vm.pid, signal.SIGSTOP)
    vm.until_state("T")


def pair(stage, *to_args, capabilities=(), rom="dirty", **parameters):
    """Source and destination, ready."""
    to = stage.qemu("-incoming", f"unix:{stage.tmp}/migration.sock", *to_args, rom=rom, memory="64",
                    role="to")
    vm = stage.qemu(rom=rom, memory="64")
    for one in (to, vm):
        capable(one, *capabilities)
    if parameters:
        vm.qmp.ask("migrate-set-parameters", **{name.replace("_", "-"): value
                                                for name, value in parameters.items()})
    vm.until_runs() if rom != "idle" else vm.until_halted()
    return vm, to


def migrate(vm, uri=None, **more):
    vm.qmp.ask("migrate", uri=uri or f"unix:{vm.stage.tmp}/migration.sock", **more)


def diverges(stage):
    """16 MiB that change all the time, over 8 MiB a second."""
    vm, _ = pair(stage, max_bandwidth=8 * MIB)
    migrate(vm)
    stage.until("four rounds are done, and as much is left", lambda: (
        ram(vm).get("dirty-sync-count", 0) >= 4
        and ram(vm)["dirty-pages-rate"] * 4096 > ram(vm)["mbps"] * 1e6 / 8 * 0.85), 60)
    return vm


def throttled(stage):
    vm, _ = pair(stage, capabilities=("auto-converge",), max_bandwidth=4 * MIB,
                 cpu_throttle_initial=95, max_cpu_throttle=95)
    migrate(vm)
    stage.until("its vCPUs are slowed down", lambda: migration(vm).get("cpu-throttle-percentage", 0) >= 95, 60)
    return vm


def peer_stopped(stage):
    vm, to = pair(stage, max_bandwidth=8 * MIB)
    migrate(vm)
    stage.until("memory is sent", lambda: moved(vm) > MIB)
    stop(to)
    until_still(vm)
    return vm


def receives(stage):
    vm, to = pair(stage, max_bandwidth=4 * MIB)
    migrate(vm)
    stage.until("memory is sent", lambda: moved(vm) > MIB)
    until_phase(to, "active")
    return to


def receives_nothing(stage):
    vm, to = pair(stage, max_bandwidth=4 * MIB)
    migrate(vm)
    stage.until("memory is sent", lambda: moved(vm) > MIB)
    until_phase(to, "active")
    stop(vm)

    def asleep():
        before = process.switches(to.pid, to.pid)
        time.sleep(1)
        return process.switches(to.pid, to.pid) == before
    stage.until("nothing arrives", asleep, 30)
    return to


def receiving_failed(stage):
    """What comes is no VM; this QEMU was told to stay then."""
    to = stage.qemu("-incoming", "defer", rom="idle", memory="64")
    path = f"{stage.tmp}/migration.sock"
    try:
        to.qmp.ask("migrate-incoming", uri=f"unix:{path}", **{"exit-on-error": False})
    except QmpError as error:
        raise Skip("this QEMU ends itself where a migration to it fails") from error
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(path)
        peer.sendall(b"no virtual machine" * 10)
        until_phase(to, "failed")
    return to


def before_switchover(stage):
    vm, to = pair(stage, capabilities=("pause-before-switchover",), downtime_limit=60000)
    migrate(vm)
    until_phase(vm, "pre-switchover")
    return vm, to


def waits_for_switchover(stage):
    return before_switchover(stage)[0]


def last_step(stage):
    """The other side stops while all that is left is sent to it."""
    vm, to = before_switchover(stage)
    stop(to)
    vm.qmp.send("migrate-continue", state="pre-switchover")
    vm.until_wchan(("sock_alloc_send_pskb",), thread_of(vm, "live_migration", "mig/src/main"))
    return vm


def thread_of(vm, *names):
    return next(tid for tid, name in process.threads(vm.pid).items() if name in names)


def give(vm, name, descriptor):
    """Hands the VM a descriptor."""
    message = json.dumps({"execute": "getfd", "arguments": {"fdname": name}}).encode()
    vm.qmp.status()  # no event is on its way that would be taken for the answer
    socket.send_fds(vm.qmp.socket, [message], [descriptor])
    vm.qmp._message(time.monotonic() + 10)  # pylint: disable=protected-access


def into_pipe(stage, vm, name):
    """A pipe that the VM may write to; nobody reads it."""
    ours, theirs = os.pipe()
    stage.at_exit(lambda: os.close(ours))
    give(vm, name, theirs)
    os.close(theirs)
    return ours


def cancelling(stage):
    """A migration into a pipe that nobody reads: a pipe cannot be shut down."""
    vm = stage.qemu(rom="dirty", memory="64")
    vm.until_runs()
    into_pipe(stage, vm, "out")
    migrate(vm, "fd:out")
    stage.until("its thread is there", lambda: any(
        name in ("live_migration", "mig/src/main") for name in process.threads(vm.pid).values()))
    vm.until_wchan(("pipe_write",), thread_of(vm, "live_migration", "mig/src/main"))
    vm.qmp.ask("migrate_cancel")
    until_phase(vm, "cancelling")
    return vm


def nobody_answers(stage):
    """A port whose backlog is full: what would connect gets no answer."""
    listener = socket.socket()
    stage.at_exit(listener.close)
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    full = False
    while not full:
        client = socket.socket()
        stage.at_exit(client.close)
        client.settimeout(0.3)
        try:
            client.connect(listener.getsockname())
        except TimeoutError:
            full = True
    vm = stage.qemu(rom="idle")
    vm.until_halted()
    migrate(vm, "tcp:127.0.0.1:%d" % listener.getsockname()[1])
    until_phase(vm, "setup")
    return vm


def failed_while_paused(stage):
    vm, to = pair(stage, max_bandwidth=4 * MIB)
    vm.qmp.ask("stop")
    migrate(vm)
    stage.until("memory is sent", lambda: moved(vm) > MIB)
    to.popen.must_live = False
    os.kill(to.pid, signal.SIGKILL)
    until_phase(vm, "failed")
    stage.until("it stands still", lambda: vm.qmp.status() in ("paused", "postmigrate"))
    return vm


def postcopy(stage, *to_args):
    vm, to = pair(stage, *to_args, capabilities=("postcopy-ram",), max_bandwidth=4 * MIB,
                  max_postcopy_bandwidth=RAM_IN_POSTCOPY)
    migrate(vm)
    stage.until("memory is sent", lambda: moved(vm) > MIB)
    vm.qmp.ask("migrate-start-postcopy")
    until_phase(vm, "postcopy-active")
    until_phase(to, "postcopy-active")
    return vm, to


def page_from_stopped_source(stage):
    vm, to = postcopy(stage)
    stop(vm)
    to.until_wchan(("handle_userfault",), to.vcpu(), 30)
    return to


def serves(stage):
    """The VM stays paused at its destination, and asks for no page."""
    return postcopy(stage, "-S")[0]


def serves_nobody(stage):
    vm, to = postcopy(stage, "-S")
    stop(to)
    # What the socket holds takes its time at that rate.
    vm.qmp.ask("migrate-set-parameters", **{"max-postcopy-bandwidth": 0})
    until_still(vm)
    return vm


def connection_lost(stage):
    vm, to = postcopy(stage, "-S")
    vm.qmp.ask("migrate-pause")
    for one in (vm, to):
        until_phase(one, "postcopy-paused")
    return vm, to


def paused_source(stage):
    return connection_lost(stage)[0]


def paused_destination(stage):
    vm, to = postcopy(stage)
    vm.qmp.ask("migrate-pause")
    until_phase(to, "postcopy-paused")
    to.until_wchan(("handle_userfault",), to.vcpu(), 30)
    return to


def recovers(stage):
    """The destination stops while its source takes up the connection again."""
    vm, to = connection_lost(stage)
    uri = f"unix:{stage.tmp}/again.sock"
    to.qmp.ask("migrate-recover", uri=uri)
    stop(to)
    migrate(vm, uri, resume=True)
    until_phase(vm, "postcopy-recover", "postcopy-recover-setup")
    return vm


# Block jobs.

def job_of(vm):
    jobs = vm.qmp.ask("query-block-jobs")
    return jobs[0] if jobs else {}


def with_disk(stage, size=MIB):
    path = stage.tmp / "disk.img"
    path.write_bytes(os.urandom(size))
    vm = stage.qemu("-blockdev", f"driver=file,filename={path},node-name=disk0", rom="idle")
    vm.until_halted()
    return vm


def add_target(vm, size=MIB):
    path = vm.stage.tmp / "copy.img"
    with open(path, "wb") as file:
        file.truncate(size)
    return {"driver": "file", "filename": str(path)}


def mirror(vm, **more):
    vm.qmp.ask("blockdev-mirror", device="disk0", target="copy0", sync="full", **{"job-id": "copy"}, **more)


def job_without_space(stage):
    """Each write to the copy fails for want of space, by QEMU's own fault injection."""
    vm = with_disk(stage)
    vm.qmp.ask("blockdev-add", **{
        "driver": "blkdebug", "node-name": "copy0", "image": add_target(vm),
        "inject-error": [{"event": "pwritev", "iotype": "write", "errno": errno.ENOSPC}]})
    mirror(vm, **{"on-target-error": "stop"})
    stage.until("the job is paused", lambda: job_of(vm).get("io-status") == "nospace")
    return vm


def job_ready(stage):
    vm = with_disk(stage)
    vm.qmp.ask("blockdev-add", **add_target(vm), **{"node-name": "copy0"})
    mirror(vm)
    stage.until("the job is ready", lambda: job_of(vm).get("ready"))
    return vm


def job_without_storage(stage):
    """What it reads from is storage that stopped answering."""
    target = stage.stalled_files()
    vm = stage.qemu("-blockdev", f"driver=file,filename={target}/ram,node-name=disk0", rom="idle")
    vm.until_halted()
    vm.qmp.ask("blockdev-add", **add_target(vm, 2 * MIB), **{"node-name": "copy0"})
    mirror(vm)
    until_worker_waits(vm)
    return vm


def until_worker_waits(vm):
    vm.stage.until("a thread waits for storage", lambda: any(
        "request_wait_answer" in process.wchan(vm.pid, tid) for tid in process.threads(vm.pid)))


def job_without_server(stage):
    vm = with_disk(stage, 16 * MIB)
    target, path = add_target(vm, 16 * MIB), stage.tmp / "nbd.sock"
    server = stage.spawn(["qemu-nbd", "-t", "-f", "raw", "-k", path, target["filename"]])
    stage.until("the server listens", path.exists)
    vm.qmp.ask("blockdev-add", driver="nbd", server={"type": "unix", "path": str(path)},
               **{"node-name": "copy0"})
    mirror(vm, speed=MIB)
    stage.until("some of it is copied", lambda: job_of(vm).get("offset", 0) > 0)
    os.kill(server.pid, signal.SIGSTOP)
    vm.qmp.ask("block-job-set-speed", device="copy", speed=0)

    def still():
        before = job_of(vm)["offset"]
        time.sleep(0.5)
        return job_of(vm)["offset"] == before
    stage.until("the job does not move", still)
    return vm


def job_slow(stage):
    """A healthy job with a speed limit."""
    vm = with_disk(stage, 16 * MIB)
    vm.qmp.ask("blockdev-add", **add_target(vm, 16 * MIB), **{"node-name": "copy0"})
    mirror(vm, speed=64 << 10)
    stage.until("the job runs", lambda: job_of(vm).get("status") == "running")
    return vm


# Dumps.

def dumped(stage, reads):
    vm = stage.qemu(rom="dirty", memory="64")
    vm.until_runs()
    ours = into_pipe(stage, vm, "dump")
    over = threading.Event()

    def read():
        while not over.wait(0.05):
            os.read(ours, 32 << 10)

    reader = threading.Thread(target=read, daemon=True)
    if reads:
        reader.start()
        stage.at_exit(reader.join)
        stage.at_exit(over.set)
    vm.qmp.ask("dump-guest-memory", paging=False, protocol="fd:dump", detach=True)
    stage.until("the dump runs", lambda: vm.qmp.ask("query-dump")["status"] == "active"
                and vm.qmp.ask("query-dump")["completed"] > 0)
    if not reads:
        stage.until("the pipe is full", lambda: any(
            "pipe_write" in process.wchan(vm.pid, tid) for tid in process.threads(vm.pid)))
    return vm


def dump_goes_on(stage):
    return dumped(stage, True)


def dump_stands_still(stage):
    return dumped(stage, False)


RUNS = "running"

SCENARIOS = [
    Scenario("migration-diverges", "memory changes as fast as it is sent",
             Expect("migration-does-not-converge", RUNS, False, "likely"), diverges,
             accel="kvm", old_and_new=True, quick=False),
    Scenario("migration-throttles", "auto-converge leaves the guest 5 % of its time",
             Expect("guest-throttled-by-migration", "starved", True), throttled,
             accel="kvm", load=0.3, old_and_new=True, quick=False),
    Scenario("migration-peer-stopped", "the destination is stopped (SIGSTOP)",
             Expect("migration-stalled", RUNS, False), peer_stopped, accel="kvm", old_and_new=True),
    Scenario("migration-waits-for-switchover", "nobody says migrate-continue",
             Expect("migration-waits-for-switchover", "paused", True), waits_for_switchover,
             accel="kvm", load=0, old_and_new=True),
    Scenario("migration-last-step", "the destination stops within the last step",
             Expect("migration-last-step-stuck", "paused", True), last_step,
             accel="kvm", load=0, asks=False, monitor="silent", old_and_new=True),
    Scenario("migration-cancelling", "cancelled while it writes to a pipe that nobody reads",
             Expect("migration-cancelling-stuck", RUNS, False), cancelling, accel="kvm", old_and_new=True),
    Scenario("migration-nobody-answers", "the destination's port answers nothing",
             Expect("migration-waits-for-peer", RUNS, False), nobody_answers, load=0, old_and_new=True),
    Scenario("migration-failed-paused", "the destination dies while a paused VM is sent",
             Expect("migration-failed-vm-paused", "paused", True, "likely"), failed_while_paused,
             accel="kvm", load=0, old_and_new=True),
    Scenario("incoming-runs", "a destination that receives",
             Expect("incoming-migration-runs", "paused", False), receives, accel="kvm", old_and_new=True),
    Scenario("incoming-stalled", "the source of a migration is stopped (SIGSTOP)",
             Expect("incoming-migration-stalled", "paused", True), receives_nothing,
             accel="kvm", load=0, old_and_new=True),
    Scenario("incoming-failed", "what was sent is no VM",
             Expect("incoming-migration-failed", "dead", True), receiving_failed, load=0, old_and_new=True),
    Scenario("postcopy-source-stopped", "post-copy; the source is stopped, a vCPU waits for a page",
             Expect("postcopy-source-stalled", "blocked", True), page_from_stopped_source,
             accel="kvm", load=0, needs=("root",), passive=True, old_and_new=True),
    Scenario("postcopy-serves", "the source of a post-copy migration that goes on",
             Expect("postcopy-source-serves", "paused", False), serves,
             accel="kvm", load=0, needs=("root",), old_and_new=True, lasts=False),
    Scenario("postcopy-peer-stopped", "the same, and its destination is stopped",
             Expect("postcopy-source-stalled", "blocked", True), serves_nobody,
             accel="kvm", load=0, needs=("root",), old_and_new=True),
    Scenario("postcopy-paused-source", "post-copy without its connection: the source",
             Expect("postcopy-paused", "blocked", True), paused_source,
             accel="kvm", load=0, needs=("root",), old_and_new=True),
    Scenario("postcopy-paused-destination", "post-copy without its connection: the destination",
             Expect("postcopy-paused", "blocked", True), paused_destination,
             accel="kvm", load=0, needs=("root",), old_and_new=True),
    Scenario("postcopy-recovers", "post-copy takes up its connection, the other side is stopped",
             Expect("postcopy-recovers", "blocked", True), recovers,
             accel="kvm", load=0, needs=("root",), old_and_new=True),
    Scenario("job-without-space", "a mirror whose target is full",
             Expect("block-job-waits-for-error", RUNS, False), job_without_space, load=0, old_and_new=True),
    Scenario("job-ready", "a mirror that nobody completes",
             Expect("job-ready-not-completed", RUNS, False, "likely"), job_ready, load=0, old_and_new=True),
    Scenario("job-without-storage", "a mirror of storage that stopped answering",
             Expect("fuse-backend-stalled", "blocked", True, "likely", also=("block-job-stalled",)),
             job_without_storage, load=0, needs=("fuse",), old_and_new=True),
    Scenario("job-without-server", "a mirror to an NBD server that is stopped (SIGSTOP)",
             Expect("block-job-stalled", RUNS, False, "likely"), job_without_server,
             load=0, needs=("qemu-nbd",), old_and_new=True),
    Scenario("job-slow", "a mirror with a speed limit, of an idle VM",
             Expect("guest-idle", "idle", False, "likely"), job_slow, load=0, old_and_new=True),
    Scenario("dump-goes-on", "a dump of its memory into a slow pipe",
             Expect("vm-being-dumped", "paused", False), dump_goes_on,
             accel="kvm", load=0, old_and_new=True),
    Scenario("dump-stalled", "a dump of its memory into a pipe that nobody reads",
             Expect("dump-stalled", "paused", True), dump_stands_still,
             accel="kvm", load=0, old_and_new=True),
]

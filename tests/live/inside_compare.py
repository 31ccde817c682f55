# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `vmhang inside --json` tells of a guest, held against what the guest tells of itself (lab/truth.py). Each function
returns problems, in words."""
import re

# Of _text, without KASLR: CONFIG_PHYSICAL_START of x86; KIMAGE_VADDR of arm64, up to 6.4 and since.
LINK_ADDRESSES = (0xFFFFFFFF81000000, 0xFFFF800008000000, 0xFFFF800080000000)
SHOWN = 4  # of each kind of problem


def few(problems):
    return problems[:SHOWN] + ([f"and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else [])


def symbols(truth, found):
    """found: [(address, type, name)]"""
    problems = [f"symbol {i} is {found[i]}, in /proc/kallsyms {row}"
                for i, row in enumerate(truth.symbols[:len(found)]) if found[i] != row]
    if len(found) != len(truth.symbols):
        problems.append(f"{len(found)} symbols, /proc/kallsyms has {len(truth.symbols)}")
    return few(problems)


def types(truth, found):
    return [] if found == truth.btf else [f"{len(found)} bytes of types, not those of /sys/kernel/btf/vmlinux"]


def hidden(text, masked):
    """What is said where secrets stood."""
    for word in masked:
        secret = word.partition("=")[2]
        text = text.replace(secret, "*" * len(secret))
    return text


def record(told, found, masked):
    text = hidden(told.text.decode(errors="replace"), masked)
    is_told = (told.ts_us, told.level, told.facility, text)
    is_found = (found["ts_ns"] // 1000, found["level"], found["facility"], found["text"])
    return [] if is_told == is_found else [f"record {told.seq} is {is_found}, in /dev/kmsg {is_told}"]


def log(truth, inside, masked=()):
    """Every record of the guest's is there, as it is but for secrets; what came later has later numbers. masked: words
    of the command line."""
    found = {row["seq"]: row for row in inside["dmesg"]}
    numbers = [row["seq"] for row in inside["dmesg"]]
    problems = [] if numbers == sorted(set(numbers)) else ["the records are not in order"]
    for told in truth.records:
        if told.seq not in found:
            problems.append(f"record {told.seq} is not there: {told.text[:60]}")
        else:
            problems += record(told, found[told.seq], masked)
    earlier = [seq for seq in found if seq < truth.records[0].seq]
    return few(problems + ([f"records before the guest's first: {earlier}"] if earlier else []))


def kernel(truth, inside, masked=()):
    """masked: words of the command line with their values, which must not be told."""
    told = inside["kernel"]
    addresses = {name: address for address, _, name in truth.symbols}
    line = truth.text("cmdline")
    for word in masked:
        line = line.replace(word, word.partition("=")[0])
    expected = {"release": truth.release, "build_id": truth.build_id, "n_symbols": len(truth.symbols),
                "has_btf": truth.btf is not None, "has_orc": "__start_orc_unwind" in addresses,
                "taint": hex(int(truth.text("tainted")))}
    problems = [f"{key} is {told[key]}, not {value}" for key, value in expected.items() if told[key] != value]
    if int(told["kaslr_offset"] or "0", 16) not in [addresses["_text"] - link for link in LINK_ADDRESSES]:
        problems.append(f"kaslr_offset is {told['kaslr_offset']}, _text is at {addresses['_text']:#x}")
    if not told["banner"] or truth.text("version").strip() != told["banner"].strip():
        problems.append(f"banner is {told['banner']!r}, not {truth.text('version').strip()!r}")
    for word in line.split():
        if word not in (told["command_line"] or ""):
            problems.append(f"{word} of the command line is not in {told['command_line']!r}")
    return problems


def uptime(truth, inside, seconds):
    """seconds: since it has told, at most."""
    told = inside["kernel"]["uptime_ns"]
    least = float(truth.text("uptime").split()[0])
    if told is None or not least <= told / 1e9 <= least + seconds:
        return [f"uptime is {told} ns, not {least} to {least + seconds} s"]
    return []


def modules(truth, inside):
    found = {row["name"]: int(row["gva"], 16) for row in inside["modules"]}
    told = {name: address for name, (_, address) in truth.modules.items()}
    return [] if found == told else [f"modules are {found}, in /proc/modules {told}"]


def task_name(name):
    """/proc/PID/status adds to a worker's name what it works at."""
    return re.split(r"[-+]", name)[0] if name.startswith("kworker/") else name[:15]


def tasks(truth, inside):
    """Every task that waited is there, as it was told."""
    found = {row["pid"]: row for row in inside["tasks"]}
    problems = [] if inside["has_tasks"] else ["there is no list of tasks"]
    waiting = [task for task in truth.tasks.values() if task.state in "SDI"]
    gone = [f"{task.pid} {task.name}" for task in waiting if task.pid not in found]
    if len(gone) > 3:  # what told, and is done
        problems.append(f"tasks that are not there: {gone}")
    for task in waiting:
        row = found.get(task.pid)
        if not row:
            continue
        if task_name(task.name) != task_name(row["comm"]):
            problems.append(f"task {task.pid} is {row['comm']!r}, not {task.name!r}")
        if row["tgid"] != task.tgid:
            problems.append(f"task {task.pid} is of {row['tgid']}, not of {task.tgid}")
        if "D" in (task.state, row["state"]) and task.state != row["state"]:
            problems.append(f"task {task.pid} {task.name} is in state {row['state']}, not {task.state}")
    return few(problems)


def functions(truth, stack):
    """Names of a stack, as /proc/PID/stack has them: without the scheduler, and without user space."""
    addresses = {name: address for address, _, name in truth.symbols}
    low, high = addresses["__sched_text_start"], addresses["__sched_text_end"]
    return [frame["symbol"] for frame in stack["frames"]
            if frame["kind"] != "user" and not low <= int(frame["ip"], 16) < high]


def stacks(truth, inside, least=1):
    """Those of tasks in state D, at least so many, name the functions of /proc/PID/stack in their order."""
    found = {row["pid"]: row for row in inside["tasks"]}
    blocked = [task for task in truth.tasks.values() if task.state == "D"]
    problems = [] if len(blocked) >= least else [f"{len(blocked)} tasks in state D, not {least}"]
    for task in blocked:
        names = functions(truth, found[task.pid]["stack"]) if task.pid in found else None
        if names != task.stack:
            problems.append(f"stack of {task.pid} {task.name} is {names}, in /proc {task.stack}")
    return problems


def names(stack):
    """"spin", "spin [trouble]", ... of all frames."""
    return [(frame["symbol"] or frame["ip"]) + (f" [{frame['module']}]" if frame["module"] else "")
            for frame in stack["frames"]]


def has(stack, *wanted):
    """Those functions are in the stack, in that order."""
    left = iter(names(stack))
    return [] if all(name in left for name in wanted) else [f"the stack is {names(stack)}, without {wanted}"]

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lines of kvm events as ftrace, trace-cmd and perf script print them: from kvm_exit to the next
 * kvm_entry of a thread is one exit (arch/x86/kvm/trace.h, Linux 4.19 to 6.12). Put into the form
 * of trace.exits.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "decode/pasted.h"

#define MAX_TASKS   256
#define MAX_REASONS 128
#define MAX_KEYS    1024
#define MAX_REASON  0x500

struct counted {
	struct vh_str name; /* of the reason */
	uint64_t count, timed;
	double total_ns, min_ns, max_ns;
};
struct counted_key {
	const char *kind;
	uint64_t value, detail, count;
	struct vh_str reason; /* n 0: none */
};
struct task {
	int64_t tid;
	int vcpu; /* -1 not told */
	struct counted *reasons;
	size_t n_reasons;
	struct counted_key *keys;
	size_t n_keys;
	double exit_ns; /* when it left the guest; NAN: it is in it, or that was not seen */
	size_t last;    /* reason of that exit */
	uint64_t exits, entries;
};
struct tasks {
	struct task *list;
	size_t n;
	double first_ns, last_ns;
	bool entries, pio, mmio, msr;
};

/* The number behind a mark, "0x1f7" or decimal or, with base 16, without 0x. */
static bool number_behind(struct vh_str s, const char *mark, int base, uint64_t *value)
{
	ssize_t at = vh_str_find(s, mark);
	size_t n = 0;

	if (at < 0)
		return false;
	s = (struct vh_str){s.s + at + strlen(mark), s.n - at - strlen(mark)};
	while (n < s.n && (isxdigit((unsigned char)s.s[n]) || s.s[n] == 'x'))
		n++;
	return n && vh_parse_u64((struct vh_str){s.s, n}, base, value);
}

static struct vh_str word_behind(struct vh_str s, const char *mark)
{
	ssize_t at = vh_str_find(s, mark);
	struct vh_str word = {"", 0};

	if (at < 0)
		return word;
	s = (struct vh_str){s.s + at + strlen(mark), s.n - at - strlen(mark)};
	vh_next_word(&s, &word);
	return word;
}

/* The thread: "CPU 0/KVM-4711  [003]", perf script's "CPU 0/KVM  4711 [003]" or "4711/4711 [003]".
 */
static int64_t tid_of(struct vh_str before)
{
	size_t end = before.n, begin;
	uint64_t tid;

	while (end && isspace((unsigned char)before.s[end - 1]))
		end--;
	/* ftrace with record-tgid: "(-------)" */
	if (end && before.s[end - 1] == ')') {
		while (end && before.s[end - 1] != '(')
			end--;
		end -= end > 0;
		while (end && isspace((unsigned char)before.s[end - 1]))
			end--;
	}
	for (begin = end; begin && isdigit((unsigned char)before.s[begin - 1]);)
		begin--;
	if (begin == end ||
		!vh_parse_u64((struct vh_str){before.s + begin, end - begin}, 10, &tid) || !tid ||
		tid > INT32_MAX)
		return 0;
	return (int64_t)tid;
}

static int vcpu_in_name(struct vh_str before)
{
	uint64_t cpu;

	return number_behind(before, "CPU ", 10, &cpu) && cpu < VH_MAX_VCPUS ? (int)cpu : -1;
}

static struct task *task_get(struct tasks *t, int64_t tid)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->list[i].tid == tid)
			return &t->list[i];
	if (t->n == MAX_TASKS)
		return NULL;
	VH_PUSH(t->list, t->n) = (struct task){.tid = tid, .vcpu = -1, .exit_ns = NAN};
	return &t->list[t->n - 1];
}

static void count_key(
	struct task *t, const char *kind, uint64_t value, uint64_t detail, struct vh_str reason)
{
	for (size_t i = 0; i < t->n_keys; i++) {
		struct counted_key *k = &t->keys[i];

		if (k->value == value && k->detail == detail && vh_streq(k->kind, kind) &&
			k->reason.n == reason.n && memcmp(k->reason.s, reason.s, reason.n) == 0) {
			k->count++;
			return;
		}
	}
	if (t->n_keys < MAX_KEYS)
		VH_PUSH(t->keys, t->n_keys) = (struct counted_key){kind, value, detail, 1, reason};
}

static void take_exit(struct task *t, struct vh_str event, double at_ns)
{
	struct vh_str reason = word_behind(event, "reason ");
	uint64_t rip;
	size_t i = 0;

	if (!reason.n || reason.n > 60)
		return;
	while (i < t->n_reasons && (t->reasons[i].name.n != reason.n ||
					   memcmp(t->reasons[i].name.s, reason.s, reason.n) != 0))
		i++;
	if (i == MAX_REASONS)
		return;
	if (i == t->n_reasons)
		VH_PUSH(t->reasons, t->n_reasons) = (struct counted){.name = reason};
	t->reasons[i].count++;
	t->exits++;
	t->last = i;
	t->exit_ns = at_ns;
	if (number_behind(event, " rip ", 16, &rip) && rip)
		count_key(t, "rip", rip, 0, reason);
}

static void take_entry(struct task *t, struct vh_str event, double at_ns)
{
	uint64_t vcpu;
	double took = at_ns - t->exit_ns;

	t->entries++;
	if (number_behind(event, "vcpu ", 10, &vcpu) && vcpu < VH_MAX_VCPUS)
		t->vcpu = (int)vcpu;
	if (isnan(took) || took < 0)
		return;
	struct counted *c = &t->reasons[t->last];

	c->min_ns = c->timed ? VH_MIN(c->min_ns, took) : took;
	c->max_ns = VH_MAX(c->max_ns, took);
	c->total_ns += took;
	c->timed++;
	t->exit_ns = NAN;
}

/* "pio_write at 0x3f8 size 1 count 1", "mmio write len 4 gpa 0xfee000b0 val 0x0", "msr_write 1b =
 * 0x..." */
static void take_access(struct tasks *all, struct task *t, struct vh_str name, struct vh_str event)
{
	struct vh_str none = {"", 0};
	uint64_t value = 0, size = 0;

	if (vh_str_is(name, "kvm_pio") && number_behind(event, " at ", 16, &value)) {
		number_behind(event, "size ", 10, &size);
		count_key(t, "pio", value,
			(vh_str_find(event, "pio_write") >= 0) | (size & 0xff) << 8, none);
		all->pio = true;
	} else if (vh_str_is(name, "kvm_mmio") && number_behind(event, "gpa ", 16, &value)) {
		number_behind(event, "len ", 10, &size);
		count_key(t, "mmio", value,
			(vh_str_find(event, "write") >= 0 ? 2 : 1) | (size & 0xff) << 8, none);
		all->mmio = true;
	} else if (vh_str_is(name, "kvm_msr") &&
		   (number_behind(event, "msr_read ", 16, &value) ||
			   number_behind(event, "msr_write ", 16, &value))) {
		count_key(t, "msr", value, vh_str_find(event, "msr_write") >= 0, none);
		all->msr = true;
	}
}

static void take_line(struct tasks *all, struct vh_str line)
{
	ssize_t cpu = vh_str_find(line, " [");
	ssize_t mark = vh_str_find(line, ": kvm");
	double at;

	if (cpu <= 0 || mark <= cpu)
		return;
	struct vh_str before = {line.s, cpu}, middle = {line.s + cpu, mark - cpu}, stamp = {"", 0},
		      word;
	struct vh_str rest = {line.s + mark + 2, line.n - mark - 2}, name;

	while (vh_next_word(&middle, &word))
		stamp = word;
	int64_t tid = tid_of(before);

	if (!tid || !vh_parse_double(stamp, &at) || at < 0 || at > 1e9 ||
		!vh_next_word(&rest, &name))
		return;
	/* "kvm_exit:" or "kvm:kvm_exit:" */
	if (vh_str_starts(name, "kvm:"))
		name = (struct vh_str){name.s + 4, name.n - 4};
	if (name.n && name.s[name.n - 1] == ':')
		name.n--;
	struct task *t = task_get(all, tid);

	if (!t)
		return;
	if (t->vcpu < 0)
		t->vcpu = vcpu_in_name(before);
	all->first_ns = isnan(all->first_ns) ? at * 1e9 : VH_MIN(all->first_ns, at * 1e9);
	all->last_ns = isnan(all->last_ns) ? at * 1e9 : VH_MAX(all->last_ns, at * 1e9);
	if (vh_str_is(name, "kvm_exit")) {
		take_exit(t, rest, at * 1e9);
	} else if (vh_str_is(name, "kvm_entry")) {
		take_entry(t, rest, at * 1e9);
		all->entries = true;
	} else {
		take_access(all, t, name, rest);
	}
}

/* --- Into the form of trace.exits --------------------------------------------------------------
 */

static bool find_reason(enum vh_isa isa, struct vh_str name, uint64_t *reason)
{
	for (uint64_t r = 0; r < MAX_REASON; r++) {
		const char *known = vh_exit_reason_name(isa, r);

		if (known && vh_str_is(name, known)) {
			*reason = r;
			return true;
		}
	}
	/* "EXIT_0x78" and the like: a number that the kernel had no name for */
	return vh_str_starts(name, "0x") && vh_parse_u64(name, 0, reason);
}

static enum vh_isa isa_of(const struct tasks *all)
{
	static const enum vh_isa isas[] = {VH_ISA_VMX, VH_ISA_SVM};
	size_t known[2] = {0}, reasons = 0;
	uint64_t reason;

	for (size_t i = 0; i < all->n; i++)
		for (size_t k = 0; k < all->list[i].n_reasons; k++, reasons++)
			for (size_t q = 0; q < 2; q++)
				known[q] +=
					find_reason(isas[q], all->list[i].reasons[k].name, &reason);
	return !reasons || (!known[0] && !known[1]) ? VH_ISA_UNKNOWN
	       : known[0] >= known[1]               ? VH_ISA_VMX
						    : VH_ISA_SVM;
}

static void put_number(struct json_object *o, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	vh_json_put_text(o, key, text);
}

static struct json_object *exits_of(const struct task *t, enum vh_isa isa)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < t->n_reasons; i++) {
		const struct counted *c = &t->reasons[i];
		struct json_object *o;
		uint64_t reason;

		if (!find_reason(isa, c->name, &reason))
			continue;
		o = json_object_new_object();
		put_number(o, "reason", reason);
		vh_json_put_u64(o, "count", c->count);
		if (c->timed) {
			vh_json_put_u64(o, "timed", c->timed);
			vh_json_put_u64(o, "total_ns", (uint64_t)c->total_ns);
			vh_json_put_u64(o, "min_ns", (uint64_t)c->min_ns);
			vh_json_put_u64(o, "max_ns", (uint64_t)c->max_ns + 1);
		}
		json_object_array_add(list, o);
	}
	return list;
}

static struct json_object *keys_of(const struct task *t, enum vh_isa isa)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < t->n_keys; i++) {
		const struct counted_key *k = &t->keys[i];
		struct json_object *o = json_object_new_object();
		uint64_t reason;

		vh_json_put_text(o, "kind", k->kind);
		put_number(o, "value", k->value);
		put_number(o, "detail", k->detail);
		if (k->reason.n && find_reason(isa, k->reason, &reason))
			put_number(o, "reason", reason);
		vh_json_put_u64(o, "count", k->count);
		json_object_array_add(list, o);
	}
	return list;
}

static void add_event(struct json_object *list, const char *name, bool seen)
{
	struct json_object *o = json_object_new_object();

	vh_json_put_text(o, "name", name);
	vh_json_put_text(o, "state", seen ? "attached" : "absent");
	json_object_array_add(list, o);
}

/* Threads are vCPUs by the model's word, else by their own. */
static int vcpu_of(const struct vh_model *m, const struct task *t)
{
	const struct vh_thread *thread = vh_thread_find(m, t->tid);

	return thread && thread->vcpu >= 0 ? thread->vcpu : t->vcpu;
}

static struct json_object *to_json(
	const struct vh_model *m, const struct tasks *all, enum vh_isa isa)
{
	struct json_object *o = json_object_new_object(), *threads = json_object_new_array(),
			   *events = json_object_new_array();
	double span = all->last_ns - all->first_ns;

	vh_json_put_text(o, "backend", "traced-events");
	vh_json_put_i64(o, "span_ns", span > 0 && span < 86400e9 ? (int64_t)span : 0);
	if (isa != VH_ISA_UNKNOWN)
		vh_json_put_i64(o, "isa", isa == VH_ISA_VMX ? 1 : 2);
	for (size_t i = 0; i < all->n; i++) {
		const struct task *t = &all->list[i];
		struct json_object *one;

		if (!t->exits && !t->entries && !t->n_keys)
			continue;
		one = json_object_new_object();
		vh_json_put_i64(one, "vcpu", vcpu_of(m, t));
		vh_json_put_i64(one, "tid", t->tid);
		vh_json_put_u64(one, "entries", t->entries);
		json_object_object_add(one, "exits", exits_of(t, isa));
		json_object_object_add(one, "keys", keys_of(t, isa));
		json_object_array_add(threads, one);
	}
	add_event(events, "kvm:kvm_exit", true);
	add_event(events, "kvm:kvm_entry", all->entries);
	add_event(events, "kvm:kvm_pio", all->pio);
	add_event(events, "kvm:kvm_mmio", all->mmio);
	add_event(events, "kvm:kvm_msr", all->msr);
	json_object_object_add(o, "events", events);
	json_object_object_add(o, "threads", threads);
	return o;
}

void vh_decode_pasted_trace(struct vh_decoder *d)
{
	struct tasks all = {.first_ns = NAN, .last_ns = NAN};
	size_t begin, end;

	vh_lookup_source(&d->in, "pasted.trace", &begin, &end);
	for (size_t i = begin; i < end; i++) {
		struct vh_str text = vh_evidence_text(d->in.list[i].e), line;

		while (vh_next_line(&text, &line))
			take_line(&all, line);
	}
	if (all.n) {
		enum vh_isa isa = isa_of(&all);
		vh_auto_json struct json_object *o = to_json(d->m, &all, isa);
		vh_auto_error struct vh_error *err = NULL;

		d->m->exits = vh_exits_decode(
			vh_str(json_object_to_json_string(o)), NULL, d->m->devices, &err);
		if (d->m->exits)
			d->m->exits->evidence = d->in.list[begin].index;
	}
	for (size_t i = 0; i < all.n; i++) {
		free(all.list[i].reasons);
		free(all.list[i].keys);
	}
	free(all.list);
}

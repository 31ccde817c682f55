/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Following a guest's log for as long as the VM lives. A reset is not told to anybody outside: the
 * kernel that was followed may stay in memory for long, as it was, while the next one boots
 * elsewhere. So where the kernel is gone, or where it stands, all is looked for anew (registers,
 * RAM, kernel), and the last record that was told says whether it is the same log still.
 */
#include <errno.h>

#include "collect/look.h"

/* A kernel whose clock stands for so long is looked for anew; twice as long each time that it is
 * found to be the same: it hangs, or idles. */
#define STANDS_NS     (5 * VH_NS_PER_S)
#define STANDS_MAX_NS (60 * VH_NS_PER_S)
/* Between two such looks, which a guest may make us take. */
#define AGAIN_NS VH_NS_PER_S

/* --- What was told ----------------------------------------------------------------------------
 */

bool vh_told_goes_on(const struct vh_told *told, const struct vh_inside *in, size_t *from)
{
	const struct vh_inside_record *r = in->dmesg;

	*from = 0;
	if (!told->any)
		return true;
	while (*from < in->n_dmesg && r[*from].seq < told->seq)
		(*from)++;
	/* The oldest go away: what is left of it may begin behind what was told. */
	if (*from == 0 && in->n_dmesg && r[0].seq > told->seq)
		return r[0].ts_ns >= told->ts_ns;
	if (*from < in->n_dmesg && r[*from].seq == told->seq && r[*from].ts_ns == told->ts_ns &&
		r[*from].n == told->n && memcmp(r[*from].text, told->text, told->n) == 0) {
		(*from)++;
		return true;
	}
	*from = 0;
	return false;
}

void vh_told_take(struct vh_told *told, const struct vh_inside *in)
{
	if (!in->n_dmesg)
		return;
	const struct vh_inside_record *last = &in->dmesg[in->n_dmesg - 1];

	vh_told_free(told);
	*told = (struct vh_told){.any = true,
		.seq = last->seq,
		.ts_ns = last->ts_ns,
		.text = vh_str_dup((struct vh_str){last->text, last->n}),
		.n = last->n};
}

void vh_told_free(struct vh_told *told)
{
	free(told->text);
	*told = (struct vh_told){0};
}

/* --- Following --------------------------------------------------------------------------------
 */

struct follow {
	struct vh_host *host;
	const struct vh_vm *vm;
	const struct vh_inside_options *options;
	const struct vh_follow_records *to;
	struct vh_told told;
	int64_t stands_ns;
	bool begun;   /* a kernel was followed */
	bool enough;  /* records() said so */
	bool ended;   /* the VM */
	size_t looks; /* that were answered, since all was looked for */
	bool anew;    /* all was looked for, and which log it is has not been seen yet */
};

static bool tell(struct follow *f, const struct vh_follow_news *news)
{
	f->ended = !vh_identity_alive(f->host, &f->vm->id);
	f->enough = !f->to->records(f->to->self, news);
	return !f->enough && !f->ended;
}

static bool take_records(void *self, const struct vh_inside *in)
{
	struct follow *f = self;
	struct vh_follow_news news = {.in = in};

	f->looks++;
	/* A kernel at its begin has said nothing yet, which tells nothing. */
	if (f->anew && (in->n_dmesg || !f->told.any)) {
		bool same = vh_told_goes_on(&f->told, in, &news.from);

		news.begins = !f->begun || !same;
		if (!same)
			f->stands_ns = STANDS_NS;
		f->begun = true;
		f->anew = false;
	}
	vh_told_take(&f->told, in);
	return tell(f, &news);
}

/* Looks for all of it, and follows what is found; how that ended. */
static struct vh_inside *follow_once(struct follow *f)
{
	struct vh_case *c = vh_case_new(vh_vm_copy(f->vm));
	struct vh_evidence *e = vh_case_add(c, VH_ASKED, "guest.inside", NULL, "memory");
	struct vh_explorer_records to = {f->to->interval_ns, f->stands_ns, take_records, f};
	struct vh_collect_options collect;
	struct vh_session s;
	struct vh_session *asked = vh_look_session(&s, f->host, c, f->options, &collect);
	struct vh_look l = VH_LOOK_INIT(.host = f->host, .c = c, .s = asked, .outlook = &s.outlook,
		.options = *f->options);
	bool begun = vh_look_begin(&l, e);
	struct vh_inside *in;

	/* Nobody else gets at the monitor while a session is open. */
	vh_session_end(&s);
	f->looks = 0;
	f->anew = true;
	if (begun) {
		struct vh_explorer explorer;

		vh_look_explorer(&l, &explorer);
		explorer.registers = NULL;
		in = vh_explorer_follow(&explorer, &to);
	} else {
		in = vh_inside_new(VH_INSIDE_UNREADABLE);
		in->why = vh_strdup(e->detail ? e->detail : "its memory is encrypted");
	}
	vh_look_free(&l);
	vh_case_free(c);
	return in;
}

static struct vh_error *broken_off(const struct vh_inside *in)
{
	return vh_error_new(0, "%s", in->why ? in->why : "no Linux was found");
}

/* True where it is to be looked for once more: a kernel was followed until now, or is waited for.
 */
static bool again(struct follow *f, const struct vh_inside *in)
{
	struct vh_follow_news news = {.in = in, .waits = true};

	f->ended |= !vh_identity_alive(f->host, &f->vm->id);
	if (f->enough || f->ended || !f->begun)
		return false;
	if (f->looks) {
		f->stands_ns = VH_MIN(2 * f->stands_ns, STANDS_MAX_NS);
		return true;
	}
	/* A reader that dies on what it reads does so again. */
	return in->outcome != VH_INSIDE_GAVE_UP && in->outcome != VH_INSIDE_ENCRYPTED &&
	       tell(f, &news);
}

struct vh_error *vh_collect_follow(struct vh_host *host, const struct vh_vm *vm,
	const struct vh_inside_options *options, const struct vh_follow_records *to)
{
	struct follow f = {
		.host = host, .vm = vm, .options = options, .to = to, .stands_ns = STANDS_NS};
	struct vh_inside *in = NULL;
	struct vh_error *err = NULL;

	for (bool goes_on = true; goes_on;) {
		int64_t began_ns = vh_now_ns();

		vh_inside_free(in);
		in = follow_once(&f);
		goes_on = again(&f, in);
		if (goes_on)
			vh_sleep_until_ns(began_ns + AGAIN_NS);
	}
	if (f.ended)
		err = vh_error_new(ESRCH, "the VM has ended");
	else if (!f.enough)
		err = broken_off(in);
	vh_inside_free(in);
	vh_told_free(&f.told);
	return err;
}

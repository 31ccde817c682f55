/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a recogniser is and what it works with. docs/HOWTO-recogniser.md tells how to add one.
 * Internal to paste.
 */
#pragma once

#include "paste/page.h"
#include "paste/paste.h"

/* The most of each that is kept; what is beyond is said in the index. */
#define VH_PASTE_MAX_VMS    64
#define VH_PASTE_MAX_BLOCKS 4096
#define VH_PASTE_MAX_DATA   (1U << 20) /* of one block */

enum vh_sure {              /* how a block is known for what it is */
	VH_SURE_OF_NAME,    /* it names itself: a heading, a key, a program */
	VH_SURE_OF_COMMAND, /* by the command in front of it */
	VH_SURE_OF_SHAPE    /* by its form alone: others may look like it */
};

struct vh_recogniser {
	const char *name; /* stable, for the index: "ps" */
	enum vh_sure sure;
	/* How many lines of the page, from `at` on, are a block of its kind; 0: none begins there.
	 * Looks at few lines unless one does: it is called for each line of the text. */
	size_t (*extent)(struct vh_paste *p, size_t at);
	/* Puts the block into the case. */
	void (*take)(struct vh_paste *p, size_t from, size_t n);
};

/* Surest first: of several that begin at one line the first takes it. */
extern const struct vh_recogniser *const vh_recognisers[];

extern const struct vh_recogniser vh_recognise_arm_registers, vh_recognise_command_line,
	vh_recognise_domain_xml, vh_recognise_domstate, vh_recognise_domstats, vh_recognise_dominfo,
	vh_recognise_hmp_block, vh_recognise_hmp_cpus, vh_recognise_hmp_lapic,
	vh_recognise_hmp_mtree, vh_recognise_hmp_other, vh_recognise_hmp_status,
	vh_recognise_kernel_log, vh_recognise_kvm_stat, vh_recognise_libvirt_log,
	vh_recognise_perf_kvm_stat, vh_recognise_proc_stack, vh_recognise_proc_stat,
	vh_recognise_proc_status, vh_recognise_proc_wchan, vh_recognise_ps, vh_recognise_qemu_log,
	vh_recognise_qmp, vh_recognise_registers, vh_recognise_serial_log, vh_recognise_top,
	vh_recognise_trace, vh_recognise_virsh_list;

/* Whom evidence is about, as far as the text tells. */
struct vh_paste_id {
	int64_t pid;  /* 0 unknown */
	char *name;   /* NULL unknown */
	bool libvirt; /* virsh was asked about it */
	size_t same;  /* another one that it turned out to be the same as; itself else */
};

struct vh_paste {
	const struct vh_recogniser *const *recognisers; /* vh_recognisers, but in tests */
	struct vh_page *page;                           /* the text that is looked through */
	const struct vh_recogniser *by;                 /* whose turn it is */
	struct vh_str command; /* the last one typed, while its output may last; n 0: none */
	size_t command_at;     /* its line */
	size_t base;           /* added to line indices: text within an answer (QMP) */
	unsigned depth;

	struct vh_paste_id *ids;
	size_t n_ids;
	size_t context; /* whom the text is about at the moment; SIZE_MAX: nobody was named yet */
	struct vh_paste_piece {
		struct vh_evidence *e;
		size_t id; /* SIZE_MAX: nobody named */
	} * pieces;
	size_t n_pieces;
	struct json_object *files;     /* array: the index of each text */
	struct json_object *index;     /* of this text */
	struct json_object *ids_asked; /* QMP: id -> command that was executed under it */
	char *executed;      /* QMP: the command executed last, without an answer so far */
	size_t barren;       /* lines before this one are known to begin no command line */
	size_t json_scanned; /* bytes that were looked at for JSON */
	bool overflow;
};

/* The cleaned line, trimmed; empty beyond the end. */
static inline struct vh_str vh_at(const struct vh_paste *p, size_t at)
{
	return vh_page_at(p->page, at);
}
static inline bool vh_is_prompt(const struct vh_paste *p, size_t at)
{
	return at < p->page->n && p->page->lines[at].command.n > 0;
}
/* True where the text goes on with something else: a prompt, a fence, the end. */
bool vh_ends_output(const struct vh_paste *p, size_t at);
/* The command whose output a line may be: the last one typed, unless other text came in between
 * than `within` lines. n 0: none. */
struct vh_str vh_command_of(const struct vh_paste *p, size_t at, size_t within);
/* The number that the line has in its file. */
unsigned vh_line_number(const struct vh_paste *p, size_t at);

/* Whom a block is about; 0 and n 0 where it says nothing. It stays so for what follows. */
void vh_paste_identify(struct vh_paste *p, int64_t pid, struct vh_str name);
/* Adds evidence with these bytes, found in these lines. It is p's; NULL beyond the caps. */
struct vh_evidence *vh_paste_put(struct vh_paste *p, size_t from, size_t n, enum vh_round round,
	const char *source, const char *subject, struct vh_str data);
/* The same with the text of the lines. */
struct vh_evidence *vh_paste_put_lines(struct vh_paste *p, size_t from, size_t n,
	enum vh_round round, const char *source, const char *subject);
/* VH_ASKED, or VH_ASKED_AGAIN where such an answer about the same VM is there already. */
enum vh_round vh_paste_answer_round(
	const struct vh_paste *p, const char *source, const char *subject);
/* Adds a row to the index: what these lines are. */
void vh_paste_note(struct vh_paste *p, size_t from, size_t n, const char *fmt, ...) VH_PRINTF(4, 5);
/* Recognises text that stands within an answer, as if it stood at that line. */
void vh_paste_inner(struct vh_paste *p, size_t at, struct vh_str text);

/* describe.c: what the evidence of a case says about who the VM is. */
void vh_paste_describe(struct vh_vm *vm, struct vh_case *c);
/* command_line.c: a command line as QEMU gets it: words, each with a NUL behind it. */
void vh_paste_words(struct vh_str text, struct vh_buf *out);
/* Puts one into the case; pid 0 unknown. */
void vh_paste_put_command_line(
	struct vh_paste *p, size_t from, size_t n, struct vh_str text, int64_t pid);
/* The begin of a QEMU command line in a line: where the program's word stands, -1 for nowhere. */
ssize_t vh_paste_find_qemu(struct vh_str line);
/* unread.c: lines that look like evidence, but that nobody took, into the index. */
void vh_paste_unread(struct vh_paste *p, const bool *taken);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmhang list: every virtual machine of the host, a line each. */
#include <stdio.h>

#include "api/quick.h"
#include "base/units.h"
#include "cli/command.h"

#define LIST_SCHEMA "vmhang.list/1"

struct arguments {
	bool json;
	struct vh_discover_options discover;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	(void)arg;
	switch (key) {
	case 'j':
		a->json = true;
		return 0;
	case 'L':
		a->discover.no_libvirt = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(
			state, "list takes no argument; `vmhang diagnose %s` looks at one VM", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The columns, in order. A cell is text that is not escaped yet. */
enum { LEFT, RIGHT };

struct row {
	const struct vh_vm *vm;
	const struct vh_quick *quick;
};

static char *cell_name(const struct row *r)
{
	return vh_strdup(r->vm->name);
}

/* What to look at first. */
static char *cell_mark(const struct row *r)
{
	static const char *const marks[VH_N_ATTENTION] = {
		[VH_ATTENTION_NONE] = "", [VH_ATTENTION_LOOK] = "?", [VH_ATTENTION_HUNG] = "!"};

	return vh_strdup(marks[r->quick->attention]);
}

static char *cell_pid(const struct row *r)
{
	return vh_asprintf("%d", (int)r->vm->id.pid);
}

static char *cell_vcpus(const struct row *r)
{
	return r->vm->vcpus ? vh_asprintf("%u", r->vm->vcpus) : vh_strdup("-");
}

static char *cell_memory(const struct row *r)
{
	return vh_strdup(r->vm->memory_bytes ? vh_bytes_text(r->vm->memory_bytes).s : "-");
}

static char *cell_accel(const struct row *r)
{
	return vh_strdup(vh_accel_name(r->vm->accel));
}

static char *cell_cpu(const struct row *r)
{
	double percent = r->quick->cpu_percent;

	return percent < 0 ? vh_strdup("-") : vh_asprintf("%.1f", percent);
}

static char *cell_state(const struct row *r)
{
	const char *state = vh_state_name(r->quick->state);

	return r->quick->detail[0] ? vh_asprintf("%s (%s)", state, r->quick->detail)
				   : vh_strdup(state);
}

static char *cell_uptime(const struct row *r)
{
	return vh_strdup(r->quick->uptime_ns ? vh_duration_text(r->quick->uptime_ns).s : "-");
}

/* What is out of the ordinary: another VMM than QEMU, who manages it, where it lives. */
static char *cell_remarks(const struct row *r)
{
	struct vh_buf text = {0};
	const struct vh_vm *vm = r->vm;

	if (vm->vmm == VH_VMM_OTHER && vm->exe)
		vh_buf_printf(&text, "%s, ", vm->exe);
	else if (vm->vmm != VH_VMM_QEMU)
		vh_buf_printf(&text, "%s, ", vh_vmm_name(vm->vmm));
	if (vm->confidential != VH_CONF_NONE)
		vh_buf_printf(&text, "confidential: %s, ", vh_conf_kind_name(vm->confidential));
	if (vm->libvirt.id > 0)
		vh_buf_printf(&text, "libvirt %d, ", vm->libvirt.id);
	else if (vm->libvirt.managed)
		vh_buf_puts(&text, "libvirt, ");
	if (vm->libvirt.state && !vh_streq(vm->libvirt.state, "running"))
		vh_buf_printf(&text, "%s: %s, ", vm->libvirt.state, vm->libvirt.reason);
	if (vm->in_container && !vm->libvirt.managed)
		vh_buf_puts(&text, "container, ");
	if (text.len)
		text.data[text.len -= 2] = 0;
	return vh_buf_steal(&text);
}

static const struct column {
	const char *title;
	int align;
	char *(*cell)(const struct row *r);
} columns[] = {
	{"", LEFT, cell_mark},
	{"NAME", LEFT, cell_name},
	{"PID", RIGHT, cell_pid},
	{"VCPUS", RIGHT, cell_vcpus},
	{"MEMORY", RIGHT, cell_memory},
	{"ACCEL", LEFT, cell_accel},
	{"CPU%", RIGHT, cell_cpu},
	{"STATE", LEFT, cell_state},
	{"UPTIME", RIGHT, cell_uptime},
	{"", LEFT, cell_remarks},
};
#define N_COLUMNS VH_ARRAY_SIZE(columns)

/* Characters, so that a name in another script does not push its line aside. */
static size_t width_of(const char *s)
{
	size_t width = 0;

	for (; *s; s++)
		width += ((unsigned char)*s & 0xc0) != 0x80;
	return width;
}

static void put_cell(
	struct vh_buf *out, const struct column *column, const char *text, size_t width)
{
	size_t length = width_of(text), fill = width > length ? width - length : 0;

	if (column->align == RIGHT)
		vh_buf_printf(out, "%*s%s", (int)fill, "", text);
	else
		vh_buf_printf(out, "%s%*s", text, (int)fill, "");
}

static void put_table(
	struct vh_buf *out, const struct vh_vm_list *list, const struct vh_quick *quick)
{
	char *(*cells)[N_COLUMNS] = vh_alloc((list->n + 1) * sizeof(*cells));
	size_t width[N_COLUMNS];

	for (size_t c = 0; c < N_COLUMNS; c++) {
		width[c] = strlen(columns[c].title);
		cells[0][c] = vh_strdup(columns[c].title);
		for (size_t i = 0; i < list->n; i++) {
			vh_auto_free char *raw =
				columns[c].cell(&(struct row){list->vms[i], &quick[i]});

			cells[i + 1][c] = vh_escaped(raw);
			width[c] = VH_MAX(width[c], width_of(cells[i + 1][c]));
		}
	}
	for (size_t i = 0; i <= list->n; i++) {
		for (size_t c = 0; c < N_COLUMNS; c++) {
			/* Nothing to mark, or to remark. */
			if (width[c]) {
				put_cell(out, &columns[c], cells[i][c], width[c]);
				vh_buf_puts(out, c + 1 < N_COLUMNS ? "  " : "");
			}
			free(cells[i][c]);
		}
		while (out->len && out->data[out->len - 1] == ' ')
			out->data[--out->len] = 0;
		vh_buf_putc(out, '\n');
	}
	free(cells);
}

static struct json_object *vm_json(const struct vh_vm *vm, const struct vh_quick *q)
{
	struct json_object *o = vh_vm_to_json(vm), *quick = json_object_new_object();
	char percent[32];

	vh_json_put_text(quick, "state", vh_state_name(q->state));
	vh_json_put_text(quick, "attention", vh_attention_name(q->attention));
	vh_json_put_text(quick, "detail", q->detail[0] ? q->detail : NULL);
	snprintf(percent, sizeof(percent), "%.1f", q->cpu_percent);
	json_object_object_add(quick, "cpu_percent",
		q->cpu_percent < 0 ? NULL : json_object_new_double_s(q->cpu_percent, percent));
	vh_json_put_i64(quick, "uptime_ns", q->uptime_ns);
	vh_json_put_u64(quick, "vcpus_busy", q->vcpus_busy);
	vh_json_put_u64(quick, "vcpus_seen", q->vcpus_seen);
	json_object_object_add(o, "quick", quick);
	return o;
}

static struct json_object *list_json(const struct vh_vm_list *list, const struct vh_quick *quick)
{
	struct json_object *o = json_object_new_object(), *vms = json_object_new_array(),
			   *notes = json_object_new_array();

	for (size_t i = 0; i < list->n; i++)
		json_object_array_add(vms, vm_json(list->vms[i], &quick[i]));
	for (size_t i = 0; i < list->n_notes; i++)
		json_object_array_add(notes, vh_json_text(vh_str(list->notes[i])));
	vh_json_put_text(o, "schema", LIST_SCHEMA);
	json_object_object_add(o, "vms", vms);
	json_object_object_add(o, "notes", notes);
	return o;
}

int vh_cmd_list(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{"json", 'j', NULL, 0, "Print JSON (schema " LIST_SCHEMA ")", 0},
		{"no-libvirt", 'L', NULL, 0, "Do not ask libvirt", 0},
		{0},
	};
	static const struct argp argp = {.options = options,
		.parser = parse,
		.doc = "Lists every virtual machine of this host with a quick state, from two"
		       " passive looks a moment apart. \"!\" marks what cannot get on, whatever the"
		       " guest does; \"?\" one of which a vCPU did not rest for a moment: it works,"
		       " or spins, and `vmhang diagnose VM` tells."};
	struct arguments a = {0};
	struct vh_vm_list list = {0};

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	struct vh_host *host = vh_host_create(NULL);
	struct vh_error *err = vh_discover(host, &a.discover, &list);

	if (err) {
		vh_host_destroy(host);
		return vh_cli_fail(err);
	}
	vh_auto_free struct vh_quick *quick = vh_alloc((list.n + 1) * sizeof(*quick));
	vh_auto_buf struct vh_buf text = {0};

	vh_quick_look(host, &list, 0, quick);
	if (a.json) {
		vh_auto_json struct json_object *o = list_json(&list, quick);

		vh_cli_print_json(o);
	} else {
		if (list.n)
			put_table(&text, &list, quick);
		else
			vh_buf_puts(&text, "no virtual machines found\n");
		vh_cli_print(&text);
		for (size_t i = 0; i < list.n_notes; i++)
			vh_cli_complain("%s", list.notes[i]);
	}
	vh_vm_list_free(&list);
	vh_host_destroy(host);
	return 0;
}

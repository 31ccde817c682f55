/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What virsh prints of a domain: list, domstate, dominfo, domstats, dumpxml (libvirt tools/). */
#include "paste/recogniser.h"

/* --- domstats ----------------------------------------------------------------------------------
 */

/* "vcpu.0.state=1" */
static bool is_stat(struct vh_str line)
{
	static const char *const groups[] = {"state.", "cpu.", "balloon.", "vcpu.", "net.",
		"block.", "perf.", "iothread.", "memory.", "dirtyrate.", "vm."};
	const char *equals = line.n && line.n < 4096 ? memchr(line.s, '=', line.n) : NULL;

	for (size_t i = 0; equals && i < VH_ARRAY_SIZE(groups); i++)
		if (vh_str_starts(line, groups[i]))
			return !memchr(line.s, ' ', equals - line.s);
	return false;
}
static size_t extent_domstats(struct vh_paste *p, size_t at)
{
	size_t n = vh_str_starts(vh_at(p, at), "Domain: '") ? 1 : 0;

	while (n < 20000 && is_stat(vh_at(p, at + n)))
		n++;
	return n >= 3 ? n : 0;
}
static void take_domstats(struct vh_paste *p, size_t from, size_t n)
{
	struct vh_str line = vh_at(p, from), name = {"", 0};

	if (vh_str_starts(line, "Domain: '")) {
		name = (struct vh_str){line.s + 9, line.n - 9};
		name.n -= name.n && name.s[name.n - 1] == '\'';
		vh_paste_identify(p, 0, name);
	}
	vh_paste_put_lines(
		p, from, n, vh_paste_answer_round(p, "pasted.domstats", ""), "pasted.domstats", "");
	vh_paste_note(p, from, n, "virsh domstats");
}
const struct vh_recogniser vh_recognise_domstats = {.name = "domstats",
	.sure = VH_SURE_OF_NAME,
	.extent = extent_domstats,
	.take = take_domstats};

/* --- dominfo -----------------------------------------------------------------------------------
 */

static bool is_dominfo(struct vh_str line)
{
	static const char *const keys[] = {
		"Id:", "Name:", "UUID:", "OS Type:", "State:", "CPU(s):", "CPU time:",
		"Max memory:", "Used memory:", "Persistent:", "Autostart:", "Managed save:",
		"Security model:", "Security DOI:", "Security label:", "Messages:"};

	for (size_t i = 0; i < VH_ARRAY_SIZE(keys); i++)
		if (vh_str_starts(line, keys[i]))
			return true;
	return false;
}
static size_t extent_dominfo(struct vh_paste *p, size_t at)
{
	size_t n = 0;
	bool libvirt = false;

	for (; n < 30 && is_dominfo(vh_at(p, at + n)); n++)
		libvirt |= vh_str_starts(vh_at(p, at + n), "OS Type:") ||
			   vh_str_starts(vh_at(p, at + n), "CPU(s):") ||
			   vh_str_starts(vh_at(p, at + n), "Max memory:");
	return n >= 3 && libvirt ? n : 0;
}
static void take_dominfo(struct vh_paste *p, size_t from, size_t n)
{
	vh_auto_free char *text = vh_page_text(p->page, from, n);
	struct vh_str name;

	if (vh_status_field(vh_str(text), "Name", &name))
		vh_paste_identify(p, 0, name);
	vh_paste_put_lines(p, from, n, VH_ASKED, "pasted.dominfo", "");
	vh_paste_note(p, from, n, "virsh dominfo");
}
const struct vh_recogniser vh_recognise_dominfo = {
	.name = "dominfo", .sure = VH_SURE_OF_NAME, .extent = extent_dominfo, .take = take_dominfo};

/* --- domstate ----------------------------------------------------------------------------------
 */

static const char *const states[] = {"running", "idle", "paused", "in shutdown", "shut off",
	"crashed", "pmsuspended", "no state", "blocked"};

/* One word after `virsh domstate`; with --reason "paused (I/O error)". */
static size_t extent_domstate(struct vh_paste *p, size_t at)
{
	struct vh_str line = vh_at(p, at);

	if (!vh_command_has(vh_command_of(p, at, 4), "domstate"))
		return 0;
	for (size_t i = 0; i < VH_ARRAY_SIZE(states); i++)
		if (vh_str_is(line, states[i]) ||
			(vh_str_starts(line, states[i]) && line.n > strlen(states[i]) + 2 &&
				line.s[strlen(states[i]) + 1] == '('))
			return 1;
	return 0;
}
static void take_domstate(struct vh_paste *p, size_t from, size_t n)
{
	struct vh_str line = vh_at(p, from);

	vh_paste_put_lines(p, from, n, VH_ASKED, "pasted.domstate", "");
	vh_paste_note(p, from, n, "virsh domstate: %.*s", (int)VH_MIN(line.n, 60), line.s);
}
const struct vh_recogniser vh_recognise_domstate = {.name = "domstate",
	.sure = VH_SURE_OF_COMMAND,
	.extent = extent_domstate,
	.take = take_domstate};

/* --- list --------------------------------------------------------------------------------------
 */

/* " 5    web-07    running"; the name may hold blanks, the state too. */
static bool list_row(struct vh_str line, struct vh_str *name, struct vh_str *state)
{
	struct vh_str id;
	uint64_t number;

	line = vh_str_trim(line);
	if (!vh_next_word(&line, &id) || (!vh_parse_u64(id, 10, &number) && !vh_str_is(id, "-")))
		return false;
	line = vh_str_trim(line);
	for (size_t i = 0; i < VH_ARRAY_SIZE(states); i++) {
		size_t n = strlen(states[i]);

		if (line.n <= n + 1 || memcmp(line.s + line.n - n, states[i], n) != 0 ||
			line.s[line.n - n - 1] != ' ')
			continue;
		*state = (struct vh_str){line.s + line.n - n, n};
		*name = vh_str_trim((struct vh_str){line.s, line.n - n});
		return name->n > 0;
	}
	return false;
}
static size_t extent_list(struct vh_paste *p, size_t at)
{
	struct vh_str line = vh_at(p, at), word, name, state;
	static const char *const headings[] = {"Id", "Name", "State"};
	size_t n = 1;

	for (size_t i = 0; i < VH_ARRAY_SIZE(headings); i++)
		if (!vh_next_word(&line, &word) || !vh_str_is(word, headings[i]))
			return 0;
	if (vh_str_trim(line).n)
		return 0;
	while (n < 1000 && (list_row(vh_at(p, at + n), &name, &state) ||
				   (n == 1 && vh_line_is_rule(vh_at(p, at + n)))))
		n++;
	return n;
}
static void take_list(struct vh_paste *p, size_t from, size_t n)
{
	size_t context = p->context, vms = 0;
	struct vh_str name, state;

	for (size_t i = from + 1; i < from + n; i++) {
		if (!list_row(vh_at(p, i), &name, &state))
			continue;
		vh_paste_identify(p, 0, name);
		vh_paste_put(p, i, 1, VH_ASKED, "pasted.virsh-list", "", state);
		vms++;
	}
	if (vms > 1)
		p->context = context;
	vh_paste_note(p, from, n, "virsh list: %zu domains", vms);
}
const struct vh_recogniser vh_recognise_virsh_list = {
	.name = "virsh-list", .sure = VH_SURE_OF_NAME, .extent = extent_list, .take = take_list};

/* --- dumpxml -----------------------------------------------------------------------------------
 */

static size_t extent_xml(struct vh_paste *p, size_t at)
{
	struct vh_str line = vh_at(p, at);

	if (!vh_str_starts(line, "<domain ") && !vh_str_is(line, "<domain>") &&
		!vh_str_starts(line, "<domain>"))
		return 0;
	size_t n = 0;

	for (; n < 20000 && at + n < p->page->n; n++) {
		line = vh_at(p, at + n);
		if (vh_str_find(line, "</domain>") >= 0)
			return n + 1;
		/* Cut off: what is there is XML still. */
		if (n && (vh_is_prompt(p, at + n) || vh_str_starts(line, "```")))
			break;
	}
	return n;
}
static void take_xml(struct vh_paste *p, size_t from, size_t n)
{
	vh_auto_free char *text = vh_page_text(p->page, from, n);
	ssize_t at = vh_str_find(vh_str(text), "<name>");
	struct vh_str name = {"", 0};

	if (at >= 0) {
		const char *begin = text + at + 6, *end = strstr(begin, "</name>");

		if (end)
			name = (struct vh_str){begin, end - begin};
	}
	vh_paste_identify(p, 0, name);
	vh_paste_put(p, from, n, VH_ONCE, "libvirt.domain-xml", "", vh_str(text));
	vh_paste_note(p, from, n, "libvirt's XML");
}
const struct vh_recogniser vh_recognise_domain_xml = {
	.name = "dumpxml", .sure = VH_SURE_OF_NAME, .extent = extent_xml, .take = take_xml};

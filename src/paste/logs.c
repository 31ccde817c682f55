/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Logs: kernel lines of host or guest, a guest's console, QEMU's and libvirt's logs. Whose kernel
 * wrote a line is known from what was typed, from the words in front of it, or from what only a
 * host or only a guest writes; where all are silent, that is said and nothing is concluded.
 */
#include <ctype.h>

#include "paste/recogniser.h"

#define MAX_LINES 100000

enum whose { WHOSE_UNKNOWN, WHOSE_HOST, WHOSE_GUEST, WHOSE_QEMU };

struct hint {
	const char *word; /* ASCII in lower case, or another script's */
	enum whose whose;
};

static const struct hint typed[] = {
	{"virsh console", WHOSE_GUEST},
	{"console", WHOSE_GUEST},
	{"serial", WHOSE_GUEST},
	{"ttys", WHOSE_GUEST},
	{"/libvirt/qemu/", WHOSE_QEMU},
	{"dmesg", WHOSE_HOST},
	{"journalctl", WHOSE_HOST},
	{"/messages", WHOSE_HOST},
	{"kern.log", WHOSE_HOST},
	{"syslog", WHOSE_HOST},
};
static const struct hint said[] = {
	{"serial", WHOSE_GUEST},
	{"console", WHOSE_GUEST},
	{"guest dmesg", WHOSE_GUEST},
	{"dmesg of the guest", WHOSE_GUEST},
	{"guest kernel", WHOSE_GUEST},
	{"guest log", WHOSE_GUEST},
	{"in the guest", WHOSE_GUEST},
	{"\xe4\xb8\xb2\xe5\x8f\xa3", WHOSE_GUEST},             /* serial port */
	{"\xe6\x8e\xa7\xe5\x88\xb6\xe5\x8f\xb0", WHOSE_GUEST}, /* console */
	{"qemu log", WHOSE_QEMU},
	{"qemu \xe6\x97\xa5\xe5\xbf\x97", WHOSE_QEMU}, /* log */
	{"qemu\xe6\x97\xa5\xe5\xbf\x97", WHOSE_QEMU},
	{"host dmesg", WHOSE_HOST},
	{"host kernel", WHOSE_HOST},
	{"on the host", WHOSE_HOST},
	{"hypervisor", WHOSE_HOST},
	{"\xe5\xae\xbf\xe4\xb8\xbb", WHOSE_HOST}, /* host */
	{"dmesg", WHOSE_HOST},
};

static enum whose hinted(struct vh_str text, const struct hint *hints, size_t n)
{
	if (text.n > 4096)
		return WHOSE_UNKNOWN;
	for (size_t i = 0; i < n; i++)
		if (vh_str_find_nocase(text, hints[i].word) >= 0)
			return hints[i].whose;
	return WHOSE_UNKNOWN;
}

/* What the text in front of a block says of it: the command, else up to two lines of prose. */
static enum whose whose_by_text(const struct vh_paste *p, size_t at)
{
	enum whose w = hinted(vh_command_of(p, at, 400), typed, VH_ARRAY_SIZE(typed));
	size_t lines = 0;

	for (size_t back = 1; w == WHOSE_UNKNOWN && back <= 5 && back <= at && lines < 2; back++) {
		struct vh_str line = vh_at(p, at - back);

		if (vh_is_prompt(p, at - back))
			break;
		if (!line.n || vh_line_is_rule(line) || p->page->lines[at - back].fenced)
			continue;
		w = hinted(line, said, VH_ARRAY_SIZE(said));
		lines++;
	}
	return w;
}

static void put_log(struct vh_paste *p, size_t from, size_t n, const char *source)
{
	vh_auto_free char *subject = vh_asprintf("%s:%u", p->page->name, vh_line_number(p, from));
	vh_auto_free char *text = vh_page_text(p->page, from, n);
	struct vh_str tail = vh_str(text);

	/* The end of a log tells more than its begin. */
	if (tail.n > VH_PASTE_MAX_DATA) {
		tail.s += tail.n - VH_PASTE_MAX_DATA;
		tail.n = VH_PASTE_MAX_DATA;
	}
	vh_paste_put(
		p, from, n, VH_LAST, source, vh_streq(source, "host.kmsg") ? "" : subject, tail);
}

/* --- lines of a kernel -------------------------------------------------------------------------
 */

/* Length of "[   12.345678] ", "<6>[   12.345678] ", "[Mon Jan  1 12:00:00 2024] " or
 * "Jan 01 12:00:00 host kernel: "; 0: the line begins with none of them. */
static size_t stamp_length(struct vh_str line)
{
	size_t i = 0, digits = 0;

	if (line.n > 4096)
		return 0;
	if (line.n > 3 && line.s[0] == '<' && isdigit((unsigned char)line.s[1])) {
		while (i < VH_MIN(line.n, 6) && line.s[i] != '>')
			i++;
		i++;
	}
	if (i < line.n && line.s[i] == '[') {
		const char *end = memchr(line.s + i, ']', VH_MIN(line.n - i, 40));
		struct vh_str in;

		if (!end)
			return 0;
		in = vh_str_trim((struct vh_str){line.s + i + 1, end - line.s - i - 1});
		for (size_t k = 0; k < in.n; k++)
			digits += isdigit((unsigned char)in.s[k]) != 0;
		if (digits >= 6 && vh_str_find(in, ".") > 0 && digits + 1 == in.n)
			return end + 1 - line.s;
		/* A date: three letters, and a time with two colons. */
		const char *colon = memchr(in.s, ':', in.n);

		return in.n >= 19 && digits >= 10 && isupper((unsigned char)in.s[0]) && colon &&
				       memchr(colon + 1, ':', in.n - (colon + 1 - in.s))
			       ? (size_t)(end + 1 - line.s)
			       : 0;
	}
	ssize_t kernel = vh_str_find((struct vh_str){line.s, VH_MIN(line.n, 160)}, " kernel: ");

	if (kernel <= 0)
		return 0;
	for (ssize_t k = 0; k < kernel; k++)
		digits += isdigit((unsigned char)line.s[k]) != 0;
	return digits >= 6 ? (size_t)kernel + 9 : 0;
}

static bool is_kernel_line(struct vh_str line)
{
	return stamp_length(line) > 0;
}

/* What only one side writes. */
static enum whose whose_by_content(const struct vh_paste *p, size_t from, size_t n)
{
	static const char *const guest[] = {"Hypervisor detected: KVM", "DMI: QEMU", "on KVM",
		"kvm-clock: ", "kvm-guest: ", "KVM setup ", "Kernel panic", "Linux version ",
		"Command line: ", "DMI: Red Hat KVM", "virtio_blk", "virtio_net", "Bochs/SeaBIOS",
		"systemd[1]", "Attempted to kill init", "VFS: "};
	static const char *const host[] = {"kvm [", "kvm: vcpu", "kvm_amd", "kvm_intel",
		"SVM: ", "VMX: ", "ccp ", "vmgexit", "/KVM", "qemu-", "qemu_", "vhost-",
		"split lock", "split_lock", "SEV-", "virbr", "vnet", "EDAC", "mce: ", "CPU#"};
	size_t guests = 0, hosts = 0;

	for (size_t i = from; i < from + VH_MIN(n, 5000); i++) {
		struct vh_str line = vh_at(p, i);

		for (size_t k = 0; k < VH_ARRAY_SIZE(guest); k++)
			guests += vh_str_find(line, guest[k]) >= 0;
		for (size_t k = 0; k < VH_ARRAY_SIZE(host); k++)
			hosts += vh_str_find(line, host[k]) >= 0;
	}
	return guests > hosts ? WHOSE_GUEST : hosts > guests ? WHOSE_HOST : WHOSE_UNKNOWN;
}

static size_t extent_kernel(struct vh_paste *p, size_t at)
{
	size_t n = 0;

	/* A boot loader may stand before it and a login prompt behind it: what is on the guest's
	 * console stays together (vh_recognise_serial_log). */
	for (; n < MAX_LINES && at + n < p->page->n; n++) {
		struct vh_str line = vh_at(p, at + n);

		if (!is_kernel_line(line) && !(n && vh_str_is(line, "...")))
			break;
	}
	return n;
}

static void take_kernel(struct vh_paste *p, size_t from, size_t n)
{
	enum whose w = whose_by_text(p, from);

	if (w == WHOSE_UNKNOWN || w == WHOSE_QEMU)
		w = whose_by_content(p, from, n);
	if (w == WHOSE_UNKNOWN)
		w = hinted(vh_str(p->page->name), said, VH_ARRAY_SIZE(said));
	put_log(p, from, n,
		w == WHOSE_GUEST  ? "log.serial"
		: w == WHOSE_HOST ? "host.kmsg"
				  : "pasted.kernel-log");
	vh_paste_note(p, from, n, "kernel log of %s",
		w == WHOSE_GUEST  ? "the guest"
		: w == WHOSE_HOST ? "the host"
				  : "host or guest: which is not clear, so that nothing is "
				    "concluded from it (\"host "
				    "kernel\" or \"guest kernel\" in a line above it tells)");
}
const struct vh_recogniser vh_recognise_kernel_log = {.name = "kernel-log",
	.sure = VH_SURE_OF_SHAPE,
	.extent = extent_kernel,
	.take = take_kernel};

/* --- the guest's console -----------------------------------------------------------------------
 */

/* Lines that a console begins with, or that stand alone. */
static const char *const console_starts[] = {"SeaBIOS (version", "iPXE ", "Booting from ",
	"UEFI Interactive Shell", "BdsDxe: ", "UEFI firmware (version", "No bootable device",
	"Boot failed: ", "GRUB loading", "Welcome to GRUB", "grub>", "grub rescue>", "Shell>",
	"error: no such device", "SYSLINUX", "ISOLINUX", "Probing EDD", "early console in",
	"Decompressing Linux", "Loading Linux ", "Loading initial ramdisk",
	"Kernel panic - not syncing", "Give root password for maintenance",
	"You are in emergency mode", "(initramfs)", "Welcome to emergency mode",
	"EFI stub: ", "SecCoreStartupWithStack", "Loading PEIM", "PROGRESS CODE: ", "ASSERT ",
	"!!!! X64 Exception Type", "dracut:/#", "Starting hypervisor", "Press any key to continue",
	"Operating System not found", "Entering emergency mode", "Linux version "};

static bool is_console_line(struct vh_str line)
{
	for (size_t i = 0; i < VH_ARRAY_SIZE(console_starts); i++)
		if (vh_str_starts(line, console_starts[i]))
			return true;
	return line.n < 120 && line.n > 7 && line.s[0] != '#' &&
	       vh_str_is((struct vh_str){line.s + line.n - 6, 6}, "login:") &&
	       vh_str_find(line, ". ") < 0;
}

/* True for the first line of a fence, of a command's output or of a file. */
static bool begins_output(const struct vh_paste *p, size_t at)
{
	return at == 0 || vh_is_prompt(p, at - 1) || vh_line_is_rule(vh_at(p, at - 1));
}

static bool is_log_file(const char *name)
{
	return strstr(name, ".log") || strstr(name, ".txt") || strstr(name, ".out");
}

/* A whole file, fence or output of which something says that it is the console. */
static bool is_said_console(const struct vh_paste *p, size_t at)
{
	if (!begins_output(p, at) || vh_is_prompt(p, at) || vh_line_is_rule(vh_at(p, at)))
		return false;
	if (at == 0)
		return is_log_file(p->page->name) &&
		       hinted(vh_str(p->page->name), typed, 4) == WHOSE_GUEST;
	if (p->page->lines[at].fenced || vh_is_prompt(p, at - 1))
		return whose_by_text(p, at) == WHOSE_GUEST;
	return false;
}

static size_t extent_serial(struct vh_paste *p, size_t at)
{
	struct vh_str line = vh_at(p, at);
	bool known = is_console_line(line);
	bool kernel = p->page->lines[at].fenced && is_kernel_line(line) && begins_output(p, at) &&
		      whose_by_text(p, at) == WHOSE_GUEST;

	if (!known && !kernel && !is_said_console(p, at))
		return 0;
	bool fenced = p->page->lines[at].fenced, file = !known && at == 0;
	size_t n = 1, blank = 0;

	for (size_t i = at + 1; i < at + MAX_LINES && i < p->page->n; i++) {
		line = vh_at(p, i);
		/* A rule of dashes may be the guest's; a prompt as well, but that cannot be told.
		 */
		if (vh_line_is_fence(line) || (vh_is_prompt(p, i) && !file))
			break;
		blank = line.n ? 0 : blank + 1;
		if (blank && !fenced && !file && !is_kernel_line(vh_at(p, i + 1)) &&
			!is_console_line(vh_at(p, i + 1)))
			break;
		if (line.n)
			n = i - at + 1;
	}
	return n;
}
static void take_serial(struct vh_paste *p, size_t from, size_t n)
{
	put_log(p, from, n, "log.serial");
	vh_paste_note(p, from, n, "the guest's console");
}
const struct vh_recogniser vh_recognise_serial_log = {.name = "serial-log",
	.sure = VH_SURE_OF_SHAPE,
	.extent = extent_serial,
	.take = take_serial};

/* --- QEMU's log --------------------------------------------------------------------------------
 */

/* "2024-01-01T12:00:00.000000Z " before a message, and libvirt's "2024-01-01 12:00:00.000+0000: "
 */
static struct vh_str without_time(struct vh_str line)
{
	struct vh_str rest = line, word;

	if (line.n < 20 || !isdigit((unsigned char)line.s[0]) || line.s[4] != '-')
		return line;
	vh_next_word(&rest, &word);
	if (memchr(word.s, 'T', word.n) && word.s[word.n - 1] == 'Z')
		return vh_str_trim(rest);
	if (word.n == 10 && vh_next_word(&rest, &word) && word.s[word.n - 1] == ':')
		return vh_str_trim(rest);
	return line;
}

static bool is_qemu_line(struct vh_str line)
{
	static const char *const starts[] = {"qemu-system-", "qemu-kvm: ", "qemu: ", "kvm: ",
		"KVM internal error. Suberror:", "KVM: entry failed", "error: kvm run failed",
		"extra data[", "block I/O error in device", "emulation failure",
		"KVM: unknown exit", "If you're running a guest", "char device redirected to",
		"kvm run failed", "Unexpected error in ", "fail to ",
		"/usr/libexec/qemu-kvm: ", "shutting down, reason="};

	line = without_time(line);
	if (line.n > 4096)
		return false;
	for (size_t i = 0; i < VH_ARRAY_SIZE(starts); i++)
		if (vh_str_starts(line, starts[i]))
			/* A program's name alone is a thread in a list, or a command. */
			return i != 0 || vh_str_find(line, ": ") > 0;
	return false;
}
static size_t extent_qemu(struct vh_paste *p, size_t at)
{
	size_t n = 0;

	while (n < MAX_LINES && is_qemu_line(vh_at(p, at + n)))
		n++;
	return n;
}
static void take_qemu(struct vh_paste *p, size_t from, size_t n)
{
	put_log(p, from, n, "log.qemu");
	vh_paste_note(p, from, n, "QEMU's messages");
}
const struct vh_recogniser vh_recognise_qemu_log = {
	.name = "qemu-log", .sure = VH_SURE_OF_NAME, .extent = extent_qemu, .take = take_qemu};

/* --- libvirt's logs ----------------------------------------------------------------------------
 */

static bool starts_domain_log(struct vh_str line)
{
	return vh_str_starts(without_time(line), "starting up libvirt version:") ||
	       vh_str_is(without_time(line), "starting up");
}

/* What virsh and libvirtd say of a domain's lock and monitor. */
static bool is_libvirtd_line(struct vh_str line)
{
	static const char *const needles[] = {"cannot acquire state change lock",
		"End of file from qemu monitor", "End of file while reading data",
		"Timed out during operation", "unable to execute QEMU command", "monitor hangup",
		"guest agent is not responding", "QEMU guest agent is not connected"};

	if (line.n > 4096)
		return false;
	for (size_t i = 0; i < VH_ARRAY_SIZE(needles); i++)
		if (vh_str_find(line, needles[i]) >= 0)
			return vh_str_find(line, "error") >= 0 || vh_str_find(line, "warning") >= 0;
	return false;
}

static size_t extent_libvirt(struct vh_paste *p, size_t at)
{
	size_t n = 0;

	while (n < 1000 && is_libvirtd_line(vh_at(p, at + n)))
		n++;
	if (n || !starts_domain_log(vh_at(p, at)))
		return n;
	for (n = 1; n < MAX_LINES && at + n < p->page->n; n++)
		if (!vh_at(p, at + n).n || vh_ends_output(p, at + n) ||
			starts_domain_log(vh_at(p, at + n)))
			break;
	return n;
}

/* What an earlier QEMU of this domain logged is not about the one that was started here. */
static void forget_earlier_qemu(struct vh_paste *p)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->n_pieces; i++)
		if (p->pieces[i].id == p->context && vh_streq(p->pieces[i].e->source, "log.qemu"))
			vh_evidence_free(p->pieces[i].e);
		else
			p->pieces[kept++] = p->pieces[i];
	p->n_pieces = kept;
}

static void take_domain_log(struct vh_paste *p, size_t from, size_t n)
{
	vh_auto_buf struct vh_buf text = {0};

	/* The command line runs over lines that end in a backslash. */
	for (size_t i = from; i < from + n; i++) {
		struct vh_str line = vh_at(p, i);
		bool more = line.n && line.s[line.n - 1] == '\\';

		vh_buf_add(&text, line.s, line.n - more);
		vh_buf_putc(&text, more ? ' ' : '\n');
	}
	struct vh_str rest = {text.data, text.len}, line;

	while (vh_next_line(&rest, &line)) {
		ssize_t at = vh_paste_find_qemu(line);

		if (at < 0)
			continue;
		vh_paste_put_command_line(p, from, n, (struct vh_str){line.s + at, line.n - at}, 0);
		break;
	}
	forget_earlier_qemu(p);
	put_log(p, from, n, "log.qemu");
	vh_paste_note(p, from, n, "libvirt's log of the domain, with QEMU's command line");
}

static void take_libvirt(struct vh_paste *p, size_t from, size_t n)
{
	if (starts_domain_log(vh_at(p, from))) {
		take_domain_log(p, from, n);
		return;
	}
	put_log(p, from, n, "pasted.libvirt-log");
	vh_paste_note(p, from, n, "what libvirt says");
}
const struct vh_recogniser vh_recognise_libvirt_log = {.name = "libvirt-log",
	.sure = VH_SURE_OF_NAME,
	.extent = extent_libvirt,
	.take = take_libvirt};

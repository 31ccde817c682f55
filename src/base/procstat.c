/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/procstat.h"

#include <errno.h>

#define STAT_CAP 4096

bool vh_procstat_parse(struct vh_str text, struct vh_procstat *out)
{
	const char *open = text.n ? memchr(text.s, '(', text.n) : NULL;
	const char *close = text.n ? memrchr(text.s, ')', text.n) : NULL;
	struct vh_procstat p = {.cpu = -1};
	uint64_t number[53] = {0}, id;
	int64_t parent = 0;

	if (!open || !close || close < open)
		return false;
	if (!vh_parse_u64(vh_str_trim((struct vh_str){text.s, open - text.s}), 10, &id))
		return false;
	size_t length = VH_MIN((size_t)(close - open - 1), sizeof(p.name) - 1);

	memcpy(p.name, open + 1, length);
	struct vh_str rest = {close + 1, text.s + text.n - close - 1}, word;

	if (!vh_next_word(&rest, &word) || word.n != 1)
		return false;
	p.state = word.s[0];
	int field = 4; /* as proc(5) counts them */

	for (; field <= 52 && vh_next_word(&rest, &word); field++) {
		int64_t v;

		if (field == 4 && !vh_parse_i64(word, 10, &parent))
			return false;
		if (vh_parse_u64(word, 10, &number[field]))
			continue;
		if (!vh_parse_i64(word, 10, &v))
			return false;
		number[field] = (uint64_t)v;
	}
	/* Up to starttime it has been the same since Linux 2.6; less is not a stat line. */
	if (field <= 24)
		return false;
	p.id = (pid_t)id;
	p.parent = (pid_t)parent;
	p.minor_faults = number[10];
	p.major_faults = number[12];
	p.user_ticks = number[14];
	p.system_ticks = number[15];
	p.priority = (int64_t)number[18];
	p.nice = (int64_t)number[19];
	p.threads = number[20];
	p.start_ticks = number[22];
	p.rss_pages = number[24];
	if (field > 39)
		p.cpu = (int64_t)number[39];
	p.rt_priority = number[40];
	p.policy = number[41];
	p.guest_ticks = number[43];
	p.exit_code = number[52];
	*out = p;
	return true;
}

bool vh_vcpu_name(const char *name, uint64_t *index)
{
	static const struct {
		const char *prefix;
		char end; /* what follows the number */
	} forms[] = {
		{"CPU ", '/'},
		{"fc_vcpu ", 0},
		{"crosvm_vcpu", 0},
		{"kvm-vcpu-", 0},
		{"vcpu", 0},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(forms); i++) {
		if (!vh_prefix(name, forms[i].prefix))
			continue;
		struct vh_str rest = vh_str(name + strlen(forms[i].prefix)), number;

		return vh_next_part(&rest, forms[i].end ? forms[i].end : ' ', &number) &&
		       vh_parse_u64(number, 10, index);
	}
	return false;
}

int vh_identity_read(struct vh_host *host, pid_t pid, struct vh_identity *out)
{
	vh_auto_reading struct vh_reading r;
	struct vh_procstat stat;

	vh_host_read(host, STAT_CAP, &r, "/proc/%d/stat", (int)pid);
	if (!vh_status_has_data(r.status))
		return r.status == VH_ABSENT ? -ESRCH : -r.err;
	if (!vh_procstat_parse((struct vh_str){r.data, r.size}, &stat))
		return -EBADMSG;
	/* The first thread may end before the others: the process lives until the last one has. */
	if ((stat.state == 'Z' && stat.threads < 2) || stat.state == 'X')
		return -ESRCH;
	*out = (struct vh_identity){.pid = pid, .start_ticks = stat.start_ticks};
	return 0;
}

bool vh_identity_alive(struct vh_host *host, const struct vh_identity *id)
{
	struct vh_identity now;

	return vh_identity_read(host, id->pid, &now) == 0 && now.start_ticks == id->start_ticks;
}

int64_t vh_identity_uptime_ns(struct vh_host *host, const struct vh_identity *id)
{
	vh_auto_reading struct vh_reading r;
	double up;

	vh_host_read(host, 128, &r, "/proc/uptime");
	struct vh_str rest = {r.data, r.size}, word;

	if (!vh_status_has_data(r.status) || !vh_next_word(&rest, &word) ||
		!vh_parse_double(word, &up))
		return 0;
	int64_t started =
		(int64_t)(id->start_ticks * (uint64_t)(VH_NS_PER_S / sysconf(_SC_CLK_TCK)));
	int64_t ns = (int64_t)(up * VH_NS_PER_S) - started;

	return ns > 0 ? ns : 0;
}

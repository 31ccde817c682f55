/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a kernel tells of itself in its variables. */
#include <inttypes.h>

#include "guest/kernel_search.h"
#include "guest/paging.h"
#include "guest/unwind.h"

#define START_TEXT      UINT64_C(0xffffffff81000000) /* of x86-64 without KASLR */
#define MAX_COMMAND     8192u
#define MAX_NOTES_BYTES 65536u
#define GNU_BUILD_ID    3u /* NT_GNU_BUILD_ID */
#define MAX_BUILD_ID    64u

static void describe_banner(const struct vh_kernel *k, struct vh_inside_kernel *out)
{
	char banner[VH_GUEST_PAGE];
	struct vh_str rest, word;

	if (!k->banner || vh_space_string(k->space, k->banner, banner, sizeof(banner)) < 0)
		return;
	rest = vh_str(banner);
	if (!vh_next_line(&rest, &word))
		return;
	free(out->banner);
	out->banner = vh_str_dup(word);
	rest = word;
	/* "Linux version RELEASE (..." */
	for (int i = 0; i < 3; i++)
		if (!vh_next_word(&rest, &word))
			return;
	free(out->release);
	out->release = vh_str_dup(word);
}

static char *hexadecimal(const uint8_t *data, size_t n)
{
	struct vh_buf out = {0};

	for (size_t i = 0; i < n; i++)
		vh_buf_printf(&out, "%02x", data[i]);
	return vh_buf_steal(&out);
}

/* ELF notes: three numbers (bytes of name and of content, type), name, content, each aligned to 4.
 */
static char *build_id_in(const uint8_t *data, size_t n)
{
	size_t at = 0;

	while (n - at >= 12) {
		uint32_t head[3];
		uint64_t name, content;

		memcpy(head, data + at, sizeof(head));
		at += sizeof(head);
		name = ((uint64_t)head[0] + 3) & ~UINT64_C(3);
		content = ((uint64_t)head[1] + 3) & ~UINT64_C(3);
		if (name > n - at || content > n - at - name)
			return NULL;
		if (head[2] == GNU_BUILD_ID && head[0] == 4 && !memcmp(data + at, "GNU", 4) &&
			head[1] && head[1] <= MAX_BUILD_ID)
			return hexadecimal(data + at + name, head[1]);
		at += (size_t)(name + content);
	}
	return NULL;
}

static bool is_hexadecimal(struct vh_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!strchr("0123456789abcdef", s.s[i]))
			return false;
	return s.n && s.n <= (size_t)2 * MAX_BUILD_ID;
}

static char *build_id(const struct vh_kernel *k)
{
	struct vh_str told;
	uint64_t from, to;
	uint8_t *data;
	char *id = NULL;

	if (k->note && vh_vmcoreinfo_string(k->note, "BUILD-ID", &told) && is_hexadecimal(told))
		return vh_str_dup(told);
	if (!vh_symbols_address(k->symbols, "__start_notes", &from) ||
		!vh_symbols_address(k->symbols, "__stop_notes", &to) || to <= from ||
		to - from > MAX_NOTES_BYTES)
		return NULL;
	data = vh_alloc((size_t)(to - from));
	if (!vh_space_read(k->space, from, data, (size_t)(to - from)))
		id = build_id_in(data, (size_t)(to - from));
	free(data);
	return id;
}

static char *command_line(struct vh_kernel *k)
{
	vh_auto_free char *text = vh_alloc(MAX_COMMAND);
	uint64_t gva;

	/* Early it is still where the boot loader's copy goes, which is freed later. */
	if (vh_kernel_u64(k, "saved_command_line", &gva))
		return NULL;
	if (!gva) {
		uint32_t state;

		if (vh_kernel_u32(k, "system_state", &state) || state ||
			!vh_symbols_address(k->symbols, "boot_command_line", &gva))
			return NULL;
	}
	if (vh_space_string(k->space, gva, text, MAX_COMMAND) < 0)
		return NULL;
	if (!k->secrets)
		k->secrets = vh_secrets_new();
	return vh_kernel_masked(text, k->secrets);
}

void vh_kernel_describe_by_log(struct vh_kernel *k, struct vh_inside *in)
{
	static const char begin[] = "Kernel command line: ";

	for (size_t i = 0; i < in->n_dmesg && !k->secrets; i++) {
		const struct vh_inside_record *r = &in->dmesg[i];

		/* What programs write has another facility than the kernel's own. */
		if (r->facility || !vh_str_starts((struct vh_str){r->text, r->n}, begin))
			continue;
		vh_auto_free char *line =
			vh_strndup(r->text + sizeof(begin) - 1, r->n - (sizeof(begin) - 1));

		k->secrets = vh_secrets_new();
		free(in->kernel.command_line);
		in->kernel.command_line = vh_kernel_masked(line, k->secrets);
	}
}

/* enum system_states (include/linux/kernel.h); FREEING_INITMEM came with 5.16. */
static const char *system_state(const struct vh_kernel *k)
{
	static const char *const names[] = {"booting", "scheduling", "freeing init memory",
		"running", "halt", "power off", "restart", "suspend"};
	int64_t running = vh_kernel_since(k, 5, 16) ? 3 : 2;
	uint32_t state;

	if (k->btf)
		vh_guest_btf_enumerator(k->btf, "SYSTEM_RUNNING", &running);
	if (vh_kernel_u32(k, "system_state", &state))
		return NULL;
	if (running == 2 && state >= 2)
		state++;
	return state < VH_ARRAY_SIZE(names) ? names[state] : NULL;
}

static void describe_image(const struct vh_kernel *k, struct vh_inside_kernel *out)
{
	const struct vh_range *last = &k->ranges[k->n_ranges - 1];
	int64_t offset;
	uint64_t text, end;

	out->image = k->ranges[0].gva;
	out->image_bytes = last->gva + last->bytes - out->image;
	if (!vh_symbols_address(k->symbols, "_text", &text) &&
		!vh_symbols_address(k->symbols, "_stext", &text))
		text = 0;
	/* arm64 has all of vmalloc in the same window. Of a table without variables the text is all
	 * that is known. */
	if (text &&
		(vh_symbols_address(k->symbols, "_end", &end) ||
			vh_symbols_address(k->symbols, "_etext", &end)) &&
		end > text) {
		out->image = text;
		out->image_bytes = end - text;
	}
	if (k->note && vh_vmcoreinfo_number(k->note, "KERNELOFFSET", &offset)) {
		out->kaslr_offset = (uint64_t)offset;
		out->has_kaslr_offset = true;
	} else if (vh_space_root(k->space)->paging != VH_PAGING_ARM64 && text >= START_TEXT) {
		out->kaslr_offset = text - START_TEXT;
		out->has_kaslr_offset = true;
	}
}

static int64_t signed_variable(const struct vh_kernel *k, const char *symbol)
{
	uint32_t value;

	return vh_kernel_u32(k, symbol, &value) ? -1 : (int32_t)value;
}

/* There, but not read, for the log alone was wanted. */
static bool left_out(const struct vh_kernel *k, const char *symbol)
{
	uint64_t gva;

	return !k->unwinder && vh_symbols_address(k->symbols, symbol, &gva);
}

void vh_kernel_describe(struct vh_kernel *k, struct vh_inside *in)
{
	struct vh_inside_kernel *out = &in->kernel;
	struct vh_paging_form form = vh_paging_form(vh_space_root(k->space));

	describe_banner(k, out);
	describe_image(k, out);
	free(out->build_id);
	out->build_id = build_id(k);
	free(out->command_line);
	out->command_line = command_line(k);
	out->uptime_ns = vh_kernel_uptime(k);
	out->has_taint = !vh_kernel_u64(k, "tainted_mask", &out->taint);
	free(out->taint_text);
	out->taint_text = out->has_taint && out->taint ? vh_kernel_taint_text(out->taint) : NULL;
	out->panic_cpu = signed_variable(k, "panic_cpu");
	out->oops_in_progress = signed_variable(k, "oops_in_progress");
	vh_replace(&out->system_state, system_state(k));
	out->levels = form.levels;
	out->pti = k->pti;
	out->n_symbols = vh_symbols_count(k->symbols);
	out->has_btf = k->btf || left_out(k, "__start_BTF");
	out->has_orc =
		k->unwinder ? vh_unwinder_has_orc(k->unwinder) : left_out(k, "__start_orc_unwind");
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Case files: what is saved comes back, and nothing that somebody made up does harm. */
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "case/case_json.h"
#include "tests/unit/case/sample.h"
#include "tests/unit/test.h"

static char directory[] = "/tmp/vmhang-case-XXXXXX";

static char *path_of(const char *name)
{
	return vh_asprintf("%s/%s", directory, name);
}

static size_t files_in_directory(void)
{
	DIR *dir = opendir(directory);
	size_t n = 0;

	for (struct dirent *d; (d = readdir(dir));)
		n += d->d_name[0] != '.';
	closedir(dir);
	return n;
}

static struct vh_buf slurp(const char *path)
{
	struct vh_buf b = {0};
	char piece[4096];
	FILE *f = fopen(path, "re");

	assert_non_null(f);
	for (size_t n; (n = fread(piece, 1, sizeof(piece), f)) > 0;)
		vh_buf_add(&b, piece, n);
	fclose(f);
	return b;
}

static struct vh_buf saved_sample(void)
{
	struct vh_case *c = sample_case();
	vh_auto_free char *path = path_of("sample");

	assert_null(vh_case_save(c, path));
	struct vh_buf b = slurp(path);

	unlink(path);
	vh_case_free(c);
	return b;
}

/* --- archives made up in the test --- */

struct made {
	struct archive *a;
	struct vh_buf out;
};

static la_ssize_t made_write(struct archive *a VH_UNUSED, void *m, const void *data, size_t n)
{
	vh_buf_add(&((struct made *)m)->out, data, n);
	return (la_ssize_t)n;
}

static void made_begin(struct made *m)
{
	*m = (struct made){.a = archive_write_new()};
	archive_write_set_format_pax_restricted(m->a);
	archive_write_add_filter_zstd(m->a);
	archive_write_set_bytes_in_last_block(m->a, 1); /* no padding behind the compression */
	archive_write_open(m->a, m, NULL, made_write, NULL);
}

static void made_add(struct made *m, const char *name, unsigned type, const char *link, size_t size,
	const char *data)
{
	struct archive_entry *entry = archive_entry_new();
	static const char zeros[65536];

	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, type);
	archive_entry_set_perm(entry, 0600);
	archive_entry_set_size(entry, (la_int64_t)size);
	if (link)
		archive_entry_set_symlink(entry, link);
	assert_int_equal(archive_write_header(m->a, entry), ARCHIVE_OK);
	if (data)
		archive_write_data(m->a, data, size);
	for (size_t done = 0; !data && done < size; done += sizeof(zeros))
		archive_write_data(m->a, zeros, VH_MIN(sizeof(zeros), size - done));
	archive_entry_free(entry);
}

#define VM       "\"vm\":{\"name\":\"x\",\"pid\":7}"
#define HEAD     "{\"schema\":\"vmhang.case/1\"," VM ",\"evidence\":"
#define NO_PIECE HEAD "[]}"

static void made_json(struct made *m, const char *json)
{
	made_add(m, "case.json", AE_IFREG, NULL, strlen(json), json);
}

/* Loads what was made; the error's message, "" for none. */
static char *made_end(struct made *m, int *code)
{
	struct vh_case *c = NULL;

	archive_write_free(m->a);
	struct vh_error *err = vh_case_load_memory("made", m->out.data, m->out.len, &c);
	char *message = vh_strdup(err ? err->message : "");

	assert_true(!!err != !!c);
	if (code)
		*code = err ? err->code : -1;
	vh_error_free(err);
	vh_case_free(c);
	vh_buf_free(&m->out);
	return message;
}

static void assert_says(struct made *m, const char *expected)
{
	vh_auto_free char *message = made_end(m, NULL);

	if (!strstr(message, expected) || (!expected[0] && message[0]))
		fail_msg("expected \"%s\", got \"%s\"", expected, message);
}

static void assert_json_says(const char *json, const char *expected)
{
	struct made m;

	made_begin(&m);
	made_json(&m, json);
	assert_says(&m, expected);
}

/* --- tests --- */

static void what_is_saved_comes_back(void **state VH_UNUSED)
{
	struct vh_case *c = sample_case(), *loaded = NULL;
	vh_auto_free char *path = path_of("round-trip");
	struct stat st;

	assert_null(vh_case_save(c, path));
	assert_null(vh_case_save(c, path)); /* replaces */
	assert_int_equal(files_in_directory(), 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_null(vh_case_load(path, &loaded));
	vh_auto_free char *before = sample_text(c), *after = sample_text(loaded);

	assert_string_equal(before, after);
	assert_int_equal(loaded->n_evidence, c->n_evidence);
	for (size_t i = 0; i < c->n_evidence; i++) {
		struct vh_evidence *a = c->evidence[i], *b = loaded->evidence[i];

		assert_string_equal(a->subject, b->subject);
		assert_int_equal(a->size, b->size);
		assert_int_equal(!a->data, !b->data);
		if (a->size)
			assert_memory_equal(a->data, b->data, a->size);
	}
	assert_string_equal(vh_case_find(loaded, "guest.screendump", NULL, VH_N_ROUND)->attachment,
		"screen.ppm");
	assert_int_equal(vh_evidence_number(
				 vh_case_find(loaded, "log.serial", NULL, VH_N_ROUND), "age_ns", 0),
		INT64_C(5) << 40);
	unlink(path);
	vh_case_free(c);
	vh_case_free(loaded);
}

static void the_archive_is_as_documented(void **state VH_UNUSED)
{
	vh_auto_buf struct vh_buf file = saved_sample();
	struct archive *a = archive_read_new();
	struct archive_entry *entry;
	vh_auto_buf struct vh_buf names = {0};

	archive_read_support_filter_zstd(a);
	archive_read_support_format_tar(a);
	assert_int_equal(archive_read_open_memory(a, file.data, file.len), ARCHIVE_OK);
	while (archive_read_next_header(a, &entry) == ARCHIVE_OK)
		vh_buf_printf(&names, "%s\n", archive_entry_pathname(entry));
	assert_int_equal(archive_filter_code(a, 0), ARCHIVE_FILTER_ZSTD);
	assert_string_equal(vh_buf_str(&names), "case.json\nraw/0000-proc.cmdline\n"
						"raw/0041-log.serial\n"
						"raw/0042-guest.screendump.ppm\n");
	archive_read_free(a);
}

static void a_truncated_file_is_an_error_that_says_where(void **state VH_UNUSED)
{
	vh_auto_buf struct vh_buf file = saved_sample();
	struct vh_case *c = NULL;
	size_t refused = 0, tried = 0;

	assert_null(vh_case_load_memory("whole", file.data, file.len, &c));
	vh_auto_free char *whole = sample_text(c);

	vh_case_free(c);
	for (size_t n = 0; n < file.len; n += n < 64 || n + 64 > file.len ? 1 : 311, tried++) {
		/* A copy of just that size, so that the sanitizer sees a read beyond it. */
		vh_auto_free char *part = vh_alloc(n ? n : 1);

		memcpy(part, file.data, n);
		c = NULL;
		vh_auto_error struct vh_error *err = vh_case_load_memory("part", part, n, &c);

		if (err) {
			refused++;
			assert_true(strstr(err->message, "cut short near ") ||
				    strstr(err->message, "not a case file") ||
				    strstr(err->message, "not in the archive") ||
				    strstr(err->message, "ends early"));
			continue;
		}
		/* All that is missing is the padding at the end. */
		vh_auto_free char *text = sample_text(c);

		assert_string_equal(text, whole);
		assert_true(n + 64 > file.len);
		vh_case_free(c);
	}
	assert_true(refused + 64 > tried && tried > 150);
}

static void a_full_disk_leaves_nothing(void **state VH_UNUSED)
{
	struct vh_case *c = sample_case();
	vh_auto_free char *path = path_of("full");
	struct rlimit old, small;

	getrlimit(RLIMIT_FSIZE, &old);
	small = (struct rlimit){20000, old.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &small);
	vh_auto_error struct vh_error *err = vh_case_save(c, path);

	setrlimit(RLIMIT_FSIZE, &old);
	assert_non_null(err);
	assert_int_equal(err->code, EFBIG);
	assert_non_null(strstr(err->message, path));
	assert_int_equal(files_in_directory(), 0);
	vh_case_free(c);
}

static void saving_replaces_no_device_and_needs_a_directory(void **state VH_UNUSED)
{
	struct vh_case *c = sample_case();
	vh_auto_free char *fifo = path_of("fifo"), *nowhere = path_of("no/such/case");
	struct stat st;

	assert_int_equal(mkfifo(fifo, 0600), 0);
	vh_auto_error struct vh_error *err = vh_case_save(c, fifo),
				      *none = vh_case_save(c, nowhere),
				      *dir = vh_case_save(c, directory);

	assert_int_equal(err->code, EINVAL);
	assert_int_equal(none->code, ENOENT);
	assert_int_equal(dir->code, EISDIR);
	assert_int_equal(stat(fifo, &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	unlink(fifo);
	vh_case_free(c);
}

static void a_case_that_could_not_be_read_again_is_not_written(void **state VH_UNUSED)
{
	struct vh_case *c = vh_case_new(sample_vm());
	vh_auto_free char *path = path_of("large");

	for (int i = 0; i < VH_CASE_MAX_EVIDENCE + 1; i++)
		vh_case_add(c, VH_ONCE, "task.stat", "", "");
	vh_auto_error struct vh_error *err = vh_case_save(c, path);

	assert_int_equal(err->code, EFBIG);
	assert_int_equal(files_in_directory(), 0);
	vh_case_free(c);
}

static void other_files_are_no_case_files(void **state VH_UNUSED)
{
	static const char text[] = "top - 10:00:00 up 3 days\n  PID USER\n 4711 root\n";
	struct vh_case *c = NULL;
	vh_auto_error struct vh_error *prose = vh_case_load_memory("notes", text, sizeof(text), &c),
				      *empty = vh_case_load_memory("empty", "", 0, &c),
				      *absent = vh_case_load("/no/such", &c),
				      *dir = vh_case_load("/tmp", &c);
	struct made m;
	int code;

	assert_int_equal(prose->code, EMEDIUMTYPE);
	assert_int_equal(empty->code, EMEDIUMTYPE);
	assert_int_equal(absent->code, ENOENT);
	assert_int_equal(dir->code, EISDIR);
	made_begin(&m);
	made_add(&m, "readme", AE_IFREG, NULL, 2, "hi");
	vh_auto_free char *message = made_end(&m, &code);

	assert_int_equal(code, EMEDIUMTYPE);
	assert_non_null(strstr(message, "no case.json"));
	assert_null(c);
}

static void hostile_names_and_entries_are_refused(void **state VH_UNUSED)
{
	static const struct {
		const char *name, *expected, *link;
		unsigned type;
	} rows[] = {
		{"/etc/passwd", "absolute", NULL, AE_IFREG},
		{"../x", "\"..\"", NULL, AE_IFREG},
		{"raw/../../x", "\"..\"", NULL, AE_IFREG},
		{"raw/..", "\"..\"", NULL, AE_IFREG},
		{"raw/link", "is a link", "/etc/shadow", AE_IFLNK},
		{"case.json", "twice", NULL, AE_IFREG},
		{"./case.json", "twice", NULL, AE_IFREG},
		{"raw/pipe", "no plain file", NULL, AE_IFIFO},
		{"raw/x..y", "", NULL, AE_IFREG},
		{"raw", "", NULL, AE_IFDIR},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++) {
		struct made m;

		made_begin(&m);
		made_json(&m, NO_PIECE);
		made_add(&m, rows[i].name, rows[i].type, rows[i].link,
			rows[i].type == AE_IFREG ? 2 : 0, "hi");
		assert_says(&m, rows[i].expected);
	}
}

static void sizes_are_capped(void **state VH_UNUSED)
{
	struct made m;

	made_begin(&m);
	made_add(&m, "case.json", AE_IFREG, NULL, VH_CASE_MAX_JSON + 1, NULL);
	assert_says(&m, "it may have");
	made_begin(&m);
	made_json(&m, NO_PIECE);
	made_add(&m, "raw/1", AE_IFREG, NULL, VH_CASE_MAX_ATTACHMENT + 1, NULL);
	assert_says(&m, "it may have");
	/* 320 MiB of zeros in a few kilobytes. */
	made_begin(&m);
	made_json(&m, NO_PIECE);
	for (int i = 0; i < 5; i++) {
		vh_auto_free char *name = vh_asprintf("raw/%d", i);

		made_add(&m, name, AE_IFREG, NULL, VH_CASE_MAX_ATTACHMENT, NULL);
	}
	assert_true(m.out.len < 1 << 20);
	assert_says(&m, "unpacks to more than");
}

static void a_sparse_giant_costs_nothing(void **state VH_UNUSED)
{
	struct made m = {.a = archive_write_new()};
	struct archive_entry *entry = archive_entry_new();

	archive_write_set_format_pax(m.a);
	archive_write_open(m.a, &m, NULL, made_write, NULL);
	made_json(&m, NO_PIECE);
	archive_entry_set_pathname(entry, "raw/sparse");
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_size(entry, INT64_C(1) << 40);
	archive_entry_sparse_add_entry(entry, 0, 1);
	assert_int_equal(archive_write_header(m.a, entry), ARCHIVE_OK);
	archive_write_data(m.a, "x", 1);
	archive_entry_free(entry);
	assert_says(&m, "it may have");
}

static void too_many_pieces_are_refused(void **state VH_UNUSED)
{
	vh_auto_buf struct vh_buf json = {0};

	vh_buf_puts(&json, HEAD "[");
	for (int i = 0; i < 200000; i++)
		vh_buf_printf(&json, "%s{\"source\":\"s\",\"round\":\"once\",\"status\":\"ok\"}",
			i ? "," : "");
	vh_buf_puts(&json, "]}");
	assert_json_says(json.data, "200000 pieces of evidence are more");
	vh_buf_free(&json);
	vh_buf_puts(&json, HEAD "[0");
	for (int i = 0; i < VH_CASE_MAX_VALUES; i++)
		vh_buf_puts(&json, ",0");
	vh_buf_puts(&json, "]}");
	assert_json_says(json.data, "values");
	vh_buf_free(&json);
	/* Nor may a quote hide them from who counts, in what is no JSON but json-c takes. */
	assert_json_says("['\"', 0]", "not JSON at byte 1");
	assert_json_says("/* \" */ [0]", "not JSON at byte 0");
	for (int i = 0; i < 1000; i++)
		vh_buf_puts(&json, "[");
	assert_json_says(json.data, "not JSON");
}

#define PIECE(rest) HEAD "[{\"source\":\"a.b\",\"round\":\"once\",\"status\":\"ok\"" rest "}]}"

static void wrong_types_are_errors_that_name_the_piece(void **state VH_UNUSED)
{
	static const struct {
		const char *json, *expected;
	} rows[] = {
		{NO_PIECE, ""},
		{PIECE(""), ""},
		{PIECE(",\"new-key\":{\"x\":[1]}"), ""},
		{"[]", "not an object"},
		{"{}", "no \"schema\""},
		{"{\"schema\":\"vmhang.case/1\"}", "\"vm\" is not an object"},
		{"{\"schema\":\"vmhang.case/1\"," VM "}", "\"evidence\" is not a list"},
		{"{\"schema\":\"vmhang.case/1.7\"," VM ",\"evidence\":[]}", ""},
		{"{\"schema\":\"vmhang.case/2\"," VM ",\"evidence\":[]}", "this vmhang reads"},
		{"{\"schema\":\"vmhang.case/x\"," VM ",\"evidence\":[]}", "no schema of a case"},
		{"{\"schema\":\"else/1\"," VM ",\"evidence\":[]}", "no \"schema\""},
		{"{\"schema\":\"vmhang.case/1\"," VM ",\"window_ns\":-1,\"evidence\":[]}",
			"\"window_ns\" is not a number in its range"},
		{"{\"schema\":\"vmhang.case/1\"," VM ",\"tool\":7,\"evidence\":[]}", "\"tool\""},
		{HEAD "{}}", "\"evidence\" is not a list"},
		{HEAD "[7]}", "evidence 0: not an object"},
		{HEAD "[{}]}", "evidence 0: no \"source\""},
		{HEAD "[{\"source\":{}}]}", "evidence 0: \"source\" is not a string"},
		{HEAD "[{\"source\":\"a\",\"status\":\"ok\"}]}", "evidence 0 (a): \"round\""},
		{HEAD "[{\"source\":\"a\",\"round\":\"once\"}]}", "evidence 0 (a): \"status\""},
		{PIECE(",\"subject\":\"a\\\\q\""), "escapes nothing"},
		{PIECE(",\"subject\":\"a\\\\x0\""), "escapes nothing"},
		{PIECE(",\"subject\":\"a\\\\x00\""), "has a NUL"},
		{PIECE(",\"subject\":\"a\\u0000\""), "has a NUL"},
		{PIECE(",\"where\":[]"), "\"where\" is not a string"},
		{PIECE(",\"detail\":1"), "\"detail\" is not a string"},
		{PIECE(",\"errno\":-1"), "evidence 0 (a.b): \"errno\""},
		{PIECE(",\"errno\":4294967296"), "\"errno\""},
		{PIECE(",\"at_ns\":\"1\""), "\"at_ns\""},
		{PIECE(",\"at_ns\":1.5"), "\"at_ns\""},
		{PIECE(",\"took_ns\":-1"), "\"took_ns\""},
		{PIECE(",\"meta\":[]"), "\"meta\" is not an object"},
		{PIECE(",\"text\":7"), "\"text\" is not a string"},
		{PIECE(",\"escaped\":7"), "\"escaped\" is not a string"},
		{PIECE(",\"text\":\"\",\"escaped\":\"\""), "more than one of"},
		{PIECE(",\"attachment\":7"), "\"attachment\" is not a string"},
		{PIECE(",\"attachment\":\"raw/9\""), "not in the archive"},
		{PIECE(",\"attachment\":\"case.json\""), "not in the archive"},
	};

	for (size_t i = 0; i < VH_ARRAY_SIZE(rows); i++)
		assert_json_says(rows[i].json, rows[i].expected);
}

static void an_attachment_belongs_to_one_piece(void **state VH_UNUSED)
{
	struct made m;

	made_begin(&m);
	made_json(&m, HEAD "[{\"source\":\"a\",\"round\":\"once\",\"status\":\"ok\","
			   "\"attachment\":\"raw/1\"},{\"source\":\"b\",\"round\":\"once\","
			   "\"status\":\"ok\",\"attachment\":\"raw/1\"}]}");
	made_add(&m, "raw/1", AE_IFREG, NULL, 2, "hi");
	assert_says(&m, "evidence 1 (b): its attachment \"raw/1\" belongs to another");
}

static void what_a_newer_vmhang_calls_it_is_kept_but_not_believed(void **state VH_UNUSED)
{
	struct made m;
	struct vh_case *c = NULL;

	made_begin(&m);
	made_json(&m, HEAD "[{\"source\":\"a\",\"round\":\"once\",\"status\":\"guessed\","
			   "\"detail\":\"why\",\"text\":\"data\"},{\"source\":\"a\","
			   "\"round\":\"twice\",\"status\":\"ok\",\"text\":\"data\"}]}");
	archive_write_free(m.a);
	assert_null(vh_case_load_memory("made", m.out.data, m.out.len, &c));
	assert_int_equal(c->n_evidence, 2);
	assert_int_equal(c->evidence[0]->status, VH_FAILED);
	assert_string_equal(c->evidence[0]->data, "data");
	assert_string_equal(
		c->evidence[0]->detail, "this vmhang does not know the status \"guessed\": why");
	assert_int_equal(c->evidence[1]->status, VH_FAILED);
	assert_null(vh_case_find_data(c, "a", NULL, VH_N_ROUND));
	assert_string_equal(c->vm->name, "x");
	vh_case_free(c);
	vh_buf_free(&m.out);
}

/* Deterministic: a failure is found again with the same seed. */
static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void mutate(struct vh_buf *b, uint32_t *seed)
{
	for (uint32_t n = 1 + next_random(seed) % 6; n-- && b->len;) {
		size_t at = next_random(seed) % b->len;
		size_t wanted = next_random(seed) % 64, length = VH_MIN(wanted, b->len - at);

		switch (next_random(seed) % 4) {
		case 0:
			b->data[at] ^= (char)(1 << next_random(seed) % 8);
			break;
		case 1:
			b->data[at] = (char)next_random(seed);
			break;
		case 2:
			memmove(b->data + next_random(seed) % (b->len - length + 1), b->data + at,
				length);
			break;
		default:
			memmove(b->data + at, b->data + at + length, b->len - at - length);
			b->len -= length;
		}
	}
}

/* Loads it: a case or an error, never both, never neither. */
static bool survives(const struct vh_buf *b)
{
	struct vh_case *c = NULL;
	vh_auto_free char *copy = vh_alloc(b->len + 1);

	memcpy(copy, vh_buf_str(b), b->len);
	vh_auto_error struct vh_error *err = vh_case_load_memory("mutated", copy, b->len, &c);

	assert_true(!!err != !!c);
	if (err)
		assert_true(vh_prefix(err->message, "mutated: "));
	vh_case_free(c);
	return !err;
}

static void mutated_files_do_no_harm(void **state VH_UNUSED)
{
	const char *root = getenv("VH_SOURCE_ROOT");
	vh_auto_free char *path =
		vh_asprintf("%s/tests/cases/boot-cpu-spins-2vcpus.vmhang", root ? root : ".");
	vh_auto_buf struct vh_buf file = slurp(path);
	uint32_t seed = 20240607;
	size_t loaded = 0;

	for (int i = 0; i < 2500; i++) {
		vh_auto_buf struct vh_buf b = {0};

		vh_buf_add(&b, file.data, file.len);
		mutate(&b, &seed);
		loaded += survives(&b);
	}
	/* Most of them hit the compressed data, and that is noticed. */
	assert_true(loaded < 1250);
}

/* The same without the compression, so that it reaches the JSON and the tar headers. */
static void mutated_json_does_no_harm(void **state VH_UNUSED)
{
	static const char json[] = HEAD
		"[{\"source\":\"a\",\"subject\":\"x\\\\xff\\\\\\\\\",\"round\":\"once\",\"status\":"
		"\"ok\",\"errno\":5,\"at_ns\":1,\"took_ns\":2,\"meta\":{\"n\":1},\"escaped\":"
		"\"\\\\x00\"},{\"source\":\"b\",\"round\":\"last\",\"status\":\"denied\","
		"\"attachment\":\"raw/1\"}]}";
	uint32_t seed = 99;
	size_t loaded = 0;

	for (int i = 0; i < 4000; i++) {
		struct made m = {.a = archive_write_new()};
		vh_auto_buf struct vh_buf text = {0};

		vh_buf_puts(&text, json);
		if (i % 2)
			mutate(&text, &seed);
		archive_write_set_format_ustar(m.a);
		archive_write_open(m.a, &m, NULL, made_write, NULL);
		made_add(&m, "case.json", AE_IFREG, NULL, text.len, vh_buf_str(&text));
		made_add(&m, "raw/1", AE_IFREG, NULL, 3, "abc");
		archive_write_free(m.a);
		if (i % 2 == 0)
			mutate(&m.out, &seed);
		loaded += survives(&m.out);
		vh_buf_free(&m.out);
	}
	assert_in_range(loaded, 1, 3999);
}

static int make_directory(void **state VH_UNUSED)
{
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state VH_UNUSED)
{
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_saved_comes_back),
		cmocka_unit_test(the_archive_is_as_documented),
		cmocka_unit_test(a_truncated_file_is_an_error_that_says_where),
		cmocka_unit_test(a_full_disk_leaves_nothing),
		cmocka_unit_test(saving_replaces_no_device_and_needs_a_directory),
		cmocka_unit_test(a_case_that_could_not_be_read_again_is_not_written),
		cmocka_unit_test(other_files_are_no_case_files),
		cmocka_unit_test(hostile_names_and_entries_are_refused),
		cmocka_unit_test(sizes_are_capped),
		cmocka_unit_test(a_sparse_giant_costs_nothing),
		cmocka_unit_test(too_many_pieces_are_refused),
		cmocka_unit_test(wrong_types_are_errors_that_name_the_piece),
		cmocka_unit_test(an_attachment_belongs_to_one_piece),
		cmocka_unit_test(what_a_newer_vmhang_calls_it_is_kept_but_not_believed),
		cmocka_unit_test(mutated_files_do_no_harm),
		cmocka_unit_test(mutated_json_does_no_harm),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}

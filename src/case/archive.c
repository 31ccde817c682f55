/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "case/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "case/case_json.h"

#define CASE_JSON "case.json"
#define MAX_FILES (VH_CASE_MAX_EVIDENCE + 16)
#define MAX_NAME  255

/* --- writing --- */

/* Only what no shell and no file system stumbles over. */
static void put_plain(struct vh_buf *out, const char *s, size_t max)
{
	for (size_t i = 0; s[i] && i < max; i++)
		vh_buf_putc(out,
			isalnum((unsigned char)s[i]) || s[i] == '-' || s[i] == '.' ? s[i] : '_');
}

/* raw/0012-guest.screendump.ppm */
static char *attachment_name(const struct vh_evidence *e, size_t index)
{
	const char *ext = e->attachment ? strrchr(e->attachment, '.') : NULL;
	struct vh_buf name = {0};

	vh_buf_printf(&name, "raw/%04zu-", index);
	put_plain(&name, e->source, 64);
	if (ext)
		put_plain(&name, ext, 8);
	return vh_buf_steal(&name);
}

static struct vh_error *archive_failure(struct archive *a, const char *what)
{
	/* libarchive has codes of its own below zero for what is no system error. */
	int code = archive_errno(a);
	const char *text = archive_error_string(a);

	if (code > 0)
		return vh_error_new(code, "writing %s", what);
	return vh_error_new(EIO, "writing %s: %s", what, text ? text : "unknown error");
}

static struct vh_error *write_file(
	struct archive *a, const char *name, const char *data, size_t size, int64_t mtime_ns)
{
	struct archive_entry *entry = archive_entry_new();

	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0600);
	archive_entry_set_size(entry, (la_int64_t)size);
	archive_entry_set_mtime(entry, mtime_ns / VH_NS_PER_S, 0);
	bool ok = archive_write_header(a, entry) >= ARCHIVE_WARN;

	while (ok && size) {
		la_ssize_t n = archive_write_data(a, data, size);

		ok = n > 0;
		data += ok ? n : 0;
		size -= ok ? (size_t)n : 0;
	}
	archive_entry_free(entry);
	return ok ? NULL : archive_failure(a, name);
}

static struct vh_error *write_files(
	struct archive *a, const struct vh_case *c, char *const names[], struct vh_str json)
{
	struct vh_error *err = write_file(a, CASE_JSON, json.s, json.n, c->began_wall_ns);

	for (size_t i = 0; !err && i < c->n_evidence; i++)
		if (names[i])
			err = write_file(a, names[i], c->evidence[i]->data, c->evidence[i]->size,
				c->began_wall_ns);
	return err;
}

/* Writes no case that could not be read again. */
static struct vh_error *check_sizes(const struct vh_case *c, char *const names[], size_t json_size)
{
	uint64_t total = json_size;

	if (c->n_evidence > VH_CASE_MAX_EVIDENCE)
		return vh_error_new(EFBIG, "%zu pieces of evidence", c->n_evidence);
	if (json_size > VH_CASE_MAX_JSON)
		return vh_error_new(EFBIG, CASE_JSON " of %zu bytes", json_size);
	for (size_t i = 0; i < c->n_evidence; i++) {
		if (!names[i])
			continue;
		if (c->evidence[i]->size > VH_CASE_MAX_ATTACHMENT)
			return vh_error_new(
				EFBIG, "%s of %zu bytes", names[i], c->evidence[i]->size);
		total += c->evidence[i]->size + 2 * 512;
	}
	if (total > VH_CASE_MAX_UNPACKED - (1 << 20))
		return vh_error_new(EFBIG, "a case of %ju bytes", (uintmax_t)total);
	return NULL;
}

static struct vh_error *write_archive(const struct vh_case *c, int fd)
{
	char **names = vh_alloc((c->n_evidence + 1) * sizeof(*names));

	for (size_t i = 0; i < c->n_evidence; i++)
		if (c->evidence[i]->data && !vh_evidence_is_inline(c->evidence[i]))
			names[i] = attachment_name(c->evidence[i], i);
	struct json_object *json = vh_case_json_write(c, names);
	size_t size;
	const char *text = json_object_to_json_string_length(
		json, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE, &size);
	struct archive *a = archive_write_new();
	struct vh_error *err = check_sizes(c, names, size);

	if (!err && (archive_write_set_format_pax_restricted(a) < ARCHIVE_WARN ||
			    archive_write_add_filter_zstd(a) < ARCHIVE_WARN ||
			    archive_write_open_fd(a, fd) < ARCHIVE_WARN))
		err = archive_failure(a, "the archive");
	if (!err)
		err = write_files(a, c, names, (struct vh_str){text, size});
	if (!err && archive_write_close(a) < ARCHIVE_WARN)
		err = archive_failure(a, "the archive's end");
	archive_write_free(a);
	json_object_put(json);
	for (size_t i = 0; i < c->n_evidence; i++)
		free(names[i]);
	free(names);
	return err;
}

/* The new name is on the disk too. Not all file systems can; the file itself is safe by then. */
static void sync_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	vh_auto_free char *dir = slash ? vh_strndup(path, VH_MAX((size_t)(slash - path), (size_t)1))
				       : vh_strdup(".");
	vh_auto_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		fsync(fd);
}

struct vh_error *vh_case_save(const struct vh_case *c, const char *path)
{
	struct stat st;

	/* As root, the rename below would put a file in the place of /dev/null. */
	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return vh_error_new(S_ISDIR(st.st_mode) ? EISDIR : EINVAL,
			"saving the case to %s, which is no file", path);
	vh_auto_free char *temporary = vh_asprintf("%s.XXXXXX", path);
	vh_auto_close int fd = mkostemp(temporary, O_CLOEXEC);

	if (fd < 0)
		return vh_error_new(errno, "saving the case: creating a file beside %s", path);
	struct vh_error *err = write_archive(c, fd);

	if (!err && (fchmod(fd, 0600) < 0 || fsync(fd) < 0))
		err = vh_error_new(errno, "writing it to the disk");
	if (!err && rename(temporary, path) < 0)
		err = vh_error_new(errno, "renaming %s", temporary);
	if (err) {
		unlink(temporary);
		return vh_error_prefix(err, "saving the case to %s", path);
	}
	sync_directory(path);
	return NULL;
}

/* --- reading --- */

struct file {
	char *name; /* without a leading "./" */
	char *data; /* NULL once taken */
	size_t size;
};

struct files {
	struct vh_attachments attachments; /* first: take_file() gets back from it */
	struct file *list;                 /* sorted by name once all are read */
	size_t n;
	uint64_t total;
};

static void files_free(struct files *files)
{
	for (size_t i = 0; i < files->n; i++) {
		free(files->list[i].name);
		free(files->list[i].data);
	}
	free(files->list);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

static struct file *find_file(const struct files *files, const char *name)
{
	struct file key = {.name = (char *)name};

	return files->n ? bsearch(&key, files->list, files->n, sizeof(key), by_name) : NULL;
}

/* Each at most once: a file that a hundred pieces of evidence share would be copied as often. */
static struct vh_error *take_file(
	struct vh_attachments *from, const char *name, char **data, size_t *size)
{
	struct file *file = find_file((struct files *)from, name);

	if (!file || strcmp(name, CASE_JSON) == 0)
		return vh_error_new(0, "its attachment \"%.255s\" is not in the archive", name);
	if (!file->data)
		return vh_error_new(
			0, "its attachment \"%.255s\" belongs to another piece already", name);
	*data = file->data;
	*size = file->size;
	file->data = NULL;
	return NULL;
}

/* Nothing is ever unpacked to the disk, but an archive with such names was made to do harm. */
static struct vh_error *check_name(const char *name)
{
	struct vh_str rest = vh_str(name), part;

	if (name[0] == '/')
		return vh_error_new(0, "it has an absolute path in it");
	while (vh_next_part(&rest, '/', &part))
		if (vh_str_is(part, ".."))
			return vh_error_new(0, "it has a \"..\" in it");
	return NULL;
}

static struct vh_error *check_entry(struct archive_entry *entry, const struct files *files)
{
	const char *name = archive_entry_pathname(entry);
	la_int64_t size = archive_entry_size(entry);
	struct vh_error *err;

	if (!name || !name[0] || strlen(name) > MAX_NAME)
		return vh_error_new(
			0, "file %zu of the archive has no name that it may have", files->n);
	err = check_name(name);
	if (!err && (archive_entry_hardlink(entry) || archive_entry_symlink(entry)))
		err = vh_error_new(0, "it is a link");
	if (!err && archive_entry_filetype(entry) == AE_IFDIR)
		return NULL;
	if (!err && archive_entry_filetype(entry) != AE_IFREG)
		err = vh_error_new(0, "it is no plain file");
	unsigned cap = strcmp(name, CASE_JSON) == 0 ? VH_CASE_MAX_JSON : VH_CASE_MAX_ATTACHMENT;

	if (!err && (size < 0 || size > cap))
		err = vh_error_new(0, "its size is %jd, it may have %u bytes", (intmax_t)size, cap);
	if (!err && files->total + (uint64_t)size > VH_CASE_MAX_UNPACKED)
		err = vh_error_new(
			0, "the archive unpacks to more than %u bytes", VH_CASE_MAX_UNPACKED);
	return vh_error_prefix(err, "the archive's file \"%s\"", name);
}

/* The message of libarchive where it is one, in words about this archive. */
static struct vh_error *read_failure(struct archive *a, const char *what)
{
	const char *text = archive_error_string(a);
	la_int64_t at = archive_filter_bytes(a, -1);

	text = text ? text : "unreadable";
	/* Not even begun where it failed as it was opened. */
	if (at < 0)
		return vh_error_new(
			0, "%s: damaged or cut short near its beginning: %s", what, text);
	return vh_error_new(
		0, "%s: damaged or cut short near byte %jd: %s", what, (intmax_t)at, text);
}

static struct vh_error *read_data(struct archive *a, struct file *file)
{
	size_t have = 0;

	/* Grows with what is really there, so that a size that lies costs nothing. */
	while (have < file->size) {
		size_t more = VH_MIN(file->size - have, VH_MAX((size_t)65536, have));

		file->data = vh_realloc_array(file->data, have + more + 1, 1);
		la_ssize_t n = archive_read_data(a, file->data + have, more);

		if (n <= 0)
			return vh_error_prefix(n < 0 ? read_failure(a, "reading it")
						     : vh_error_new(0, "it ends early"),
				"the archive's file \"%s\", at %zu of %zu bytes", file->name, have,
				file->size);
		have += (size_t)n;
	}
	file->data = vh_realloc_array(file->data, have + 1, 1);
	file->data[have] = 0;
	return NULL;
}

static struct vh_error *read_entry(
	struct archive *a, struct archive_entry *entry, struct files *files)
{
	struct vh_error *err = check_entry(entry, files);

	if (err || archive_entry_filetype(entry) == AE_IFDIR)
		return err;
	if (files->n >= MAX_FILES)
		return vh_error_new(0, "the archive has more than %d files", MAX_FILES);
	const char *name = archive_entry_pathname(entry);
	struct file *file = &VH_PUSH(files->list, files->n);

	file->name = vh_strdup(vh_prefix(name, "./") ? name + 2 : name);
	file->size = (size_t)archive_entry_size(entry);
	files->total += file->size;
	return read_data(a, file);
}

static struct vh_error *read_entries(struct archive *a, struct files *files)
{
	struct archive_entry *entry;
	int result;

	while ((result = archive_read_next_header(a, &entry)) >= ARCHIVE_WARN &&
		result != ARCHIVE_EOF) {
		struct vh_error *err = read_entry(a, entry, files);

		/* Headers, padding and skipped data count too. */
		if (!err && archive_filter_bytes(a, 0) > 2 * (la_int64_t)VH_CASE_MAX_UNPACKED)
			err = vh_error_new(0, "the archive unpacks to more than %u bytes",
				2 * VH_CASE_MAX_UNPACKED);
		if (err)
			return err;
	}
	if (result == ARCHIVE_EOF && files->n)
		return NULL;
	/* EILSEQ is libarchive's word for a format that it does not know. */
	if (files->n || (result != ARCHIVE_EOF && archive_errno(a) != EILSEQ))
		return read_failure(a,
			files->n ? "reading the next file of the archive" : "reading the archive");
	struct vh_error *err = vh_error_new(0, "not a case file: no tar archive, zstd-compressed");

	err->code = EMEDIUMTYPE;
	return err;
}

static struct vh_error *check_duplicates(const struct files *files)
{
	for (size_t i = 1; i < files->n; i++)
		if (strcmp(files->list[i - 1].name, files->list[i].name) == 0)
			return vh_error_new(0, "the archive has \"%s\" twice", files->list[i].name);
	return NULL;
}

static struct vh_error *load_files(struct files *files, struct vh_case **out)
{
	struct vh_error *err = NULL;

	qsort(files->list, files->n, sizeof(*files->list), by_name);
	err = check_duplicates(files);
	if (err)
		return err;
	struct file *json = find_file(files, CASE_JSON);

	if (!json) {
		err = vh_error_new(0, "not a case file: the archive has no " CASE_JSON);
		err->code = EMEDIUMTYPE;
		return err;
	}
	files->attachments.take = take_file;
	return vh_error_prefix(vh_case_json_read((struct vh_str){json->data, json->size},
				       &files->attachments, out),
		CASE_JSON);
}

/* Takes the archive, which is opened by then unless `opened` says otherwise. */
static struct vh_error *load(const char *name, struct archive *a, int opened, struct vh_case **out)
{
	struct files files = {0};
	struct vh_error *err = NULL;

	/* EILSEQ: read, but no format that is known; read_entries() says so. */
	if (opened < ARCHIVE_WARN && archive_errno(a) > 0 && archive_errno(a) != EILSEQ)
		err = vh_error_new(archive_errno(a), "reading it");
	if (!err)
		err = read_entries(a, &files);
	if (!err)
		err = load_files(&files, out);
	files_free(&files);
	archive_read_free(a);
	return vh_error_prefix(err, "%s", name);
}

static struct archive *reader(void)
{
	struct archive *a = archive_read_new();

	archive_read_support_filter_zstd(a);
	archive_read_support_format_tar(a);
	return a;
}

struct vh_error *vh_case_load(const char *path, struct vh_case **out)
{
	struct archive *a;

	if (strcmp(path, "-") == 0) {
		a = reader();
		return load("standard input", a, archive_read_open_fd(a, STDIN_FILENO, 65536), out);
	}
	vh_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return vh_error_new(errno, "opening %s", path);
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		return vh_error_new(EISDIR, "reading %s", path);
	a = reader();
	return load(path, a, archive_read_open_fd(a, fd, 65536), out);
}

struct vh_error *vh_case_load_memory(
	const char *name, const void *data, size_t size, struct vh_case **out)
{
	struct archive *a = reader();

	return load(name, a, archive_read_open_memory(a, data, size), out);
}

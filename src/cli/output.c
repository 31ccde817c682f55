/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What all commands share: errors to stderr, the answer to stdout, durations as options. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/command.h"

void vh_cli_complain(const char *fmt, ...)
{
	char *message;
	vh_auto_buf struct vh_buf line = {0};
	va_list args;

	va_start(args, fmt);
	message = vh_vasprintf(fmt, args);
	va_end(args);
	/* Names of files and VMs are in there, and candidates a line each. */
	vh_escape(&line, vh_str(message), true);
	fprintf(stderr, "vmhang: %s\n", vh_buf_str(&line));
	free(message);
}

int vh_cli_status_of_errno(int code)
{
	switch (code) {
	case ESRCH:
	case ENOTUNIQ:
		return EX_NOHOST;
	case ENOENT:
	case ENOTDIR:
	case EISDIR:
		return EX_NOINPUT;
	case EACCES:
	case EPERM:
		return EX_NOPERM;
	case EIO:
	case ENOSPC:
	case EDQUOT:
	case EROFS:
	case EPIPE:
		return EX_IOERR;
	case ETIMEDOUT:
	case EAGAIN:
		return EX_TEMPFAIL;
	case ENOTSUP:
	case ENOSYS:
		return EX_UNAVAILABLE;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return EX_OSERR;
	default:
		return EX_DATAERR;
	}
}

int vh_cli_fail(struct vh_error *err)
{
	int status = vh_cli_status_of_errno(err->code);

	vh_cli_complain("%s", err->message);
	vh_error_free(err);
	return status;
}

unsigned vh_cli_width(void)
{
	struct winsize size = {0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col)
		return 100;
	return VH_MIN(VH_MAX(size.ws_col, 60U), 120U);
}

bool vh_cli_colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && term && !vh_streq(term, "dumb");
}

/* The first error of stdout, which is one for the whole process as well. */
static int output_error;

static void print(const char *text, size_t n)
{
	if (fwrite(text, 1, n, stdout) != n && !output_error)
		output_error = errno;
}

void vh_cli_print(const struct vh_buf *text)
{
	print(vh_buf_str(text), text->len);
}

void vh_cli_print_json(struct json_object *o)
{
	size_t n;
	const char *text = json_object_to_json_string_length(o,
		JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE,
		&n);

	print(text, n);
	print("\n", 1);
}

int vh_cli_finish_output(void)
{
	bool failed = ferror(stdout);

	if (fflush(stdout) != 0 && !output_error)
		output_error = errno;
	/* What argp wrote may have failed without our seeing why. */
	return output_error || !failed ? output_error : EIO;
}

bool vh_duration_parse(struct vh_str s, int64_t *ns)
{
	static const struct {
		const char *suffix;
		int64_t ns;
	} units[] = {
		/* "ms" and "us" before "s", of which they are no number of. */
		{"ms", VH_NS_PER_MS},
		{"us", VH_NS_PER_US},
		{"ns", 1},
		{"s", VH_NS_PER_S},
		{"m", 60 * VH_NS_PER_S},
		{"h", 3600 * VH_NS_PER_S},
		{"", VH_NS_PER_S},
	};
	double value;

	for (size_t i = 0; i < VH_ARRAY_SIZE(units); i++) {
		size_t n = strlen(units[i].suffix);

		if (s.n < n || memcmp(s.s + s.n - n, units[i].suffix, n) != 0)
			continue;
		if (!vh_parse_double((struct vh_str){s.s, s.n - n}, &value) || !(value >= 0) ||
			!(value * (double)units[i].ns <= 86400.0 * (double)VH_NS_PER_S))
			return false;
		*ns = (int64_t)(value * (double)units[i].ns);
		return true;
	}
	return false;
}

int64_t vh_cli_duration(const char *arg, const char *option, struct argp_state *state)
{
	int64_t ns = 0;

	if (!vh_duration_parse(vh_str(arg), &ns))
		argp_error(state, "%s: \"%s\" is no duration such as 500ms, 2s or 1m", option, arg);
	return ns;
}

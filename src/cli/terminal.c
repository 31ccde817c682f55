/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>

/* xterm's modes: 1049 alternate screen, 25 cursor. */
#define ENTER "\033[?1049h\033[?25l\033[H\033[2J"
#define LEAVE "\033[0m\033[?25h\033[?1049l"

/* What a signal handler needs to put the terminal back. */
static struct {
	volatile sig_atomic_t open;
	volatile sig_atomic_t redraw;
	bool has_keys;
	struct termios was, ours;
	int state; /* of vh_press_of_byte */
	unsigned char bytes[64];
	size_t n, at;
} terminal;

bool vh_terminal_usable(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term && *term && !vh_streq(term, "dumb");
}

bool vh_terminal_has_keys(void)
{
	return terminal.has_keys;
}

/* Async-signal-safe, like what it calls. */
static int put(const char *text, size_t n)
{
	while (n) {
		ssize_t done = write(STDOUT_FILENO, text, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? -errno : -EIO;
		text += done;
		n -= (size_t)done;
	}
	return 0;
}

static void enter(void)
{
	terminal.open = 1;
	if (terminal.has_keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &terminal.ours);
	put(ENTER, sizeof(ENTER) - 1);
}

void vh_terminal_close(void)
{
	if (!terminal.open)
		return;
	put(LEAVE, sizeof(LEAVE) - 1);
	if (terminal.has_keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &terminal.was);
	/* Last: a signal in the middle does it all once more. */
	terminal.open = 0;
}

static void ended(int number)
{
	vh_terminal_close();
	_exit(128 + number);
}

/* The default action, a core dump as it may be, comes once the handler has gone (SA_RESETHAND). */
static void crashed(int number)
{
	vh_terminal_close();
	raise(number);
}

static void stopped(int number)
{
	int err = errno;

	(void)number;
	vh_terminal_close();
	raise(SIGSTOP);
	enter();
	terminal.redraw = 1;
	errno = err;
}

static void resized(int number)
{
	(void)number;
	terminal.redraw = 1;
}

static void handle(const int *numbers, size_t n, void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	/* One at a time: a second one must not find the terminal half restored. */
	sigfillset(&action.sa_mask);
	for (size_t i = 0; i < n; i++)
		sigaction(numbers[i], &action, NULL);
}

void vh_terminal_open(void)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGXCPU, SIGALRM};
	static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS};
	static const int stop[] = {SIGTSTP}, resize[] = {SIGWINCH};

	if (isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &terminal.was) == 0) {
		terminal.has_keys = true;
		terminal.ours = terminal.was;
		terminal.ours.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		terminal.ours.c_cc[VMIN] = 1;
		terminal.ours.c_cc[VTIME] = 0;
	}
	atexit(vh_terminal_close);
	handle(ends, VH_ARRAY_SIZE(ends), ended, 0);
	handle(crashes, VH_ARRAY_SIZE(crashes), crashed, (int)SA_RESETHAND);
	handle(stop, VH_ARRAY_SIZE(stop), stopped, 0);
	handle(resize, VH_ARRAY_SIZE(resize), resized, 0);
	enter();
}

void vh_terminal_size(unsigned *columns, unsigned *lines)
{
	struct winsize size = {0};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		size = (struct winsize){0};
	/* The last column is left empty: a terminal may wrap behind it. */
	*columns = size.ws_col ? VH_MAX(size.ws_col - 1U, 20U) : 79;
	*lines = size.ws_row ? VH_MAX(size.ws_row, 4U) : 24;
}

int vh_terminal_draw(const struct vh_buf *text, const char *bottom)
{
	vh_auto_buf struct vh_buf out = {0};
	unsigned columns, lines, line = 1;
	const char *s = vh_buf_str(text);

	vh_terminal_size(&columns, &lines);
	vh_buf_puts(&out, "\033[H");
	for (const char *end; line < lines && (end = strchr(s, '\n')); s = end + 1, line++) {
		vh_buf_add(&out, s, (size_t)(end - s));
		vh_buf_puts(&out, "\033[K\r\n");
	}
	vh_buf_printf(&out, "\033[J\033[%u;1H\033[7m%-*.*s\033[0m", lines, (int)columns,
		(int)columns, bottom);
	return put(out.data, out.len);
}

int vh_press_of_byte(int *state, unsigned char byte)
{
	enum { GROUND, ESCAPE, SEQUENCE };

	switch (*state) {
	case ESCAPE:
		/* CSI, and SS3 of a terminal whose cursor keys are in application mode. */
		*state = byte == '[' || byte == 'O' ? SEQUENCE : byte == 0x1b ? ESCAPE : GROUND;
		return VH_PRESS_NONE;
	case SEQUENCE:
		if (byte < 0x40 || byte > 0x7e)
			return VH_PRESS_NONE;
		*state = GROUND;
		return byte == 'A'   ? (int)VH_PRESS_UP
		       : byte == 'B' ? (int)VH_PRESS_DOWN
				     : (int)VH_PRESS_NONE;
	default:
		if (byte == 0x1b) {
			*state = ESCAPE;
			return VH_PRESS_NONE;
		}
		return byte < 0x80 ? byte : (int)VH_PRESS_NONE;
	}
}

/* What is left of the last read. */
static int buffered(void)
{
	while (terminal.at < terminal.n) {
		int key = vh_press_of_byte(&terminal.state, terminal.bytes[terminal.at++]);

		if (key != VH_PRESS_NONE)
			return key;
	}
	return VH_PRESS_NONE;
}

int vh_terminal_wait(struct vh_deadline deadline)
{
	for (;;) {
		/* A negative descriptor is not looked at. */
		struct pollfd fd = {.fd = terminal.has_keys ? STDIN_FILENO : -1, .events = POLLIN};
		int key = buffered();

		if (key != VH_PRESS_NONE)
			return key;
		if (terminal.redraw) {
			terminal.redraw = 0;
			return VH_PRESS_REDRAW;
		}
		int n = poll(&fd, 1, vh_deadline_left_ms(deadline));

		if (n > 0) {
			ssize_t got = read(STDIN_FILENO, terminal.bytes, sizeof(terminal.bytes));

			if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
				return 'q';
			terminal.n = got > 0 ? (size_t)got : 0;
			terminal.at = 0;
		} else if (vh_deadline_passed(deadline) && !terminal.redraw) {
			return VH_PRESS_NONE;
		}
	}
}

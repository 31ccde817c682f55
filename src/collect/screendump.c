/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The screen as a picture. QEMU writes it to a file of its choosing user and mount namespace, so it
 * is only asked where both are ours, into a directory of our own that goes away again. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "collect/session.h"

#define PICTURE_BYTES (16u << 20)

/* True where a link of the VM and ours lead to the same. */
static bool same_link(struct vh_host *host, pid_t pid, const char *name)
{
	vh_auto_reading struct vh_reading theirs, ours;

	vh_host_readlink(host, &theirs, "/proc/%d/%s", (int)pid, name);
	vh_host_readlink(host, &ours, "/proc/self/%s", name);
	return theirs.status == VH_OK && ours.status == VH_OK && vh_streq(theirs.data, ours.data);
}

static bool same_user(struct vh_host *host, pid_t pid)
{
	vh_auto_reading struct vh_reading r;
	struct vh_str value, word;
	uint64_t uid = 0;

	vh_host_read(host, 16384, &r, "/proc/%d/status", (int)pid);
	/* Real, effective, saved, file system. */
	if (!vh_status_has_data(r.status) ||
		!vh_status_field((struct vh_str){r.data, r.size}, "Uid", &value))
		return false;
	return vh_next_word(&value, &word) && vh_next_word(&value, &word) &&
	       vh_parse_u64(word, 10, &uid) && uid == geteuid();
}

void vh_session_object_to_screendump(struct vh_session *s)
{
	const struct vh_vm *vm = s->c->vm;

	if (s->through_libvirt || vm->libvirt.managed)
		vh_outlook_object(&s->outlook, VH_NEED_FILE,
			"libvirt confines what the VM may write; take it with: virsh screenshot");
	else if (!vh_host_is_live(s->host))
		vh_outlook_object(&s->outlook, VH_NEED_FILE, "this is a captured host");
	else if (vm->in_container || !same_link(s->host, vm->id.pid, "ns/mnt") ||
		 !same_link(s->host, vm->id.pid, "root"))
		vh_outlook_object(&s->outlook, VH_NEED_FILE,
			"the VM has other directories than vmhang (container or chroot)");
	else if (!same_user(s->host, vm->id.pid))
		vh_outlook_object(&s->outlook, VH_NEED_FILE,
			"the VM runs as another user, who could not write the picture");
}

/* Takes the picture into e; what was written is nobody's but must still be a plain file. */
static void read_picture(struct vh_evidence *e, const char *path)
{
	vh_auto_close int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		vh_evidence_fail(e, vh_status_of_errno(errno), errno, "reading the picture: %s",
			strerror(errno));
		return;
	}
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > PICTURE_BYTES) {
		vh_evidence_fail(e, VH_FAILED, EFBIG, "the picture is empty or over %u bytes",
			PICTURE_BYTES);
		return;
	}
	vh_auto_free char *data = vh_alloc((size_t)st.st_size);
	ssize_t n = read(fd, data, (size_t)st.st_size);

	if (n == st.st_size)
		vh_evidence_set_data(e, data, (size_t)n);
	else
		vh_evidence_fail(e, VH_FAILED, EIO, "the picture could not be read whole");
}

static void ask_picture(struct vh_session *s, const char *path, bool png, struct vh_qmp_answer *a)
{
	vh_auto_json struct json_object *arguments = json_object_new_object();

	vh_json_put_text(arguments, "filename", path);
	if (png)
		vh_json_put_text(arguments, "format", "png");
	vh_session_ask(s, "screendump", arguments, a);
}

static void take(struct vh_session *s)
{
	char directory[] = VH_PICTURE_DIRECTORY "/vmhang-XXXXXX";
	vh_auto_qmp_answer struct vh_qmp_answer a = {0};
	/* `format` is new in QEMU 7.1. */
	bool png = s->major > 7 || (s->major == 7 && s->minor >= 1);
	struct vh_evidence *e =
		vh_case_add(s->c, VH_ASKED, "guest.screendump", NULL, "QMP screendump");

	if (!mkdtemp(directory)) {
		vh_evidence_fail(
			e, VH_FAILED, errno, "creating %s: %s", directory, strerror(errno));
		return;
	}
	vh_auto_free char *path = vh_asprintf("%s/screen", directory);

	ask_picture(s, path, png, &a);
	if (a.outcome == VH_QMP_ERROR && png) {
		/* A QEMU without libpng. */
		vh_qmp_answer_free(&a);
		png = false;
		ask_picture(s, path, png, &a);
	}
	e->at_ns = a.at_ns - s->c->began_ns;
	if (a.outcome == VH_QMP_OK) {
		e->attachment = vh_strdup(png ? "screen.png" : "screen.ppm");
		read_picture(e, path);
	} else {
		vh_auto_free char *detail = vh_escaped(a.detail);
		bool none = strstr(detail, "no console") != NULL;

		vh_evidence_fail(e, none ? VH_ABSENT : a.status, none ? 0 : a.err, "%s", detail);
	}
	unlink(path);
	rmdir(directory);
	e->took_ns = vh_now_ns() - a.at_ns;
}

/* Ctrl-C would leave the directory behind: it comes a moment later, when a step's deadline has
 * passed at the latest. */
void vh_session_take_screendump(struct vh_session *s)
{
	sigset_t stop, old;

	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &stop, &old);
	take(s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

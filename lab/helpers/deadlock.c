/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded into QEMU, this brings it into a deadlock as its own bugs do: once the file in
 * VMHANG_LAB_DEADLOCK is there, another thread takes a lock and then QEMU's big lock, while the
 * main thread holds the big lock and then wants the first one.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER;
static sem_t first_is_taken, big_is_taken;

static void take_big_lock(void)
{
	/* Its name up to QEMU 8.2, and since. */
	void (*take)(const char *, int) = dlsym(RTLD_DEFAULT, "qemu_mutex_lock_iothread_impl");

	if (!take)
		take = dlsym(RTLD_DEFAULT, "bql_lock_impl");
	take(__FILE__, __LINE__);
}

static void *other(void *unused)
{
	(void)unused;
	pthread_setname_np(pthread_self(), "worker");
	pthread_mutex_lock(&first);
	sem_post(&first_is_taken);
	sem_wait(&big_is_taken);
	take_big_lock();
	return NULL;
}

static void lock_up(void)
{
	pthread_t thread;

	sem_init(&first_is_taken, 0, 0);
	sem_init(&big_is_taken, 0, 0);
	pthread_create(&thread, NULL, other, NULL);
	sem_wait(&first_is_taken);
	take_big_lock();
	sem_post(&big_is_taken);
	pthread_mutex_lock(&first);
}

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *signals)
{
	static int (*real)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
	const char *when = getenv("VMHANG_LAB_DEADLOCK");

	if (!real)
		real = dlsym(RTLD_NEXT, "ppoll");
	/* The main thread's, which sleeps here without the big lock. */
	if (when && getpid() == gettid() && n > 2 && access(when, F_OK) == 0)
		lock_up();
	return real(fds, n, timeout, signals);
}

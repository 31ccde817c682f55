/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

/* One thread. It outlives its guard if it is stuck, so it owns itself through `refs`. */
struct worker {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct vh_job *job; /* what to run; NULL when idle */
	bool done;          /* job has run and waits to be collected */
	bool quit;          /* nobody waits any more */
	int refs;
};

struct vh_guard {
	struct worker *worker;
	int lost;
};

static void worker_unref(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	int refs = --w->refs;
	pthread_mutex_unlock(&w->lock);

	if (refs)
		return;
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->changed);
	free(w);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	pthread_mutex_lock(&w->lock);
	while (!w->quit) {
		if (!w->job || w->done) {
			pthread_cond_wait(&w->changed, &w->lock);
			continue;
		}
		struct vh_job *job = w->job;

		pthread_mutex_unlock(&w->lock);
		job->run(job);
		pthread_mutex_lock(&w->lock);
		w->done = true;
		pthread_cond_broadcast(&w->changed);
	}
	struct vh_job *left = w->job;

	pthread_mutex_unlock(&w->lock);
	if (left)
		left->destroy(left);
	worker_unref(w);
	return NULL;
}

static struct worker *worker_start(void)
{
	struct worker *w = vh_alloc(sizeof(*w));
	pthread_condattr_t monotonic;
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;

	w->refs = 2;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&w->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int err = pthread_create(&thread, &attr, worker_main, w);

	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (!err)
		return w;
	w->refs = 1;
	worker_unref(w);
	return NULL;
}

/* Lets go of the current worker; what it still runs becomes its own. */
static void worker_release(struct vh_guard *guard)
{
	struct worker *w = guard->worker;

	guard->worker = NULL;
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->quit = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	worker_unref(w);
}

struct vh_guard *vh_guard_create(void)
{
	return vh_alloc(sizeof(struct vh_guard));
}

void vh_guard_destroy(struct vh_guard *guard)
{
	if (!guard)
		return;
	worker_release(guard);
	free(guard);
}

bool vh_guard_call(struct vh_guard *guard, struct vh_job *job, struct vh_deadline deadline)
{
	if (guard->lost >= VH_GUARD_MAX_LOST ||
		(!guard->worker && !(guard->worker = worker_start()))) {
		job->destroy(job);
		return false;
	}
	struct worker *w = guard->worker;
	struct timespec at = {
		.tv_sec = deadline.at_ns / VH_NS_PER_S, .tv_nsec = deadline.at_ns % VH_NS_PER_S};

	pthread_mutex_lock(&w->lock);
	w->job = job;
	w->done = false;
	pthread_cond_broadcast(&w->changed);
	while (!w->done)
		if (pthread_cond_timedwait(&w->changed, &w->lock, &at) == ETIMEDOUT)
			break;
	bool done = w->done;

	if (done) {
		w->job = NULL;
		w->done = false;
	}
	pthread_mutex_unlock(&w->lock);
	if (!done) {
		guard->lost++;
		worker_release(guard);
	}
	return done;
}

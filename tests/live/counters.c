/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * counters PID BACKEND...: counts the exits of a VM with several backends at once, for a live test
 * (backends.py). Says "ready" when all count; at the end of its input reads them, and prints one
 * JSON object a line, in their order.
 *
 * counters PID record FILE MS [BYTES]: records a timeline; with MS 0 up to the end of its input.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"
#include "collect/trace.h"
#include "discover/discover.h"
#include "report/timeline.h"

#define MAX_BACKENDS  8
#define RECORD_MAX_NS (60 * VH_NS_PER_S)

static int fail(struct vh_error *err)
{
	fprintf(stderr, "%s\n", err->message);
	vh_error_free(err);
	return 1;
}

static bool input_ended(int64_t until_ns)
{
	struct pollfd p = {.fd = 0, .events = POLLIN};
	int64_t left = until_ns - vh_now_ns();

	return poll(&p, 1, left > 0 ? (int)(left / VH_NS_PER_MS) + 1 : 0) > 0;
}

static int count(struct vh_host *host, const struct vh_vm *vm, int n, char **names)
{
	struct vh_trace *traces[MAX_BACKENDS];

	for (int i = 0; i < n; i++) {
		struct vh_trace_options options = {
			.backends = 1u << vh_trace_backend_parse(names[i]), .no_libvirt = true};
		struct vh_error *err = NULL;

		traces[i] = vh_trace_open(host, vm, &options, &err);
		if (!traces[i])
			return fail(err);
	}
	printf("ready\n");
	fflush(stdout);
	for (int64_t next = 0; !input_ended(next);) {
		next = vh_now_ns() + 50 * VH_NS_PER_MS;
		for (int i = 0; i < n; i++)
			next = VH_MIN(next, vh_trace_refresh(traces[i]));
	}
	for (int i = 0; i < n; i++) {
		vh_auto_json struct json_object *o = vh_trace_read(traces[i]);

		puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	}
	for (int i = 0; i < n; i++)
		vh_trace_close(traces[i]);
	return 0;
}

static volatile int stop;

static void *stop_at_end_of_input(void *data VH_UNUSED)
{
	stop = input_ended(vh_now_ns() + RECORD_MAX_NS);
	return NULL;
}

static int record(struct vh_host *host, const struct vh_vm *vm, int n, char **args)
{
	int64_t for_ns = n > 1 ? atoi(args[1]) * VH_NS_PER_MS : 0;
	struct vh_timeline_options options = {.path = args[0],
		.for_ns = for_ns ? for_ns : RECORD_MAX_NS,
		.max_bytes = n > 2 ? strtoull(args[2], NULL, 10) : 0,
		.stop = &stop};
	struct vh_timeline_result result;
	pthread_t thread;

	if (!for_ns && pthread_create(&thread, NULL, stop_at_end_of_input, NULL) == 0)
		pthread_detach(thread);
	struct vh_error *err = vh_timeline_record(host, vm, &options, &result);

	if (err)
		return fail(err);
	printf("{\"events\": %llu, \"lost\": %llu, \"bytes\": %llu, \"full\": %s}\n",
		(unsigned long long)result.events, (unsigned long long)result.lost,
		(unsigned long long)result.bytes, result.full ? "true" : "false");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 3 || argc - 2 > MAX_BACKENDS)
		return 64;
	struct vh_host *host = vh_host_create(NULL);
	struct vh_error *err = NULL;
	struct vh_vm *vm = vh_discover_pid(host, atoi(argv[1]), &err);
	int status;

	if (!vm)
		status = fail(err);
	else if (vh_streq(argv[2], "record") && argc > 3)
		status = record(host, vm, argc - 3, argv + 3);
	else
		status = count(host, vm, argc - 2, argv + 2);
	vh_vm_free(vm);
	vh_host_destroy(host);
	return status;
}

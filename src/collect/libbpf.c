/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collect/libbpf.h"

#if HAVE_BPF
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#include "base/util.h"

static struct {
	pthread_once_t once;
	struct vh_libbpf table;
	const char *why; /* NULL: loaded */
} libbpf = {.once = PTHREAD_ONCE_INIT};

/* It would print to standard error. */
static int print_nothing(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static void load(void)
{
	const struct {
		const char *name;
		void *where;
	} functions[] = {
		{"bpf_object__open_mem", &libbpf.table.open_mem},
		{"bpf_object__load", &libbpf.table.load},
		{"bpf_object__close", &libbpf.table.close},
		{"bpf_object__find_program_by_name", &libbpf.table.find_program},
		{"bpf_object__find_map_by_name", &libbpf.table.find_map},
		{"bpf_program__fd", &libbpf.table.program_fd},
		{"bpf_program__set_autoload", &libbpf.table.set_autoload},
		{"bpf_map__fd", &libbpf.table.map_fd},
		{"bpf_map__set_max_entries", &libbpf.table.set_max_entries},
		{"bpf_map__set_initial_value", &libbpf.table.set_initial_value},
		{"libbpf_set_print", &libbpf.table.set_print},
	};
	void *library = dlopen("libbpf.so.1", RTLD_NOW | RTLD_LOCAL);

	if (!library)
		library = dlopen("libbpf.so.0", RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		libbpf.why = "libbpf.so.1 is not installed";
		return;
	}
	for (size_t i = 0; i < VH_ARRAY_SIZE(functions); i++) {
		*(void **)functions[i].where = dlsym(library, functions[i].name);
		if (!*(void **)functions[i].where)
			libbpf.why = "the libbpf that is installed is too old";
	}
	if (!libbpf.why)
		libbpf.table.set_print(print_nothing);
}

const struct vh_libbpf *vh_libbpf(const char **why)
{
	pthread_once(&libbpf.once, load);
	*why = libbpf.why;
	return libbpf.why ? NULL : &libbpf.table;
}
#endif

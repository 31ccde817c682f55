/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libbpf, loaded when it is needed, so that vmhang runs without it. Of it only what opens an object
 * file and loads it: programs are attached and maps are read with bpf(2) itself.
 */
#pragma once

#include "config.h"

#if HAVE_BPF
#include <bpf/libbpf.h>

/* Functions that are in libbpf 0.2 to 1.x (libbpf.so.0 and .so.1). */
struct vh_libbpf {
	__typeof__(&bpf_object__open_mem) open_mem;
	__typeof__(&bpf_object__load) load;
	__typeof__(&bpf_object__close) close;
	__typeof__(&bpf_object__find_program_by_name) find_program;
	__typeof__(&bpf_object__find_map_by_name) find_map;
	__typeof__(&bpf_program__fd) program_fd;
	__typeof__(&bpf_program__set_autoload) set_autoload;
	__typeof__(&bpf_map__fd) map_fd;
	__typeof__(&bpf_map__set_max_entries) set_max_entries;
	__typeof__(&bpf_map__set_initial_value) set_initial_value;
	__typeof__(&libbpf_set_print) set_print;
};
/* NULL and *why where it is not there, or too old. */
const struct vh_libbpf *vh_libbpf(const char **why);
#endif

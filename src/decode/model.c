/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decode/model.h"

#include "decode/decoder.h"
#include "decode/pasted.h"

#define DEFAULT_TICKS_PER_S 100

static double ticks_per_s(const struct vh_lookup *in)
{
	uint64_t ticks;

	if (vh_parse_u64(vh_str_trim(vh_seek_text(in, "host.clock-ticks", "", VH_N_ROUND)), 10,
		    &ticks) &&
		ticks > 0 && ticks <= 1000000)
		return (double)ticks;
	return DEFAULT_TICKS_PER_S;
}

/* The machine is the last line of host.uname; a case that does not tell is taken for x86. */
static bool is_x86(const struct vh_lookup *in)
{
	struct vh_str rest = vh_seek_text(in, "host.uname", "", VH_N_ROUND), word;
	struct vh_str machine = {NULL, 0};

	while (vh_next_word(&rest, &word))
		machine = word;
	return !machine.n || vh_str_is(machine, "x86_64") || vh_str_is(machine, "unknown");
}

struct vh_model *vh_model_build(const struct vh_case *c)
{
	struct vh_model *m = vh_alloc(sizeof(*m));
	struct vh_decoder d = {.m = m};

	m->c = c;
	m->vm = c->vm;
	vh_lookup_init(&d.in, c);
	d.ticks_per_s = ticks_per_s(&d.in);
	d.x86 = is_x86(&d.in);
	d.pasted = vh_pasted_rows_read(&d);
	vh_decode_confidential(&d);
	vh_decode_cgroup(&d);
	vh_decode_threads(&d);
	vh_decode_pulse(&d);
	vh_decode_vcpus(&d);
	vh_decode_counters(&d);
	vh_decode_exits(&d);
	vh_decode_monitor(&d);
	vh_decode_pasted_monitor(&d);
	vh_decode_pasted_exits(&d);
	vh_decode_pasted_index(&d);
	vh_decode_vcpu_state(&d);
	vh_decode_protected(&d);
	vh_decode_locks(&d);
	vh_decode_drives(&d);
	vh_decode_chardevs(&d);
	vh_decode_servers(&d);
	vh_decode_channels(&d); /* after chardevs */
	vh_decode_pasted_drives(&d);
	vh_decode_virtqueues(&d);
	vh_decode_jobs(&d);
	vh_decode_process(&d);
	vh_decode_host(&d);
	vh_decode_host_load(&d);
	vh_decode_inside(&d);
	vh_decode_logs(&d);
	vh_decode_screen(&d);
	vh_decode_inside_log(&d);
	vh_decode_guest_kernel(&d);
	vh_decode_serial_full(&d);
	vh_pasted_rows_free(d.pasted);
	vh_lookup_free(&d.in);
	return m;
}

static void monitor_free(struct vh_monitor_view *v)
{
	for (size_t i = 0; i < v->n_events; i++) {
		free(v->events[i].name);
		free(v->events[i].text);
	}
	free(v->events);
	free(v->address);
	free(v->why);
	free(v->run_state);
	free(v->failed_command);
}

static void vcpu_free(struct vh_vcpu *v)
{
	vh_counters_free(&v->kvm);
	free(v->qom_path);
	free(v);
}

static void lists_free(struct vh_model *m)
{
	for (size_t i = 0; i < m->n_chardevs; i++) {
		free(m->chardevs[i].vhost_user);
		free(m->chardevs[i].label);
		free(m->chardevs[i].filename);
	}
	free(m->chardevs);
	vh_channels_free(m);
	for (size_t i = 0; i < m->n_servers; i++) {
		free(m->servers[i].path);
		free(m->servers[i].name);
	}
	free(m->servers);
	for (size_t i = 0; i < m->n_drives; i++) {
		free(m->drives[i].name);
		free(m->drives[i].qdev);
		free(m->drives[i].file);
		free(m->drives[i].io_status);
	}
	free(m->drives);
	for (size_t i = 0; i < m->n_queues; i++) {
		free(m->queues[i].subject);
		free(m->queues[i].device);
		free(m->queues[i].drive);
	}
	free(m->queues);
	for (size_t i = 0; i < m->n_broken_devices; i++)
		free(m->broken_devices[i]);
	free(m->broken_devices);
	for (size_t i = 0; i < m->host.n_rivals; i++) {
		free(m->host.rivals[i].name);
		free(m->host.rivals[i].policy);
	}
	free(m->host.rivals);
	for (size_t i = 0; i < m->n_logs; i++)
		free(m->logs[i].path);
	free(m->logs);
	free(m->boots.last_words);
	for (size_t i = 0; i < m->n_hits; i++)
		free(m->hits[i].line);
	free(m->hits);
}

void vh_model_free(struct vh_model *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_threads; i++)
		vh_thread_free(m->threads[i]);
	free(m->threads);
	for (size_t i = 0; i < m->n_vcpus; i++)
		vcpu_free(m->vcpus[i]);
	free(m->vcpus);
	vh_counters_free(&m->vm_kvm);
	vh_exits_free(m->exits);
	vh_devices_free(m->devices);
	monitor_free(&m->monitor);
	lists_free(m);
	vh_jobs_free(m);
	free(m->cgroup.path);
	free(m->cgroup.io_limits);
	free(m->cgroup.frozen_group);
	free(m->cgroup.quota_group);
	free(m->cgroup.weight_group);
	free(m->cgroup.memory_group);
	free(m->process.tracer_name);
	free(m->screen.text);
	vh_inside_free(m->inside);
	free(m->dmesg.text);
	vh_guest_kernel_free(&m->guest_kernel);
	free(m->conf.object);
	free(m->conf.launch);
	vh_pasted_view_free(m->pasted);
	free(m);
}

struct vh_thread *vh_model_main_thread(const struct vh_model *m)
{
	for (size_t i = 0; i < m->n_threads; i++)
		if (m->threads[i]->tid == m->vm->id.pid)
			return m->threads[i];
	return NULL;
}

const struct vh_log_hit *vh_model_hit(const struct vh_model *m, const char *id)
{
	for (size_t i = 0; i < m->n_hits; i++)
		if (vh_streq(m->hits[i].id, id))
			return &m->hits[i];
	return NULL;
}

size_t vh_model_evidence(const struct vh_model *m, const char *source, const char *subject)
{
	const struct vh_evidence *e = vh_case_find(m->c, source, subject, VH_N_ROUND);

	return e ? vh_case_index(m->c, e) : SIZE_MAX;
}

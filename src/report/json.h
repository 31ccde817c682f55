/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pieces of the JSON report (docs/report.schema.json). Every object has all of its keys: what is
 * not known is null. All strings are escaped, for they end up on terminals too. */
#pragma once

#include "report/report.h"

/* Adds key: the escaped s, or null. Lines stay lines. */
void vh_report_put(struct json_object *o, const char *key, const char *s);
/* Adds key: the number, or null for NAN. */
void vh_report_put_double(struct json_object *o, const char *key, double value);
/* Adds key: "0x..." (no JSON number holds 64 bits everywhere). */
void vh_report_put_hex(struct json_object *o, const char *key, uint64_t value);
/* Adds key: the number, or null where it is below zero. */
void vh_report_put_known(struct json_object *o, const char *key, int64_t value);

/* The decoded case: threads, vCPUs, counters, monitor, drives, cgroup, logs, screen. */
void vh_report_put_model(struct json_object *o, const struct vh_model *m);
struct json_object *vh_report_inside(const struct vh_inside *in); /* NULL for NULL */
struct json_object *vh_report_vcpu(const struct vh_vcpu *cpu);
struct json_object *vh_report_counters(const struct vh_counters *counters);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading a QEMU command line, the state of it: options refer to each other by id in any order, so
 * everything is gathered first and joined at the end. Internal to discover.
 */
#pragma once

#include "case/vm.h"
#include "discover/qemu_option.h"

/* The most of each that is kept. */
#define QEMU_MAX_ITEMS 1024

/* -chardev, or the device string of -serial, -qmp, ... */
struct qemu_chardev {
	char *id;
	char *kind;    /* file, fifo, pty, unix, tcp, stdio, ... */
	char *path;    /* what it writes to or the socket's path; NULL without one */
	char *logfile; /* logfile= */
	char *address; /* as in struct vh_monitor_addr */
};

/* A monitor or a serial port and what it is attached to: a chardev of its own or one by id. */
struct qemu_port {
	bool monitor;
	enum vh_monitor_kind kind;
	char *label;
	char *chardev; /* id, or NULL */
	struct qemu_chardev own;
};

struct qemu_node { /* -blockdev, -drive */
	char *id;
	char *driver;
	char *file;
	char *child;   /* node-name of "file", where that is a node of its own */
	char *backing; /* node-name of "backing" */
	char *werror;
	bool is_child; /* another node stands on it */
};

struct qemu_object { /* -object */
	char *id;
	char *type;
	char *policy;
	uint64_t size;
};

/* What vh_discover wants to know beyond struct vh_vm. */
struct qemu_extra {
	bool tcg_too;    /* KVM is preferred, TCG is there where that fails */
	bool daemonized; /* -daemonize: relative paths are not relative to where it is now */
};

struct qemu_parse {
	struct vh_vm *vm;
	struct qemu_extra *extra;
	unsigned known, unknown; /* options that QEMU has, and has not */
	bool no_vm;              /* -version, -help, -device help, ... */
	bool nodefaults, nographic;
	unsigned n_serial; /* -serial so far, for their labels */
	char *accel;       /* "kvm:tcg": in the order of preference; NULL as default */
	char *confidential_id;
	char *memory_backend;
	struct qemu_chardev *chardevs;
	size_t n_chardevs;
	struct qemu_port *ports;
	size_t n_ports;
	struct qemu_node *nodes;
	size_t n_nodes;
	struct qemu_object *objects;
	size_t n_objects;
	struct qemu_disk { /* -device with drive= */
		char *drive;
		char *werror;
	} * disks;
	size_t n_disks;
};

/* As vh_qemu_cmdline_parse. */
bool qemu_cmdline_parse(struct vh_str args, struct vh_vm *vm, struct qemu_extra *extra);
/* Whether a program of this name is a QEMU system emulator. */
bool qemu_is_program(const char *path);

/* qemu_chardev.c */
void qemu_add_chardev(struct qemu_parse *q, struct vh_str arg);
void qemu_add_mon(struct qemu_parse *q, struct vh_str arg);
/* -serial, -qmp, -monitor, -debugcon: arg is a device string. */
void qemu_add_port(struct qemu_parse *q, struct vh_str arg, bool monitor, enum vh_monitor_kind kind,
	const char *label);
/* -device with chardev=, if it is a serial port. */
void qemu_add_serial_device(struct qemu_parse *q, const struct qemu_option *o);
void qemu_join_ports(struct qemu_parse *q);
void qemu_free_ports(struct qemu_parse *q);

/* qemu_drive.c */
void qemu_add_drive(struct qemu_parse *q, struct vh_str arg);
void qemu_add_blockdev(struct qemu_parse *q, struct vh_str arg);
/* -hda and its like. */
void qemu_add_image(struct qemu_parse *q, struct vh_str file, const char *id);
void qemu_add_disk_device(struct qemu_parse *q, const struct qemu_option *o);
void qemu_join_drives(struct qemu_parse *q);
void qemu_free_drives(struct qemu_parse *q);

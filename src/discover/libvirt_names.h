/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's domain states and reasons (libvirt-domain.h) in virsh's words; a number that is not
 * known yet stays a number: "state 9". The caller frees the text. */
#pragma once

char *vh_libvirt_state_text(int state);
char *vh_libvirt_reason_text(int state, int reason);
char *vh_libvirt_control_text(int control);
char *vh_libvirt_control_reason_text(int reason);

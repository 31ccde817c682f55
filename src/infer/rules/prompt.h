/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the rules on firmware and boot loaders that say what they want have in common. */
#pragma once

#include "infer/rules/common.h"

/* Weighs that the guest's last words are of that kind, and that nothing else runs. False where it
 * said nothing of it, or nothing can be said. At most likely: it is what the guest says. */
bool vh_weigh_prompt(const struct vh_facts *f, struct vh_judgement *j, enum vh_fact_id id);
/* The same of words that are no question but the end of a boot: certain where, besides, the boot
 * CPU was seen to have ended in firmware or a boot loader. */
bool vh_weigh_boot_end(const struct vh_facts *f, struct vh_judgement *j, enum vh_fact_id id);

/* The step that leads to the console. */
void vh_next_console(struct vh_judgement *j, const struct vh_facts *f, const char *text);
/* The step that presses Enter there. */
void vh_next_enter(struct vh_judgement *j, const struct vh_facts *f, const char *text);
/* The step that reads the log of its serial console, where that goes to a file, by a command that
 * takes the file's name ("grep -a panic"). */
void vh_next_serial(
	struct vh_judgement *j, const struct vh_facts *f, const char *filter, const char *text);
/* Commands that look at the VM's disk: what it is, and its first sector. */
void vh_next_disk(struct vh_judgement *j, const struct vh_facts *f, const char *text);

/* What a guest that waits so is as well. */
#define VH_PROMPT_INCLUDES                                                                         \
	"guest-waits-at-prompt", "guest-port-storm", "guest-waits-for-device",                     \
		"guest-spins-irqs-off", "guest-spins-irqs-on", "guest-spins",                      \
		"boot-cpu-spins-aps-never-started", "guest-busy", "guest-idle",                    \
		"guest-halted-forever", "guest-boots", "guest-polls-when-idle"
extern const char *const vh_prompt_includes[];

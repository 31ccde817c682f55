/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of all causes, a row each, outer layers first. docs/HOWTO-cause.md tells how to add one.
 */
#include "infer/verdict.h"

#define RULES(X)                                                                                   \
	/* the host */                                                                             \
	X(process_ended)                                                                           \
	X(process_stopped)                                                                         \
	X(process_traced)                                                                          \
	X(cgroup_frozen)                                                                           \
	X(cpu_quota)                                                                               \
	X(cpu_starved_by_realtime)                                                                 \
	X(cpu_pinned_together)                                                                     \
	X(cpu_low_priority)                                                                        \
	X(host_overcommitted)                                                                      \
	X(nested_host_starved)                                                                     \
	X(host_interrupts_take_cpu)                                                                \
	X(cpu_starved)                                                                             \
	X(host_filesystem_frozen)                                                                  \
	X(nfs_server_silent)                                                                       \
	X(fuse_backend_stalled)                                                                    \
	X(storage_in_d_state)                                                                      \
	X(nbd_server_gone)                                                                         \
	X(nbd_server_stalled)                                                                      \
	/* the VMM */                                                                              \
	X(vm_paused)                                                                               \
	X(debugger_holds_vm)                                                                       \
	X(guest_suspended)                                                                         \
	X(migration_last_step)                                                                     \
	X(vm_in_colo)                                                                              \
	X(vm_migrated_away)                                                                        \
	X(vm_paused_for_job)                                                                       \
	X(vm_preconfig)                                                                            \
	X(vm_state_loading)                                                                        \
	X(vm_state_saving)                                                                         \
	X(watchdog_paused)                                                                         \
	X(paused_io_error)                                                                         \
	X(drive_full)                                                                              \
	X(vmm_internal_error)                                                                      \
	X(encrypted_guest_terminated)                                                              \
	X(encrypted_launch_waits)                                                                  \
	X(tdx_fatal_error)                                                                         \
	X(guest_panicked)                                                                          \
	X(never_started)                                                                           \
	X(incoming_migration_waits)                                                                \
	X(migration_does_not_converge)                                                             \
	X(guest_throttled_by_migration)                                                            \
	X(migration_stalled)                                                                       \
	X(migration_last_step_stuck)                                                               \
	X(migration_waits_for_switchover)                                                          \
	X(migration_cancelling_stuck)                                                              \
	X(migration_waits_for_unplug)                                                              \
	X(migration_waits_for_peer)                                                                \
	X(migration_failed_vm_paused)                                                              \
	X(postcopy_source_stalled)                                                                 \
	X(postcopy_source_serves)                                                                  \
	X(postcopy_paused)                                                                         \
	X(postcopy_recovers)                                                                       \
	X(incoming_migration_runs)                                                                 \
	X(incoming_migration_stalled)                                                              \
	X(incoming_migration_failed)                                                               \
	X(block_job_waits_for_error)                                                               \
	X(block_job_stalled)                                                                       \
	X(job_ready_not_completed)                                                                 \
	X(vm_being_dumped)                                                                         \
	X(dump_stalled)                                                                            \
	X(main_loop_waits_for_io)                                                                  \
	X(guest_triple_fault)                                                                      \
	X(guest_shut_down)                                                                         \
	X(vmm_main_loop_blocked)                                                                   \
	X(main_loop_on_storage)                                                                    \
	X(main_loop_connects)                                                                      \
	X(main_loop_waits_for_helper)                                                              \
	X(main_loop_waits_for_drive)                                                               \
	X(vmm_lock_held)                                                                           \
	X(vmm_deadlock)                                                                            \
	X(vmm_main_loop_spins)                                                                     \
	X(vmm_log_not_read)                                                                        \
	X(main_loop_starved)                                                                       \
	X(vcpu_blocked_on_serial)                                                                  \
	X(vcpu_waits_for_page)                                                                     \
	X(vcpu_never_enters)                                                                       \
	X(guest_fault_loop)                                                                        \
	X(vhost_user_backend_gone)                                                                 \
	X(vhost_user_backend_stalled)                                                              \
	X(storage_does_not_answer)                                                                 \
	X(storage_fails)                                                                           \
	X(drive_throttled)                                                                         \
	X(virtio_queue_broken)                                                                     \
	X(lost_virtio_kick)                                                                        \
	X(lost_virtio_interrupt)                                                                   \
	X(paused_no_space)                                                                         \
	/* the guest */                                                                            \
	X(firmware_no_boot_device)                                                                 \
	X(guest_panic_no_root)                                                                     \
	X(guest_panic_no_init)                                                                     \
	X(guest_panic_init_killed)                                                                 \
	X(guest_panic_requested)                                                                   \
	X(guest_panic_out_of_memory)                                                               \
	X(guest_panic_oops)                                                                        \
	X(guest_panic_lockup)                                                                      \
	X(guest_panic_hung_task)                                                                   \
	X(guest_panic_machine_check)                                                               \
	X(guest_kernel_panic)                                                                      \
	X(guest_soft_lockup)                                                                       \
	X(guest_hard_lockup)                                                                       \
	X(guest_rcu_stall)                                                                         \
	X(guest_hung_task)                                                                         \
	X(guest_waits_for_storage)                                                                 \
	X(guest_waits_for_file_server)                                                             \
	X(guest_filesystem_frozen)                                                                 \
	X(guest_deadlock)                                                                          \
	X(guest_out_of_memory)                                                                     \
	X(guest_initramfs_shell)                                                                   \
	X(guest_emergency_shell)                                                                   \
	X(guest_waits_for_root_device)                                                             \
	X(guest_init_frozen)                                                                       \
	X(guest_oops)                                                                              \
	X(guest_filesystem_readonly)                                                               \
	X(guest_io_errors)                                                                         \
	X(guest_clock_trouble)                                                                     \
	X(guest_waits_at_prompt)                                                                   \
	X(guest_reset_loop)                                                                        \
	X(guest_waits_for_device)                                                                  \
	X(guest_port_storm)                                                                        \
	X(guest_mmio_storm)                                                                        \
	X(guest_msr_storm)                                                                         \
	X(guest_cpuid_storm)                                                                       \
	X(guest_hypercall_storm)                                                                   \
	X(guest_exception_loop)                                                                    \
	X(guest_waits_for_ipi)                                                                     \
	X(firmware_spins)                                                                          \
	X(firmware_exception_deadlock)                                                             \
	X(firmware_dead_loop)                                                                      \
	X(firmware_waits_for_aps)                                                                  \
	X(firmware_polls_device)                                                                   \
	X(boot_loader_computes)                                                                    \
	X(guest_kernel_spins)                                                                      \
	X(boot_cpu_spins_aps_never_started)                                                        \
	X(guest_spins_irqs_off)                                                                    \
	X(guest_spins_irqs_on)                                                                     \
	X(guest_spins)                                                                             \
	X(guest_halted_forever)                                                                    \
	X(guest_boots)                                                                             \
	X(guest_on_another_console)                                                                \
	X(guest_polls_when_idle)                                                                   \
	X(guest_slow)                                                                              \
	X(guest_disk_busy)                                                                         \
	X(guest_busy)                                                                              \
	X(guest_idle)

#define DECLARE(name) extern const struct vh_rule vh_rule_##name;
RULES(DECLARE)

#define ROW(name) &vh_rule_##name,
const struct vh_rule *const vh_rules[] = {RULES(ROW) NULL};

// SPDX-License-Identifier: LGPL-2.1-or-later OR GPL-2.0-or-later
/*
 * A kernel module that makes trouble to order, for the lab's Linux guests (lab/scenarios/kernel.py):
 *
 *	insmod trouble.ko make=KIND [cpu=N] [seconds=N]
 *	echo KIND >/sys/module/trouble/parameters/make	(further ones)
 *
 * KIND is a row of kinds[] below. Most of them happen in a thread of their own, bound to CPU `cpu`,
 * and last for `seconds` (0: for ever), so that insmod returns. Each says "trouble: KIND" on the
 * console before it begins.
 */
#include <linux/bug.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nmi.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>

static char make[32];
static bool loaded;
static int start_trouble(void);
static unsigned int cpu;
module_param(cpu, uint, 0644);
MODULE_PARM_DESC(cpu, "on which CPU");
static unsigned int seconds;
module_param(seconds, uint, 0644);
MODULE_PARM_DESC(seconds, "how long it lasts; 0 for ever");

/* While the module is being loaded the other parameters may not be known yet. */
static int set_make(const char *value, const struct kernel_param *unused)
{
	strscpy(make, value, sizeof(make));
	strim(make);
	return loaded ? start_trouble() : 0;
}

static const struct kernel_param_ops make_ops = {.set = set_make};
module_param_cb(make, &make_ops, NULL, 0200);
MODULE_PARM_DESC(make, "which trouble");

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DECLARE_RWSEM(shared_first);
static DECLARE_RWSEM(shared_second);
static DEFINE_SPINLOCK(lock);
static DEFINE_SPINLOCK(other_lock);
static DECLARE_COMPLETION(never);
static struct hrtimer timer;
static int *volatile nowhere;

/* This clock can be read with interrupts off, and in any context. */
static bool over(ktime_t begin)
{
	return seconds && ktime_ms_delta(ktime_get_mono_fast_ns(), begin) > 1000 * (s64)seconds;
}

static noinline void spin(void)
{
	ktime_t begin = ktime_get_mono_fast_ns();

	while (!over(begin))
		cpu_relax();
}

/* A soft lockup: the scheduler is not let in, interrupts are. */
static int make_spin(void *unused)
{
	preempt_disable();
	spin();
	preempt_enable();
	return 0;
}

/* A hard lockup. */
static int make_spin_irqs_off(void *unused)
{
	unsigned long flags;

	local_irq_save(flags);
	spin();
	local_irq_restore(flags);
	return 0;
}

/* A hard lockup, of the usual kind: it takes a spin lock that it holds. */
static int make_lock_irqs_off(void *unused)
{
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	spin_lock(&lock);
	return 0;
}

/* A task for the next CPU, to be woken; NULL: there is none. */
static struct task_struct *other_task(int (*run)(void *unused))
{
	struct task_struct *task = kthread_create(run, NULL, "trouble-b");

	if (IS_ERR(task))
		return NULL;
	kthread_bind(task, (cpu + 1) % num_online_cpus());
	return task;
}

static int take_lock(void *unused)
{
	spin_lock(&lock);
	spin_unlock(&lock);
	return 0;
}

/* A CPU spins with interrupts off and a spin lock held, for which another CPU waits. */
static int make_lock_contended(void *unused)
{
	struct task_struct *task = other_task(take_lock);
	unsigned long flags;

	if (!task)
		return 0;
	spin_lock_irqsave(&lock, flags);
	wake_up_process(task);
	spin();
	spin_unlock_irqrestore(&lock, flags);
	return 0;
}

static atomic_t holders;

static void take_both(spinlock_t *one, spinlock_t *two)
{
	unsigned long flags;

	spin_lock_irqsave(one, flags);
	atomic_inc(&holders);
	while (atomic_read(&holders) < 2)
		cpu_relax();
	spin_lock(two);
}

static int other_lock_then_lock(void *unused)
{
	take_both(&other_lock, &lock);
	return 0;
}

/* Two CPUs take two spin locks in the other order, interrupts off: the whole guest stands. */
static int make_deadlock_spin(void *unused)
{
	struct task_struct *task = other_task(other_lock_then_lock);

	if (!task)
		return 0;
	wake_up_process(task);
	take_both(&lock, &other_lock);
	return 0;
}

/* An RCU stall alone: the watchdog of soft lockups is kept content. */
static int make_rcu_stall(void *unused)
{
	ktime_t begin = ktime_get_mono_fast_ns();

	rcu_read_lock();
	preempt_disable();
	while (!over(begin)) {
		touch_softlockup_watchdog();
		cpu_relax();
	}
	preempt_enable();
	rcu_read_unlock();
	return 0;
}

static void spin_in_tasklet(struct tasklet_struct *unused)
{
	spin();
}
static DECLARE_TASKLET(tasklet, spin_in_tasklet);

/* A soft lockup in a softirq. */
static int make_spin_softirq(void *unused)
{
	local_bh_disable();
	tasklet_schedule(&tasklet);
	local_bh_enable();
	return 0;
}

static enum hrtimer_restart spin_in_timer(struct hrtimer *unused)
{
	spin();
	return HRTIMER_NORESTART;
}

/* A hard lockup in the handler of a timer: whatever the CPU was at before stays interrupted. */
static int make_spin_hrtimer(void *unused)
{
	hrtimer_init(&timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	timer.function = spin_in_timer;
	hrtimer_start(&timer, ms_to_ktime(1), HRTIMER_MODE_REL_PINNED_HARD);
	return 0;
}

/* A timer whose handler takes longer than its period: nothing but it gets done on that CPU. */
static enum hrtimer_restart too_long(struct hrtimer *t)
{
	mdelay(30);
	hrtimer_forward_now(t, ms_to_ktime(1));
	return HRTIMER_RESTART;
}

static int make_timer_storm(void *unused)
{
	hrtimer_init(&timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED);
	timer.function = too_long;
	hrtimer_start(&timer, ms_to_ktime(1), HRTIMER_MODE_REL_PINNED);
	return 0;
}

/* Two tasks take two locks in the other order. */
static int second_then_first(void *unused)
{
	mutex_lock(&second);
	msleep(200);
	mutex_lock(&first);
	return 0;
}

static int make_deadlock(void *unused)
{
	kthread_run(second_then_first, NULL, "trouble-b");
	mutex_lock(&first);
	msleep(200);
	mutex_lock(&second);
	return 0;
}

static int shared_second_then_first(void *unused)
{
	down_write(&shared_second);
	msleep(200);
	down_read(&shared_first);
	return 0;
}

static int make_deadlock_rwsem(void *unused)
{
	kthread_run(shared_second_then_first, NULL, "trouble-b");
	down_write(&shared_first);
	msleep(200);
	down_write(&shared_second);
	return 0;
}

/* A task that waits for what never comes, or comes late. */
static int make_endless_wait(void *unused)
{
	if (seconds)
		wait_for_completion_timeout(&never, seconds * HZ);
	else
		wait_for_completion(&never);
	return 0;
}

static int take_first(void *unused)
{
	mutex_lock(&first);
	mutex_unlock(&first);
	return 0;
}

/* A task waits for what does not come, and has a mutex that another task waits for. */
static int make_mutex_held(void *unused)
{
	mutex_lock(&first);
	kthread_run(take_first, NULL, "trouble-b");
	make_endless_wait(NULL);
	mutex_unlock(&first);
	return 0;
}

/* A task that waits for a disk, as one does whose request was lost on its way. */
static int make_lost_request(void *unused)
{
	set_current_state(TASK_UNINTERRUPTIBLE);
	io_schedule();
	return 0;
}

static int make_oops(void *unused)
{
	*nowhere = 1;
	return 0;
}

static int make_bug(void *unused)
{
	BUG();
	return 0;
}

static int make_warning(void *unused)
{
	WARN(1, "trouble: a warning\n");
	return 0;
}

static enum hrtimer_restart oops_in_timer(struct hrtimer *unused)
{
	*nowhere = 1;
	return HRTIMER_NORESTART;
}

/* A fault in interrupt context is always a panic. */
static int make_oops_in_interrupt(void *unused)
{
	hrtimer_init(&timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	timer.function = oops_in_timer;
	hrtimer_start(&timer, ms_to_ktime(1), HRTIMER_MODE_REL_HARD);
	msleep(100);
	return 0;
}

/* The kernel itself takes all the memory: there is nobody whom it would help to kill. */
static int make_eat_memory(void *unused)
{
	while (alloc_pages(GFP_KERNEL, 0))
		cond_resched();
	return 0;
}

static const struct {
	const char *name;
	int (*run)(void *unused);
} kinds[] = {
	{"spin", make_spin},
	{"spin-irqs-off", make_spin_irqs_off},
	{"lock-irqs-off", make_lock_irqs_off},
	{"lock-contended", make_lock_contended},
	{"deadlock-spin", make_deadlock_spin},
	{"spin-softirq", make_spin_softirq},
	{"spin-hrtimer", make_spin_hrtimer},
	{"rcu-stall", make_rcu_stall},
	{"timer-storm", make_timer_storm},
	{"deadlock", make_deadlock},
	{"deadlock-rwsem", make_deadlock_rwsem},
	{"endless-wait", make_endless_wait},
	{"mutex-held", make_mutex_held},
	{"lost-request", make_lost_request},
	{"oops", make_oops},
	{"bug", make_bug},
	{"warning", make_warning},
	{"oops-in-interrupt", make_oops_in_interrupt},
	{"eat-memory", make_eat_memory},
};

static int start_trouble(void)
{
	struct task_struct *task;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, make))
			break;
	if (i == ARRAY_SIZE(kinds) || cpu >= nr_cpu_ids)
		return -EINVAL;
	task = kthread_create(kinds[i].run, NULL, "trouble-a");
	if (IS_ERR(task))
		return PTR_ERR(task);
	kthread_bind(task, cpu);
	pr_emerg("trouble: %s\n", kinds[i].name);
	wake_up_process(task);
	return 0;
}

static int __init trouble_init(void)
{
	int err = start_trouble();

	loaded = !err;
	return err;
}
module_init(trouble_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Makes trouble to order");

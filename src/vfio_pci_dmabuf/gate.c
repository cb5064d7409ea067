// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gate: what stands between the slices of a device and its BARs.
 *
 * Before a BAR may stop working, vdmabuf_gate_enter() closes the gate and takes
 * all slices out of all page tables; after that, vdmabuf_gate_leave() opens it
 * again. Who touches a slice in between comes to the fault handler and waits
 * there, outside of all locks. Whether the device decodes memory after that is
 * looked up by each fault and not remembered, so nothing must be undone when it
 * does again.
 */
#include <linux/jiffies.h>
#include <linux/pci.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "vfio_pci_dmabuf_private.h"

/* How long a reset lets those pass who waited for the one before it */
#define VDMABUF_COURTESY	max(HZ / 500, 1)

/*
 * Tasks that are within a bracket and may touch user memory there. If that is a
 * slice, of the same device or of one whose bracket waits for this one, waiting
 * would never end. A short list: one entry for each write to a configuration
 * space that is going on.
 */
static LIST_HEAD(vdmabuf_brackets);
/* Protects the list. Innermost. */
static DEFINE_SPINLOCK(vdmabuf_brackets_lock);

/**
 * vdmabuf_gate_alloc() - a gate, closed
 *
 * Context: process, may sleep.
 * Return: with a reference; NULL if there is no memory.
 */
struct vdmabuf_gate *vdmabuf_gate_alloc(void)
{
	struct vdmabuf_gate *gate = kzalloc(sizeof(*gate), GFP_KERNEL);

	if (!gate)
		return NULL;
	kref_init(&gate->ref);
	init_rwsem(&gate->sem);
	INIT_LIST_HEAD(&gate->buffers);
	init_waitqueue_head(&gate->wait);
	init_waitqueue_head(&gate->served);
	return gate;
}

static void vdmabuf_gate_free(struct kref *ref)
{
	kfree(container_of(ref, struct vdmabuf_gate, ref));
}

/**
 * vdmabuf_gate_put() - drop a reference
 * @gate:	freed with its last
 *
 * Context: any.
 */
void vdmabuf_gate_put(struct vdmabuf_gate *gate)
{
	kref_put(&gate->ref, vdmabuf_gate_free);
}

/**
 * vdmabuf_gate_open() - a device has been opened
 * @gate:	its gate
 * @vdev:	the device, enabled
 *
 * Context: process, may sleep; dev_set->lock is held.
 */
void vdmabuf_gate_open(struct vdmabuf_gate *gate,
		       struct vfio_pci_core_device *vdev)
{
	down_write(&gate->sem);
	gate->vdev = vdev;
	WRITE_ONCE(gate->broken, false);
	WRITE_ONCE(gate->asleep, false);
	up_write(&gate->sem);
}

static void vdmabuf_gate_zap_locked(struct vdmabuf_gate *gate)
{
	struct vdmabuf_buffer *buffer;

	lockdep_assert_held_write(&gate->sem);
	gate->zaps++;
	list_for_each_entry(buffer, &gate->buffers, link)
		vdmabuf_buffer_zap(buffer);
}

/* No new DMA mapping can be made by now: see vdmabuf_map(). */
static void vdmabuf_gate_invalidate_locked(struct vdmabuf_gate *gate)
{
	struct vdmabuf_buffer *buffer;

	lockdep_assert_held(&gate->sem);
	list_for_each_entry(buffer, &gate->buffers, link)
		vdmabuf_invalidate(buffer);
}

/*
 * A slice that some device still has mapped, with a reference. It must not be
 * waited for under the gate's lock: whoever should let go may first have to
 * close another slice of this device, or to fault on one.
 */
static struct vdmabuf_buffer *vdmabuf_gate_mapped(struct vdmabuf_gate *gate)
{
	struct vdmabuf_buffer *buffer, *found = NULL;

	down_read(&gate->sem);
	list_for_each_entry(buffer, &gate->buffers, link) {
		if (vdmabuf_buffer_get_mapped(buffer)) {
			found = buffer;
			break;
		}
	}
	up_read(&gate->sem);
	return found;
}

/**
 * vdmabuf_gate_close() - a device is about to be closed
 * @gate:	its gate
 *
 * All slices end. Returns when no other device has one of them mapped.
 *
 * Context: process, may sleep; dev_set->lock is held.
 */
void vdmabuf_gate_close(struct vdmabuf_gate *gate)
{
	struct vdmabuf_buffer *buffer, *next;

	down_write(&gate->sem);
	list_for_each_entry(buffer, &gate->buffers, link)
		if (!buffer->revoked)
			vdmabuf_buffer_end(buffer);
	vdmabuf_gate_zap_locked(gate);
	gate->vdev = NULL;
	wake_up_all(&gate->wait);
	downgrade_write(&gate->sem);
	vdmabuf_gate_invalidate_locked(gate);
	up_read(&gate->sem);

	while ((buffer = vdmabuf_gate_mapped(gate))) {
		vdmabuf_drain(buffer, false);
		vdmabuf_buffer_put(buffer);
	}

	down_write(&gate->sem);
	list_for_each_entry_safe(buffer, next, &gate->buffers, link)
		list_del_init(&buffer->link);
	up_write(&gate->sem);
}

/*
 * Who resets a device in a loop would leave those who touch a slice nothing but
 * waiting: by the time that they have come back to try again it is closed again.
 * So they are let through first, as waiting readers of a lock are; but not for
 * long, as they may have come to nothing, and the count is a rough one.
 */
static bool vdmabuf_gate_let_through(struct vdmabuf_gate *gate)
{
	if (!atomic_read(&gate->owed) || READ_ONCE(gate->block))
		return false;
	wait_event_timeout(gate->served, !atomic_read(&gate->owed),
			   VDMABUF_COURTESY);
	atomic_set(&gate->owed, 0);
	return true;
}

/**
 * vdmabuf_gate_linger() - before a reset
 * @gate:	to be closed soon
 *
 * A reset takes many milliseconds. One more is little for who resets all the
 * time, and much for those who work in between.
 *
 * Context: process, sleeps; as for vdmabuf_gate_enter().
 */
void vdmabuf_gate_linger(struct vdmabuf_gate *gate)
{
	if (vdmabuf_gate_let_through(gate))
		schedule_timeout_uninterruptible(1);
}

/**
 * vdmabuf_gate_served() - a fault that may have waited has got what it wants
 * @gate:	the gate
 *
 * Context: process.
 */
void vdmabuf_gate_served(struct vdmabuf_gate *gate)
{
	if (atomic_read(&gate->owed) &&
	    atomic_dec_if_positive(&gate->owed) <= 0)
		wake_up_all(&gate->served);
}

/**
 * vdmabuf_gate_enter() - something begins that the BARs may not survive
 * @gate:	to be closed until vdmabuf_gate_leave()
 *
 * When this returns no page table has an entry of a slice, and no device has a
 * slice mapped, unless it did not let go within the parameter
 * importer_wait_ms. A reset cannot wait for ever: it holds locks that others
 * need, perhaps those who should let go.
 *
 * Context: process, may sleep. device_lock and memory_lock may be held.
 */
void vdmabuf_gate_enter(struct vdmabuf_gate *gate)
{
	unsigned long end = jiffies +
		msecs_to_jiffies(READ_ONCE(vdmabuf_importer_wait_ms));
	struct vdmabuf_buffer *buffer;
	unsigned long now;
	bool idle = true;

	vdmabuf_gate_let_through(gate);
	down_write(&gate->sem);
	WRITE_ONCE(gate->block, gate->block + 1);
	vdmabuf_gate_zap_locked(gate);
	downgrade_write(&gate->sem);
	vdmabuf_gate_invalidate_locked(gate);
	up_read(&gate->sem);

	while (idle && (buffer = vdmabuf_gate_mapped(gate))) {
		now = jiffies;
		idle = vdmabuf_wait_importers(buffer, time_before(now, end) ?
					      end - now : 0, false);
		if (!idle) {
			atomic64_inc(&gate->late);
			pr_warn_ratelimited("slice %llu of BAR %u: another device still has it mapped, going on\n",
					    (u64)buffer->inode->i_ino,
					    buffer->bar);
		}
		vdmabuf_buffer_put(buffer);
	}
}

/**
 * vdmabuf_gate_leave() - what began with vdmabuf_gate_enter() is over
 * @gate:	the gate
 *
 * Context: as there.
 */
void vdmabuf_gate_leave(struct vdmabuf_gate *gate)
{
	down_write(&gate->sem);
	if (!WARN_ON_ONCE(!gate->block)) {
		WRITE_ONCE(gate->block, gate->block - 1);
		if (!gate->block)
			wake_up_all(&gate->wait);
	}
	up_write(&gate->sem);
}

/**
 * vdmabuf_gate_break() - the link to the device has failed
 * @gate:	the gate
 *
 * There may never be news of it again, so accesses do not wait.
 *
 * Context: process, may sleep.
 */
void vdmabuf_gate_break(struct vdmabuf_gate *gate)
{
	down_write(&gate->sem);
	WRITE_ONCE(gate->broken, true);
	vdmabuf_gate_zap_locked(gate);
	downgrade_write(&gate->sem);
	vdmabuf_gate_invalidate_locked(gate);
	up_read(&gate->sem);
}

/*
 * Is the function what it was before its link failed? If the bus was reset on
 * the way nobody has restored it, and a reset of the function saves and restores
 * just that. A write to the COMMAND register makes the core repair it.
 */
static bool vdmabuf_function_well(struct pci_dev *pdev)
{
	u16 control = 0;
	u32 command;
	int pos;

	if (pci_channel_offline(pdev))
		return false;
	if (pdev->is_virtfn) {
		pdev = pci_physfn(pdev);
		pos = pci_find_ext_capability(pdev, PCI_EXT_CAP_ID_SRIOV);
		if (pos)
			pci_read_config_word(pdev, pos + PCI_SRIOV_CTRL,
					     &control);
		return control != U16_MAX && control & PCI_SRIOV_CTRL_MSE;
	}
	/* All ones if it does not answer */
	pci_read_config_dword(pdev, PCI_COMMAND, &command);
	return command != U32_MAX && command & PCI_COMMAND_MEMORY;
}

/**
 * vdmabuf_gate_mend() - the device may be well again
 * @gate:	the gate
 * @pdev:	the function
 *
 * Context: process, may sleep.
 */
void vdmabuf_gate_mend(struct vdmabuf_gate *gate, struct pci_dev *pdev)
{
	if (!READ_ONCE(gate->broken))
		return;
	down_write(&gate->sem);
	/* An error that comes after this look waits to say so. */
	if (vdmabuf_function_well(pdev))
		WRITE_ONCE(gate->broken, false);
	up_write(&gate->sem);
}

/**
 * vdmabuf_gate_sleeps() - the user has put the device into D3hot, or it is not
 * in it any more
 * @gate:	the gate
 * @asleep:	which of both
 *
 * The core wakes a device before it resets it, and tells nobody: not even a
 * function beside it whose user asks for the reset does. So what counts is how it
 * was left. If that reset then fails, it is off until its user wakes it, who does
 * not know better.
 *
 * Context: process, may sleep.
 */
void vdmabuf_gate_sleeps(struct vdmabuf_gate *gate, bool asleep)
{
	down_write(&gate->sem);
	WRITE_ONCE(gate->asleep, asleep);
	up_write(&gate->sem);
}

/**
 * vdmabuf_bracket_enter() - vdmabuf_gate_enter() around something that touches
 * user memory
 * @bracket:	on the stack
 * @gate:	to be closed until vdmabuf_bracket_leave()
 *
 * Context: process, may sleep, no locks.
 */
void vdmabuf_bracket_enter(struct vdmabuf_bracket *bracket,
			   struct vdmabuf_gate *gate)
{
	bracket->gate = gate;
	bracket->task = current;
	spin_lock(&vdmabuf_brackets_lock);
	list_add(&bracket->link, &vdmabuf_brackets);
	spin_unlock(&vdmabuf_brackets_lock);
	vdmabuf_gate_enter(gate);
}

/**
 * vdmabuf_bracket_leave() - the end of it
 * @bracket:	of this task
 *
 * Context: as above.
 */
void vdmabuf_bracket_leave(struct vdmabuf_bracket *bracket)
{
	vdmabuf_gate_leave(bracket->gate);
	spin_lock(&vdmabuf_brackets_lock);
	list_del(&bracket->link);
	spin_unlock(&vdmabuf_brackets_lock);
}

/**
 * vdmabuf_in_bracket() - is this task within one?
 *
 * Context: any but interrupts.
 * Return: true if it must not wait for a gate.
 */
bool vdmabuf_in_bracket(void)
{
	struct vdmabuf_bracket *bracket;
	bool found = false;

	spin_lock(&vdmabuf_brackets_lock);
	list_for_each_entry(bracket, &vdmabuf_brackets, link)
		if (bracket->task == current) {
			found = true;
			break;
		}
	spin_unlock(&vdmabuf_brackets_lock);
	return found;
}

/*
 * What the device itself says. Each change of it comes within a bracket, but
 * for the end of low power, which only makes more possible, and for what
 * vdmabuf_gate_sleeps() is for.
 */
static bool vdmabuf_decodes_memory(struct vfio_pci_core_device *vdev)
{
	return !READ_ONCE(vdev->pm_runtime_engaged) &&
	       __vfio_pci_memory_enabled(vdev);
}

/**
 * vdmabuf_gate_state() - can slices be accessed now?
 * @gate:	@gate->sem is held; or the reservation lock of one of its
 *		buffers that is not revoked, which keeps the device open as well
 *
 * Context: process.
 * Return: VFIO_DMABUF_STATE_*.
 */
unsigned int vdmabuf_gate_state(const struct vdmabuf_gate *gate)
{
	if (!gate->vdev)
		return VFIO_DMABUF_STATE_REVOKED;
	if (READ_ONCE(gate->block))
		return VFIO_DMABUF_STATE_BLOCKED;
	if (READ_ONCE(gate->broken) || READ_ONCE(gate->asleep) ||
	    !vdmabuf_decodes_memory(gate->vdev))
		return VFIO_DMABUF_STATE_OFF;
	return VFIO_DMABUF_STATE_ON;
}

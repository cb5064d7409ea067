/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the parts of the vfio-pci variant driver share. All names begin with
 * vdmabuf_.
 *
 * vfio_pci_core does what stock vfio-pci does. What is added are slices: DMABUFs
 * of BAR ranges with an address space of their own, whose mappings this driver
 * fills (fault.c) and takes away again (gate.c). The core knows nothing of them,
 * so each way by which a BAR can disappear must be seen here: writes to the
 * configuration space (config.c), low power and close (device.c), and all
 * resets, whoever asks for them, by the PCI core's own callbacks (reset.c).
 *
 * Who holds whom: a gate is held by its device and by each buffer, so that a
 * buffer can outlive the device that it came from. A buffer is its dma_buf's; a
 * mapping holds the dma_buf's file. A buffer made for a mapping of the device fd
 * (bar.c) holds the device's file; others do not.
 *
 * Lock order, outermost first:
 *
 *   mmap_lock, a VMA's lock | memory_lock, dev_set->lock, device_lock
 *     vdmabuf_gate.sem
 *       dma_resv lock of a buffer
 *       i_mmap_rwsem (by unmap_mapping_range()), page table locks
 *       dma_buf.name_lock
 *
 * Resets arrive with memory_lock held, or not, and with mmap_lock never. So
 * faults do not take memory_lock, and nothing takes memory_lock or mmap_lock or
 * touches user memory under vdmabuf_gate.sem.
 */
#ifndef _VFIO_PCI_DMABUF_PRIVATE_H
#define _VFIO_PCI_DMABUF_PRIVATE_H

#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/dma-buf.h>
#include <linux/dma-buf-mapping.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/pci.h>
#include <linux/pci_regs.h>
#include <linux/rwsem.h>
#include <linux/types.h>
#include <linux/vfio_pci_core.h>
#include <linux/wait.h>
#include <linux/vfio-dmabuf.h>

struct file;
struct inode;
struct p2pdma_provider;

/* Module parameters (params.c) */
enum vdmabuf_bar_mmap { VDMABUF_BAR_STOCK, VDMABUF_BAR_DMABUF };
enum vdmabuf_wc { VDMABUF_WC_OFF, VDMABUF_WC_PREFETCHABLE, VDMABUF_WC_ALL };
enum vdmabuf_p2p { VDMABUF_P2P_OFF, VDMABUF_P2P_SAFE, VDMABUF_P2P_FORCE };

extern int vdmabuf_bar_mmap;
extern int vdmabuf_write_combine;
extern int vdmabuf_p2p;
extern unsigned int vdmabuf_importer_wait_ms;
extern unsigned int vdmabuf_revoke_alias;
extern unsigned int vdmabuf_memattr_alias;
extern bool vdmabuf_nointxmask;
extern bool vdmabuf_disable_vga;
extern bool vdmabuf_disable_idle_d3;

/**
 * struct vdmabuf_gate - what all slices of a device have in common
 * @ref:	of the device and of each buffer
 * @sem:	protects what follows, down to @revokes. Held for writing while
 *		entries disappear from page tables, for reading while they are
 *		made; see above for what is above and below it.
 * @vdev:	the device while it is open, NULL when it is not
 * @block:	things going on that the BARs do not survive: accesses wait. A
 *		number, as they nest: a reset asked for by a write to the
 *		configuration, or two writes at a time.
 * @broken:	the link has failed (AER), and the function is not well again.
 *		Written under @sem.
 * @asleep:	in D3hot, when last looked at. The core wakes it before a reset, and
 *		until that is prepared the BARs may be anything. Written under
 *		@sem.
 * @buffers:	vdmabuf_buffer.link of those that matter
 * @exports:	slices made; so are those below counters for INFO
 * @revokes:	slices revoked by request
 * @zaps:	times that all were taken out of page tables
 * @late:	times that the patience of a reset ran out before all DMA
 *		mappings were gone
 * @faults:	that mapped something
 * @waits:	that waited
 * @wait:	those faults; woken when @block becomes 0
 * @owed:	how many of those have not got what they want yet, roughly
 * @served:	who waits for @owed to become 0, before @block grows again
 */
struct vdmabuf_gate {
	struct kref ref;
	struct rw_semaphore sem;
	struct vfio_pci_core_device *vdev;
	unsigned int block;
	bool broken;
	bool asleep;
	struct list_head buffers;
	u64 exports;
	u64 revokes;
	u64 zaps;
	atomic64_t late;
	atomic64_t faults;
	atomic64_t waits;
	wait_queue_head_t wait;
	atomic_t owed;
	wait_queue_head_t served;
};

/**
 * struct vdmabuf_device - a bound function
 * @core:	vfio_pci_core's, which finds it as the driver data of the
 *		struct pci_dev. Must be the first.
 * @gate:	with a reference
 * @brackets:	bytes of the configuration space that must not be written while
 *		slices are accessed. Constant.
 */
struct vdmabuf_device {
	struct vfio_pci_core_device core;
	struct vdmabuf_gate *gate;
	DECLARE_BITMAP(brackets, PCI_CFG_SPACE_SIZE);
};

static inline struct vdmabuf_device *to_vdmabuf(struct vfio_device *core_vdev)
{
	return container_of(core_vdev, struct vdmabuf_device, core.vdev);
}

/**
 * struct vdmabuf_ranges - pieces of a BAR, one after the other
 * @nr:		number of pieces, neighbours merged
 * @size:	of all, in bytes
 * @phys:	the pieces
 * @first:	for each, the index in the slice of its first page
 */
struct vdmabuf_ranges {
	unsigned int nr;
	u64 size;
	struct phys_vec *phys;
	unsigned long *first;
};

/**
 * struct vdmabuf_buffer - a slice, or a mapping of the device fd
 * @gate:	with a reference
 * @link:	in @gate->buffers, until it is revoked and nobody has it mapped.
 *		Under @gate->sem.
 * @dmabuf:	whose private data this is
 * @inode:	its inode, with a reference: the core drops its own before it
 *		calls our release(), which may have to wait for @gate->sem
 * @ranges:	constant
 * @provider:	of the BAR's addresses to other devices, NULL if it has none.
 *		Lives as long as the function is bound, so not to be used
 *		once @revoked.
 * @pgoff_base:	what the first page's offset is in vm_area_struct.vm_pgoff
 * @bar:	index of the BAR
 * @prefetchable: the BAR is
 * @holds:	the device's file, if this is a mapping of it; else NULL
 * @memattr:	for mappings made from now on. Under @gate->sem.
 * @revoked:	for good. Written under @gate->sem and the reservation lock, read
 *		under either.
 * @mapped:	DMA mappings of importers. Under the reservation lock.
 * @unmapped:	those who wait for @mapped to become 0
 * @faults:	that mapped something
 */
struct vdmabuf_buffer {
	struct vdmabuf_gate *gate;
	struct list_head link;
	struct dma_buf *dmabuf;
	struct inode *inode;
	struct vdmabuf_ranges ranges;
	struct p2pdma_provider *provider;
	unsigned long pgoff_base;
	unsigned int bar;
	bool prefetchable;
	struct file *holds;
	u32 memattr;
	bool revoked;
	unsigned int mapped;
	wait_queue_head_t unmapped;
	atomic64_t faults;
};

/**
 * struct vdmabuf_bracket - a task within something that blocks
 * @gate:	what it has blocked
 * @link:	in a list of all, see gate.c
 * @task:	which may touch user memory meanwhile
 */
struct vdmabuf_bracket {
	struct vdmabuf_gate *gate;
	struct list_head link;
	struct task_struct *task;
};

/* gate.c */
struct vdmabuf_gate *vdmabuf_gate_alloc(void);
void vdmabuf_gate_put(struct vdmabuf_gate *gate);
void vdmabuf_gate_open(struct vdmabuf_gate *gate,
		       struct vfio_pci_core_device *vdev);
void vdmabuf_gate_close(struct vdmabuf_gate *gate);
void vdmabuf_gate_linger(struct vdmabuf_gate *gate);
void vdmabuf_gate_enter(struct vdmabuf_gate *gate);
void vdmabuf_gate_leave(struct vdmabuf_gate *gate);
void vdmabuf_gate_served(struct vdmabuf_gate *gate);
void vdmabuf_gate_break(struct vdmabuf_gate *gate);
void vdmabuf_gate_mend(struct vdmabuf_gate *gate, struct pci_dev *pdev);
void vdmabuf_gate_sleeps(struct vdmabuf_gate *gate, bool asleep);
void vdmabuf_bracket_enter(struct vdmabuf_bracket *bracket,
			   struct vdmabuf_gate *gate);
void vdmabuf_bracket_leave(struct vdmabuf_bracket *bracket);
bool vdmabuf_in_bracket(void);
unsigned int vdmabuf_gate_state(const struct vdmabuf_gate *gate);

/* ranges.c */
int vdmabuf_ranges_init(struct vdmabuf_ranges *ranges, phys_addr_t base,
			u64 len, const struct vfio_region_dma_range *wanted,
			unsigned int nr);
void vdmabuf_ranges_free(struct vdmabuf_ranges *ranges);
unsigned long vdmabuf_ranges_pfn(const struct vdmabuf_ranges *ranges,
				 unsigned long page, unsigned long *before,
				 unsigned long *behind);

/* buffer.c */
int vdmabuf_bar_check(struct vfio_pci_core_device *vdev, u32 index);
struct vdmabuf_buffer *
vdmabuf_buffer_create(struct vdmabuf_device *vd, unsigned int bar,
		      const struct vfio_region_dma_range *wanted,
		      unsigned int nr, int open_flags, const char *owner);
void vdmabuf_buffer_publish(struct vdmabuf_buffer *buffer);
struct vdmabuf_buffer *vdmabuf_buffer_get(struct vdmabuf_gate *gate, int fd);
bool vdmabuf_buffer_get_mapped(struct vdmabuf_buffer *buffer);
void vdmabuf_buffer_put(struct vdmabuf_buffer *buffer);
int vdmabuf_buffer_revoke(struct vdmabuf_buffer *buffer);
void vdmabuf_buffer_end(struct vdmabuf_buffer *buffer);
void vdmabuf_buffer_zap(struct vdmabuf_buffer *buffer);

/* fault.c */
bool vdmabuf_wc_works(void);
int vdmabuf_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma);
void vdmabuf_vma_init(struct vm_area_struct *vma,
		      struct vdmabuf_buffer *buffer, u32 memattr);

/* insert.c */
bool vdmabuf_fits(const struct vm_fault *vmf,
		  const struct vdmabuf_buffer *buffer, unsigned int order,
		  unsigned long *pfn);
vm_fault_t vdmabuf_insert(struct vm_fault *vmf, unsigned long pfn,
			  unsigned int order);
vm_fault_t vdmabuf_insert_window(struct vm_fault *vmf,
				 struct vdmabuf_buffer *buffer);

/* importer.c */
int vdmabuf_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach);
struct sg_table *vdmabuf_map(struct dma_buf_attachment *attach,
			     enum dma_data_direction dir);
void vdmabuf_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
		   enum dma_data_direction dir);
int vdmabuf_pin(struct dma_buf_attachment *attach);
void vdmabuf_unpin(struct dma_buf_attachment *attach);
void vdmabuf_invalidate(struct vdmabuf_buffer *buffer);
bool vdmabuf_wait_importers(struct vdmabuf_buffer *buffer,
			    unsigned long timeout, bool killable);
int vdmabuf_drain(struct vdmabuf_buffer *buffer, bool killable);

/* bar.c */
int vdmabuf_bar_mmap_vma(struct vdmabuf_device *vd, struct vm_area_struct *vma);

/* config.c */
void vdmabuf_config_init(struct vdmabuf_device *vd);
bool vdmabuf_config_brackets(const struct vdmabuf_device *vd, loff_t pos,
			     size_t count);

/* feature.c */
int vdmabuf_feature(struct vfio_device *core_vdev, u32 flags, void __user *arg,
		    size_t argsz);

/* device.c */
void vdmabuf_device_look(struct vdmabuf_device *vd);
extern struct vfio_device_ops vdmabuf_vfio_ops;

/* reset.c */
extern const struct pci_error_handlers vdmabuf_err_handlers;

#endif /* _VFIO_PCI_DMABUF_PRIVATE_H */

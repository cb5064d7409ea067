// SPDX-License-Identifier: GPL-2.0-only
/*
 * LIST: the handles of a file, a page at a time.
 *
 * A page is collected under the locks and copied to the caller without. The table
 * and the members of dma-bufs are both in order of handles, so each is walked once.
 */
#include <linux/dma-buf.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/radix-tree.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_gem_shmem_helper.h>

#include <bufsync/args.h>

#include "drm_gem_ctl_private.h"
#include "prime_member.h"

/* A handle and what it is of */
#define GEMCTL_MIN_ENTRY	16

struct gemctl_page {
	struct drm_gem_ctl_entry *entries;
	u32 room, count, next;
};

static u32 gemctl_status_flags(struct drm_gem_object *obj)
{
	int status = bufsync_gem_status(obj);
	u32 flags = DRM_GEM_CTL_ENTRY_STATUS;

	if (status & BUFSYNC_GEM_RESIDENT)
		flags |= DRM_GEM_CTL_ENTRY_RESIDENT;
	if (status & BUFSYNC_GEM_PURGEABLE)
		flags |= DRM_GEM_CTL_ENTRY_PURGEABLE;
	return flags;
}

static u64 gemctl_ino(const struct dma_buf *dmabuf)
{
	return file_inode(dmabuf->file)->i_ino;
}

/*
 * Under table_lock: the object's handle keeps its dma-buf, which is what
 * gemctl_object_dmabuf() says. For each kind of object no more is asked than needed.
 */
static void gemctl_entry_fill(struct drm_gem_ctl_entry *entry, u32 handle,
			      struct drm_gem_object *obj, u32 flags)
{
	const struct dma_buf *dmabuf;
	u64 ino = 0;

	if (obj->import_attach) {
		ino = gemctl_ino(obj->import_attach->dmabuf);
		flags |= DRM_GEM_CTL_ENTRY_IMPORTED;
	} else {
		dmabuf = READ_ONCE(obj->dma_buf);
		if (dmabuf) {
			ino = gemctl_ino(dmabuf);
			flags |= DRM_GEM_CTL_ENTRY_EXPORTED;
		}
		if (bufsync_gem_is_shmem(obj))
			flags |= DRM_GEM_CTL_ENTRY_SYSTEM_ONLY;
	}
	if (READ_ONCE(obj->name))
		flags |= DRM_GEM_CTL_ENTRY_NAMED;
	if (bufsync_gem_has_status(obj))
		flags |= gemctl_status_flags(obj);
	*entry = (struct drm_gem_ctl_entry) {
		.handle = handle,
		.flags = flags,
		.obj_size = obj->size,
		.dmabuf_ino = ino,
		.handle_count = READ_ONCE(obj->handle_count),
	};
}

/*
 * @member: the first from @first on; both in order of handles. The table is read by the
 * nodes of its tree: idr_get_next() begins at the root for each handle, and others
 * that need the table spin meanwhile.
 */
static void gemctl_page_fill(struct gemctl_page *page, struct drm_file *priv,
			     u32 first, struct drm_prime_member *member)
{
	struct drm_gem_ctl_entry *entry = page->entries;
	struct drm_gem_ctl_entry *end = entry + page->room;
	u32 cached = gemctl_prime_handle(member), id, last, flags;
	struct idr *table = &priv->object_idr;
	struct radix_tree_iter iter;
	struct drm_gem_object *obj;
	void __rcu **slot;

	lockdep_assert_held(&priv->table_lock);
	first = max(first, table->idr_base);
	radix_tree_iter_init(&iter, first - table->idr_base);
	while ((slot = radix_tree_next_chunk(&table->idr_rt, &iter, 0))) {
		id = iter.index + table->idr_base;
		last = id + radix_tree_chunk_size(&iter);
		for (; id != last; id++, slot++) {
			/* Without an object it is just being made or closed. */
			obj = radix_tree_deref_slot_protected(slot,
							      &priv->table_lock);
			if (!obj)
				continue;
			if (entry == end) {
				page->next = id;
				goto full;
			}
			flags = 0;
			while (unlikely(cached <= id)) {
				if (cached == id)
					flags = DRM_GEM_CTL_ENTRY_PRIME_CACHED;
				member = gemctl_prime_next(member);
				cached = gemctl_prime_handle(member);
			}
			gemctl_entry_fill(entry++, id, obj, flags);
		}
	}
full:
	page->count = entry - page->entries;
}

static int gemctl_page_collect(struct gemctl_page *page, struct drm_file *priv,
			       u32 first)
{
	struct drm_prime_member *member;
	int ret;

	guard(mutex)(&priv->prime.lock);
	ret = gemctl_prime_check(priv);
	if (ret)
		return ret;
	member = gemctl_prime_first(priv, first);
	spin_lock(&priv->table_lock);
	gemctl_page_fill(page, priv, first, member);
	spin_unlock(&priv->table_lock);
	return 0;
}

static int gemctl_page_copy(const struct gemctl_page *page, u64 to, u32 stride)
{
	void __user *at = u64_to_user_ptr(to);
	size_t known = sizeof(*page->entries), n = min_t(size_t, stride, known);
	u32 i;

	if (stride == known)
		return copy_to_user(at, page->entries, page->count * known) ?
		       -EFAULT : 0;
	for (i = 0; i < page->count; i++, at += stride)
		if (copy_to_user(at, &page->entries[i], n) ||
		    clear_user(at + n, stride - n))
			return -EFAULT;
	return 0;
}

static bool gemctl_stride_valid(u32 size)
{
	return size >= GEMCTL_MIN_ENTRY && size % 8 == 0 && size <= PAGE_SIZE;
}

static int gemctl_list(struct drm_gem_ctl_list_args *args)
{
	struct gemctl_page page = {
		.room = min_t(u32, args->count, DRM_GEM_CTL_MAX_ENTRIES),
	};
	struct gemctl_file file;
	int ret;

	page.entries = kvmalloc_array(page.room ?: 1, sizeof(*page.entries),
				      GFP_KERNEL_ACCOUNT);
	if (!page.entries)
		return -ENOMEM;
	ret = gemctl_file_get(&file, args->drm_fd);
	if (ret)
		goto free;
	/* Beyond what the table can hold there is nothing. */
	if (!gemctl_stride_valid(args->entry_size))
		ret = -EINVAL;
	else if (args->first <= DRM_GEM_CTL_MAX_HANDLE)
		ret = gemctl_page_collect(&page, file.priv, args->first);
	gemctl_file_put(&file);
	/* Not before: whoever fills the caller's memory could take forever. */
	if (!ret)
		ret = gemctl_page_copy(&page, args->entries, args->entry_size);
	args->out_count = page.count;
	args->out_next = page.next;
free:
	kvfree(page.entries);
	return ret;
}

/**
 * gemctl_list_ioctl() - DRM_GEM_CTL_IOC_LIST
 * @argp: struct drm_gem_ctl_list_args
 *
 * Return: 0 or an error that the header names.
 */
int gemctl_list_ioctl(void __user *argp)
{
	struct drm_gem_ctl_list_args args;
	int usize, ret;

	usize = bufsync_copy_sized(&args, argp, sizeof(args),
				   offsetofend(typeof(args), out_next));
	if (usize < 0)
		return usize;
	if (args.flags)
		return -EINVAL;
	ret = gemctl_list(&args);
	if (ret)
		return ret;
	return copy_to_user(argp, &args, min_t(size_t, usize, sizeof(args))) ?
	       -EFAULT : 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * DRM's record of which handle a dma-buf has in a file.
 *
 * A file has two trees with the same members, one by dma-buf and one by handle.
 * The trees are in a public header, their members are not: struct
 * drm_prime_member of prime_member.h is as in every kernel from 5.10 to 7.3. That is
 * not taken on trust. Before a member is read for the first time, the trees
 * themselves must show that they have the members that are expected
 * (gemctl_prime_prove()); before one is written, that very member must
 * (gemctl_prime_sound()). What the kernel's type information says, where there is
 * any, has decided before that whether the module loads at all.
 */
#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/idr.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/rbtree.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_prime.h>

#include "drm_gem_ctl_private.h"
#include "prime_member.h"

/* How many members of a file must be as expected, if it has as many */
#define GEMCTL_PROOFS	16
/*
 * How often, a millisecond apart, a file is looked at again whose only members are
 * being closed: a driver may wait for its device in the middle of that.
 */
#define GEMCTL_LOOKS	5000

static bool gemctl_prime_proven;
/* A file has been looked at that often, and in vain. */
static bool gemctl_prime_doubted;

/*
 * The dma-buf that DRM remembers handles of an object by, NULL if it has none. An
 * object that was imported is asked for where it came from, as DRM does: what it
 * keeps beside that goes with its last handle, and it can get another one later.
 */
static const struct dma_buf *
gemctl_object_dmabuf(const struct drm_gem_object *obj)
{
	return obj->import_attach ? obj->import_attach->dmabuf :
				    READ_ONCE(obj->dma_buf);
}

/* By the tree alone: what it is a part of is not read. */
static bool gemctl_tree_has(const struct rb_root *tree,
			    const struct rb_node *node)
{
	struct rb_node *rb;

	for (rb = rb_first(tree); rb; rb = rb_next(rb))
		if (rb == node)
			return true;
	return false;
}

/*
 * Each node of the one tree must have its counterpart in the other at the distance
 * that the struct has; only then the struct is read. Its handle must be above the
 * one before it, and the object behind the handle must have its dma-buf. A handle
 * that is just being closed has none any more and proves nothing: -EAGAIN if there
 * are no others.
 */
static int gemctl_prime_prove(struct drm_file *priv)
{
	struct drm_prime_file_private *prime = &priv->prime;
	struct drm_prime_member *member;
	struct drm_gem_object *obj;
	unsigned int seen = 0, proofs = 0;
	struct rb_node *rb;
	u32 last = 0;
	bool match;

	if (RB_EMPTY_ROOT(&prime->handles) != RB_EMPTY_ROOT(&prime->dmabufs))
		return -EUCLEAN;
	for (rb = rb_first(&prime->handles); rb && seen < GEMCTL_PROOFS;
	     rb = rb_next(rb), seen++) {
		member = by_handle(rb);
		if (!gemctl_tree_has(&prime->dmabufs, &member->dmabuf_rb))
			return -EUCLEAN;
		if (member->handle <= last || !member->dma_buf)
			return -EUCLEAN;
		last = member->handle;

		spin_lock(&priv->table_lock);
		obj = idr_find(&priv->object_idr, last);
		match = !obj || gemctl_object_dmabuf(obj) == member->dma_buf;
		spin_unlock(&priv->table_lock);
		if (!match)
			return -EUCLEAN;
		proofs += !!obj;
	}
	if (proofs)
		WRITE_ONCE(gemctl_prime_proven, true);
	return seen && !proofs ? -EAGAIN : 0;
}

/**
 * gemctl_prime_check() - may the members of this file's trees be read?
 * @priv:	the DRM file; its prime.lock is held, and may be let go and taken again
 *		before this returns
 *
 * Context: process, may sleep.
 * Return: 0; -EOPNOTSUPP on a kernel that nobody has looked at; -EUCLEAN if they are
 * not what this module knows.
 */
int gemctl_prime_check(struct drm_file *priv)
{
	int ret, looks;

	lockdep_assert_held(&priv->prime.lock);
	if (!gemctl_kernel_known())
		return -EOPNOTSUPP;
	if (READ_ONCE(gemctl_prime_proven))
		return 0;
	ret = gemctl_prime_prove(priv);
	for (looks = 0; ret == -EAGAIN; looks++) {
		/* The task ends without seeing this. */
		if (fatal_signal_pending(current))
			return -EINTR;
		if (looks == GEMCTL_LOOKS)
			WRITE_ONCE(gemctl_prime_doubted, true);
		if (READ_ONCE(gemctl_prime_doubted)) {
			ret = -EUCLEAN;
			break;
		}
		/* Who closes a handle waits for the lock to remove its member. */
		mutex_unlock(&priv->prime.lock);
		usleep_range(500, 1500);
		mutex_lock(&priv->prime.lock);
		ret = gemctl_prime_prove(priv);
	}
	if (ret)
		pr_err_once("DRM's record of dma-bufs is not what this module knows (report kernel version)\n");
	return ret;
}

/**
 * gemctl_prime_first() - the first member from a handle on
 * @priv:	the DRM file, after gemctl_prime_check(); its prime.lock is held
 * @handle:	the lowest that is wanted
 *
 * Context: any that may hold the lock.
 * Return: the member with the lowest handle from @handle on, or NULL.
 */
struct drm_prime_member *gemctl_prime_first(struct drm_file *priv, u32 handle)
{
	struct rb_node *rb = priv->prime.handles.rb_node;
	struct drm_prime_member *found = NULL;

	lockdep_assert_held(&priv->prime.lock);
	while (rb) {
		if (by_handle(rb)->handle < handle) {
			rb = rb->rb_right;
			continue;
		}
		found = by_handle(rb);
		rb = rb->rb_left;
	}
	return found;
}

/**
 * gemctl_prime_find() - the member of a dma-buf
 * @priv:	the DRM file, after gemctl_prime_check(); its prime.lock is held
 * @dmabuf:	the dma-buf
 *
 * Context: as gemctl_prime_first().
 * Return: a member or NULL.
 */
struct drm_prime_member *gemctl_prime_find(struct drm_file *priv,
					   const struct dma_buf *dmabuf)
{
	struct rb_node *rb = priv->prime.dmabufs.rb_node;

	lockdep_assert_held(&priv->prime.lock);
	while (rb) {
		if (by_dmabuf(rb)->dma_buf == dmabuf)
			return by_dmabuf(rb);
		rb = by_dmabuf(rb)->dma_buf < dmabuf ? rb->rb_right :
						       rb->rb_left;
	}
	return NULL;
}

/* The first of the members of a dma-buf, in the order of their tree */
static struct rb_node *gemctl_dmabuf_first(struct drm_file *priv,
					   const struct dma_buf *dmabuf)
{
	struct rb_node *rb = priv->prime.dmabufs.rb_node, *found = NULL;

	while (rb) {
		if (by_dmabuf(rb)->dma_buf < dmabuf) {
			rb = rb->rb_right;
			continue;
		}
		found = rb;
		rb = rb->rb_left;
	}
	return found;
}

/**
 * gemctl_prime_sound() - do the two trees agree about a handle?
 * @priv:	the DRM file, after gemctl_prime_check(); its prime.lock is held
 * @member:	the handle's member, NULL if the tree of handles has none
 * @handle:	the handle
 * @obj:	has that handle; the table's lock keeps it so
 *
 * An object can have a dma-buf and no member for this handle: another file has
 * exported it, or another handle of this file. And its dma-buf can have several
 * members: each handle of the object by which it has been exported is one.
 *
 * Context: as gemctl_prime_first().
 * Return: true if the other tree has the same member for the object's dma-buf, or
 * none of this handle.
 */
bool gemctl_prime_sound(struct drm_file *priv, struct drm_prime_member *member,
			u32 handle, const struct drm_gem_object *obj)
{
	const struct dma_buf *dmabuf = gemctl_object_dmabuf(obj);
	struct rb_node *rb;

	lockdep_assert_held(&priv->prime.lock);
	if (!dmabuf)
		return !member;
	for (rb = gemctl_dmabuf_first(priv, dmabuf);
	     rb && by_dmabuf(rb)->dma_buf == dmabuf; rb = rb_next(rb))
		if (by_dmabuf(rb)->handle == handle)
			return by_dmabuf(rb) == member;
	return !member;
}

/**
 * gemctl_prime_rekey() - give a member another handle
 * @priv:	the DRM file; its prime.lock is held
 * @member:	of its trees, gemctl_prime_sound()
 * @handle:	no member has it
 *
 * Context: as gemctl_prime_first(). Cannot fail.
 */
void gemctl_prime_rekey(struct drm_file *priv, struct drm_prime_member *member,
			u32 handle)
{
	struct rb_node **link = &priv->prime.handles.rb_node, *parent = NULL;

	lockdep_assert_held(&priv->prime.lock);
	rb_erase(&member->handle_rb, &priv->prime.handles);
	member->handle = handle;
	while (*link) {
		parent = *link;
		link = handle > by_handle(parent)->handle ? &parent->rb_right :
							    &parent->rb_left;
	}
	rb_link_node(&member->handle_rb, parent, link);
	rb_insert_color(&member->handle_rb, &priv->prime.handles);
}

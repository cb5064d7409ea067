/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A copy of the members of DRM's two trees of dma-bufs: which handle one has in a
 * file. Only for who has asked gemctl_prime_check(), and still holds the prime.lock.
 */
#ifndef _DRM_GEM_CTL_PRIME_MEMBER_H
#define _DRM_GEM_CTL_PRIME_MEMBER_H

#include <linux/build_bug.h>
#include <linux/limits.h>
#include <linux/rbtree.h>
#include <linux/types.h>

struct dma_buf;

#ifndef GEMCTL_TEST_LAYOUT
#define GEMCTL_TEST_LAYOUT 0
#endif

/*
 * As in drivers/gpu/drm/drm_prime.c. The variants serve the test which shows that
 * a wrong copy is refused.
 */
struct drm_prime_member {
#if GEMCTL_TEST_LAYOUT == 0
	struct dma_buf *dma_buf;
	u32 handle;
	struct rb_node dmabuf_rb;
	struct rb_node handle_rb;
#elif GEMCTL_TEST_LAYOUT == 1	/* the trees swapped */
	struct dma_buf *dma_buf;
	u32 handle;
	struct rb_node handle_rb;
	struct rb_node dmabuf_rb;
#elif GEMCTL_TEST_LAYOUT == 2	/* a word more between the trees */
	struct dma_buf *dma_buf;
	u32 handle;
	struct rb_node dmabuf_rb;
	unsigned long wrong;
	struct rb_node handle_rb;
#elif GEMCTL_TEST_LAYOUT == 3	/* dma-buf and handle swapped */
	u32 handle;
	struct dma_buf *dma_buf;
	struct rb_node dmabuf_rb;
	struct rb_node handle_rb;
#elif GEMCTL_TEST_LAYOUT == 4	/* the handle a word later */
	struct dma_buf *dma_buf;
	u32 wrong;
	u32 handle;
	struct rb_node dmabuf_rb;
	struct rb_node handle_rb;
#elif GEMCTL_TEST_LAYOUT == 5	/* the trees swapped, and a word between */
	struct dma_buf *dma_buf;
	u32 handle;
	struct rb_node handle_rb;
	unsigned long wrong;
	struct rb_node dmabuf_rb;
#endif
};

#if GEMCTL_TEST_LAYOUT == 0
/* compat/btf/check compares the same with the kernel's type information. */
static_assert(offsetof(struct drm_prime_member, dmabuf_rb) == 16);
static_assert(offsetof(struct drm_prime_member, handle_rb) == 40);
static_assert(sizeof(struct drm_prime_member) == 64);
#endif

static inline struct drm_prime_member *by_dmabuf(struct rb_node *rb)
{
	return rb_entry_safe(rb, struct drm_prime_member, dmabuf_rb);
}

static inline struct drm_prime_member *by_handle(struct rb_node *rb)
{
	return rb_entry_safe(rb, struct drm_prime_member, handle_rb);
}

/* The member with the next handle, or NULL */
static inline struct drm_prime_member *
gemctl_prime_next(struct drm_prime_member *member)
{
	return by_handle(rb_next(&member->handle_rb));
}

/* A member's handle; of none, what no handle comes near */
static inline u32 gemctl_prime_handle(const struct drm_prime_member *member)
{
	return member ? member->handle : U32_MAX;
}

#endif /* _DRM_GEM_CTL_PRIME_MEMBER_H */

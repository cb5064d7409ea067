/* SPDX-License-Identifier: GPL-2.0-only */
/* One slice, mapped, that a call that fails must leave as it is. */
#ifndef _VFIO_ERRNO_ENV_H
#define _VFIO_ERRNO_ENV_H

#include "vfio_env.h"

#include "slice_util.h"

#define GET	VFIO_DEVICE_FEATURE_GET
#define SET	VFIO_DEVICE_FEATURE_SET
#define PROBE	VFIO_DEVICE_FEATURE_PROBE
#define DMA_BUF	VFIO_DEVICE_FEATURE_DMA_BUF
#define INFO	VFIO_DMABUF_FEATURE_INFO
#define REVOKE	VFIO_DMABUF_FEATURE_REVOKE
#define MEMATTR	VFIO_DMABUF_FEATURE_MEMATTR

#define SIZE	MIB(16)

struct errno_env {
	struct vfio_env env;
	struct vfio_dev *dev;
	int fd;			/* a slice of two pages, mapped */
	char *p;
	struct vfio_dmabuf_info was;
	int fds;
	char *guard;		/* nothing can be read from here on */
};

static inline void errno_env_setup(struct __test_metadata *_metadata,
				   struct errno_env *e)
{
	vfio_env_setup(_metadata, &e->env, VFIO_BOCHS, VFIO_OURS);
	e->dev = &e->env.dev;
	e->fd = vfio_export(e->dev, 0, 0, 2 * PAGE, O_RDWR | O_CLOEXEC);
	e->p = slice_map(e->fd, 2 * PAGE, RW);
	ASSERT_NE(MAP_FAILED, e->p);
	EXPECT_TRUE(alive(e->p));
	ASSERT_EQ(0, vfio_info(e->dev, e->fd, &e->was));
	e->fds = count_fds();
	e->guard = mmap(NULL, 2 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	ASSERT_NE(MAP_FAILED, e->guard);
	e->guard += PAGE;
	ASSERT_EQ(0, mprotect(e->guard, PAGE, PROT_NONE));
}

/* Nothing has changed; said after each call. */
static inline void expect_same(struct __test_metadata *_metadata,
			       struct errno_env *e)
{
	struct vfio_dmabuf_info now;

	EXPECT_EQ(e->fds, count_fds()) TH_LOG("an fd has leaked");
	ASSERT_EQ(0, vfio_info(e->dev, e->fd, &now));
	EXPECT_EQ(0, memcmp(&e->was, &now, sizeof(now)));
	EXPECT_TRUE(alive(e->p));
}

static inline void errno_env_teardown(struct __test_metadata *_metadata,
				      struct errno_env *e)
{
	expect_same(_metadata, e);
	unmap_all();
	vfio_env_teardown(_metadata, &e->env);
}

#endif /* _VFIO_ERRNO_ENV_H */

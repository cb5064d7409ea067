/* SPDX-License-Identifier: GPL-2.0-only */
/* A slice of VFIO_BOCHS, and beside it the device fd's mapping of the same. */
#ifndef _MAP_ENV_H
#define _MAP_ENV_H

#include "vfio_env.h"

#include "slice_util.h"

#define OFF	MIB(4)	/* of the slice in the BAR */
#define SIZE	MIB(8)

struct map_env {
	struct vfio_env env;
	struct vfio_dev *dev;
	char *bar;	/* by the device fd, from OFF on */
	int fd;		/* the slice */
};

static inline void map_env_setup(struct __test_metadata *_metadata,
				 struct map_env *m)
{
	vfio_env_setup(_metadata, &m->env, VFIO_BOCHS, VFIO_OURS);
	m->dev = &m->env.dev;
	m->bar = map_aligned(m->dev->fd, SIZE,
			     region_offset(m->dev, 0) + OFF, RW, HUGE);
	ASSERT_NE(MAP_FAILED, m->bar);
	m->fd = vfio_export(m->dev, 0, OFF, SIZE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(m->fd, 0);
	fill(m->bar, 0, SIZE, 1);
}

static inline void map_env_teardown(struct __test_metadata *_metadata,
				    struct map_env *m)
{
	munlockall();
	unmap_all();
	vfio_env_teardown(_metadata, &m->env);
}

#endif /* _MAP_ENV_H */

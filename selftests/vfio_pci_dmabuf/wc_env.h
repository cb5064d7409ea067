/* SPDX-License-Identifier: GPL-2.0-only */
/* A slice whose mappings are looked up in the page tables. */
#ifndef _WC_ENV_H
#define _WC_ENV_H

#include "vfio_env.h"

#include "param_util.h"
#include "pte_util.h"
#include "slice_util.h"

#define BIG	HUGE
#define SIZE	(2 * HUGE)

#define NC	VFIO_DMABUF_MEMATTR_NC
#define WC	VFIO_DMABUF_MEMATTR_WC

struct wc_env {
	struct vfio_env env;
	int pte;
	int buf;
	bool huge;
};

/* The slice has the @size bytes of the BAR from @offset on. */
static inline void wc_env_setup(struct __test_metadata *_metadata,
				struct wc_env *w, enum vfio_role role, int bar,
				uint64_t offset, uint64_t size)
{
	struct vfio_dmabuf_info info;
	char allowed[32];

	vfio_env_setup(_metadata, &w->env, role, VFIO_OURS);
	ASSERT_EQ(0, param_get(VFIO_OURS, "write_combine", allowed,
			       sizeof(allowed)));
	ASSERT_STREQ("prefetchable", allowed);
	w->pte = pte_open();
	ASSERT_GE(w->pte, 0) TH_LOG("no bufsync_test_pte");
	ASSERT_EQ(0, vfio_memory_enable(&w->env.dev, true));
	w->buf = vfio_export(&w->env.dev, bar, offset, size,
			     O_RDWR | O_CLOEXEC);
	ASSERT_GE(w->buf, 0);
	ASSERT_EQ(0, vfio_info(&w->env.dev, w->buf, &info));
	w->huge = info.out_features & VFIO_DMABUF_FEATURE_BIT_HUGE;
}

static inline void wc_env_teardown(struct __test_metadata *_metadata,
				   struct wc_env *w)
{
	EXPECT_EQ(0, param_set(VFIO_OURS, "write_combine", "prefetchable"));
	unmap_all();
	vfio_env_teardown(_metadata, &w->env);
}

/* So that no huge page fits: one small page behind the border */
static inline void *map_small(int fd, size_t size)
{
	return map_askew(fd, size, 0, RW, BIG, PAGE);
}

/* A read of each page; how many were possible */
static inline size_t touch(const void *map, size_t size)
{
	const char *p = map;
	size_t pos, good = 0;
	uint32_t value;

	for (pos = 0; pos < size; pos += PAGE)
		good += try_read32(p + pos, &value);
	return good;
}

FIXTURE(wc) {
	struct wc_env w;
};

FIXTURE_VARIANT(wc) {
	enum vfio_role role;
	int bar;
};

FIXTURE_VARIANT_ADD(wc, ivshmem) {
	.role = VFIO_MEMORY,
	.bar = 2,
};

FIXTURE_VARIANT_ADD(wc, bochs) {
	.role = VFIO_BOCHS,
	.bar = 0,
};

FIXTURE_SETUP(wc)
{
	if (variant->role == VFIO_BOCHS && 2 * SIZE > MIB(16))
		SKIP(return, "the device's memory has no room for huge pages");
	wc_env_setup(_metadata, &self->w, variant->role, variant->bar, SIZE,
		     SIZE);
}

FIXTURE_TEARDOWN(wc)
{
	wc_env_teardown(_metadata, &self->w);
}

#endif /* _WC_ENV_H */

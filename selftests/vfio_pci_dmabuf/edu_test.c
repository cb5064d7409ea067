// SPDX-License-Identifier: GPL-2.0-only
/*
 * One device's DMA engine in another one's memory: edu reads and writes a
 * slice, and can no more when it was taken back, whatever addresses it uses.
 */
#include <pthread.h>

#include "vfio_env.h"

#include "edu_util.h"
#include "slice_util.h"
#include "syncobj_util.h"

#define SIZE	MIB(1)
/* A copy takes long, so it is of little. */
#define LEN	512

struct edu_env {
	struct vfio_env env;
	char bdf[16];
	int edu;
	int buf;	/* SIZE bytes from SIZE on */
	uint32_t *map;	/* of it */
	uint32_t *bar;	/* all of the BAR, by the device fd */
};

static void edu_env_setup(struct __test_metadata *_metadata,
			  struct edu_env *e, enum vfio_role role, int bar)
{
	vfio_env_setup(_metadata, &e->env, role, VFIO_OURS);
	ASSERT_EQ(0, vfio_memory_enable(&e->env.dev, true));
	ASSERT_EQ(0, edu_start(e->bdf)) TH_LOG("no edu");
	e->buf = vfio_export(&e->env.dev, bar, SIZE, SIZE, O_RDWR | O_CLOEXEC);
	ASSERT_GE(e->buf, 0);
	e->edu = edu_open();
	ASSERT_GE(e->edu, 0);
	e->map = mmap(NULL, SIZE, RW, MAP_SHARED, e->buf, 0);
	ASSERT_NE(MAP_FAILED, e->map);
	e->bar = vfio_bar_map(&e->env.dev, bar, RW);
	ASSERT_NE(MAP_FAILED, e->bar);
}

static void edu_env_teardown(struct __test_metadata *_metadata,
			     struct edu_env *e)
{
	EXPECT_EQ(0, edu_stop(e->bdf));
	unmap_all();
	vfio_env_teardown(_metadata, &e->env);
}

static void write_words(void *at, uint64_t size, uint32_t seed)
{
	fill(at, 0, size, seed);
	__sync_synchronize();
}

/* How many words are as written */
static uint64_t same(const void *at, uint64_t size, uint32_t seed)
{
	return size / 4 - differs(at, 0, size, seed);
}

/*
 * With the addresses that edu had: what it reads is not there, and what it
 * writes goes nowhere. @at is what lies there now.
 */
static void check_locked_out(struct __test_metadata *_metadata, int edu,
			     uint32_t *at)
{
	uint32_t data[LEN / 4];

	write_words(at, LEN, 77);
	memset(data, 0, sizeof(data));
	EXPECT_EQ(0, edu_copy_from(edu, 0, data, LEN, TEST_EDU_RAW));
	EXPECT_EQ(0, same(data, LEN, 77));
	write_words(data, LEN, 78);
	EXPECT_EQ(0, edu_copy_to(edu, 0, data, LEN, TEST_EDU_RAW));
	EXPECT_EQ(LEN / 4, same(at, LEN, 77));
	EXPECT_EQ(0, same(at, LEN, 78));
}

/* The same call does arrive while it may, so the above means something. */
static void check_let_in(struct __test_metadata *_metadata, int edu,
			 uint32_t *at)
{
	uint32_t data[LEN / 4];

	write_words(at, LEN, 75);
	memset(data, 0, sizeof(data));
	EXPECT_EQ(0, edu_copy_from(edu, 0, data, LEN, TEST_EDU_RAW));
	EXPECT_EQ(LEN / 4, same(data, LEN, 75));
	write_words(data, LEN, 76);
	EXPECT_EQ(0, edu_copy_to(edu, 0, data, LEN, TEST_EDU_RAW));
	EXPECT_EQ(LEN / 4, same(at, LEN, 76));
}

FIXTURE(edu) {
	struct edu_env e;
};

FIXTURE_VARIANT(edu) {
	enum vfio_role role;
	int bar;
};

FIXTURE_VARIANT_ADD(edu, ivshmem) {
	.role = VFIO_MEMORY,
	.bar = 2,
};

FIXTURE_VARIANT_ADD(edu, bochs) {
	.role = VFIO_BOCHS,
	.bar = 0,
};

FIXTURE_SETUP(edu)
{
	edu_env_setup(_metadata, &self->e, variant->role, variant->bar);
}

FIXTURE_TEARDOWN(edu)
{
	edu_env_teardown(_metadata, &self->e);
}

TEST_F(edu, bar_to_ram)
{
	uint32_t data[TEST_EDU_MAX_COPY / 4];
	struct edu_env *e = &self->e;

	write_words(e->map, SIZE, 1);
	ASSERT_EQ(0, edu_import(e->edu, e->buf, 0));
	memset(data, 0, sizeof(data));
	EXPECT_EQ(0, edu_copy_from(e->edu, 0, data, TEST_EDU_MAX_COPY, 0));
	EXPECT_EQ(TEST_EDU_MAX_COPY / 4, same(data, TEST_EDU_MAX_COPY, 1));

	/* across a border of pages, and the very end */
	EXPECT_EQ(0, edu_copy_from(e->edu, 5 * PAGE - 64, data, LEN, 0));
	EXPECT_EQ(0, differs(data, 5 * PAGE - 64, LEN, 1));
	EXPECT_EQ(0, edu_copy_from(e->edu, SIZE - LEN, data, LEN, 0));
	EXPECT_EQ(pattern(SIZE - 4, 1), data[LEN / 4 - 1]);
	EXPECT_EQ(-EINVAL, edu_copy_from(e->edu, SIZE - LEN + 4, data, LEN,
					 0));
	EXPECT_EQ(0, edu_release(e->edu));
	EXPECT_EQ(-EINVAL, edu_copy_from(e->edu, 0, data, LEN, 0));
}

TEST_F(edu, ram_to_bar)
{
	struct edu_env *e = &self->e;
	uint32_t data[LEN / 4];
	uint64_t at = 7 * PAGE - 128;

	write_words(e->map, SIZE, 2);
	ASSERT_EQ(0, edu_import(e->edu, e->buf, 0));
	write_words(data, LEN, 3);
	EXPECT_EQ(0, edu_copy_to(e->edu, at, data, LEN, 0));
	EXPECT_EQ(LEN / 4, same(e->map + at / 4, LEN, 3));
	EXPECT_EQ(LEN / 4, same(e->bar + (SIZE + at) / 4, LEN, 3));
	/* and nowhere else */
	EXPECT_EQ(LEN / 4, differs(e->map, 0, SIZE, 2));
	EXPECT_EQ(0, edu_release(e->edu));
}

/* One after the other, as the processor sees them in its mapping */
TEST_F(edu, ranges)
{
	const struct vfio_region_dma_range ranges[] = {
		{ 64 * PAGE, PAGE }, { 0, 2 * PAGE }, { 2 * PAGE, PAGE },
		{ 32 * PAGE, PAGE },
	};
	struct edu_env *e = &self->e;
	uint32_t data[LEN / 4];
	uint64_t border;
	uint32_t *map;
	int buf;

	buf = vfio_export_ranges(&e->env.dev, variant->bar, ranges, 4, O_RDWR);
	ASSERT_GE(buf, 0);
	map = mmap(NULL, 5 * PAGE, RW, MAP_SHARED, buf, 0);
	ASSERT_NE(MAP_FAILED, map);
	write_words(map, 5 * PAGE, 4);
	ASSERT_EQ(pattern(0, 4), e->bar[64 * PAGE / 4]);
	ASSERT_EQ(pattern(PAGE, 4), e->bar[0]);
	ASSERT_EQ(0, edu_import(e->edu, buf, 0));
	for (border = PAGE; border < 5 * PAGE; border += PAGE) {
		memset(data, 0, sizeof(data));
		EXPECT_EQ(0, edu_copy_from(e->edu, border - LEN / 2, data, LEN,
					   0));
		EXPECT_EQ(0, differs(data, border - LEN / 2, LEN, 4));
	}
	/* into the last one, and what is behind the first one stays */
	write_words(e->bar + 65 * PAGE / 4, PAGE, 5);
	write_words(data, LEN, 6);
	EXPECT_EQ(0, edu_copy_to(e->edu, 5 * PAGE - LEN, data, LEN, 0));
	EXPECT_EQ(LEN / 4, same(e->bar + (33 * PAGE - LEN) / 4, LEN, 6));
	EXPECT_EQ(PAGE / 4, same(e->bar + 65 * PAGE / 4, PAGE, 5));
	EXPECT_EQ(0, edu_release(e->edu));
}

TEST_F(edu, revoke)
{
	uint32_t *at = self->e.bar + SIZE / 4;
	struct edu_env *e = &self->e;
	uint32_t data[LEN / 4];

	ASSERT_EQ(0, edu_import(e->edu, e->buf, 0));
	check_let_in(_metadata, e->edu, at);
	ASSERT_EQ(0, vfio_revoke(&e->env.dev, e->buf));
	EXPECT_EQ(-ESTALE, edu_copy_from(e->edu, 0, data, LEN, 0));
	EXPECT_EQ(-ESTALE, edu_copy_to(e->edu, 0, data, LEN, 0));
	check_locked_out(_metadata, e->edu, at);
	EXPECT_EQ(-ENODEV, edu_map(e->edu, EDU_BOTH));
	check_locked_out(_metadata, e->edu, at);
	EXPECT_EQ(0, edu_detach(e->edu));

	/* the same range by another slice */
	e->buf = vfio_export(&e->env.dev, variant->bar, SIZE, SIZE, O_RDWR);
	ASSERT_GE(e->buf, 0);
	ASSERT_EQ(0, edu_import(e->edu, e->buf, 0));
	check_let_in(_metadata, e->edu, at);
	EXPECT_EQ(0, edu_release(e->edu));
	check_locked_out(_metadata, e->edu, at);
}

/* Does the log tell that edu was kept from @addr? It may be a bit late. */
static bool iommu_fault(int kmsg, uint64_t addr)
{
	static char log[65536];
	int64_t end = in_ms(5000);
	/* Intel's; an SMMUv3's, and before 7.x as words of the event */
	static const char *const formats[] = {
		"fault addr 0x%llx", "iova: 0x%llx", "0x%016llx"
	};
	char want[64];
	size_t i;

	do {
		kmsg_read(kmsg, log, sizeof(log));
		for (i = 0; i < ARRAY_SIZE(formats); i++) {
			snprintf(want, sizeof(want), formats[i],
				 (unsigned long long)addr);
			if (strstr(log, want))
				return true;
		}
		sleep_ms(20);
	} while (now_ns() < end);
	return false;
}

/* It is the IOMMU that keeps edu out, nothing else. */
TEST_F(edu, iommu_says_so)
{
	struct test_edu_stats_args stats;
	struct edu_env *e = &self->e;
	uint32_t data[LEN / 4];
	int kmsg;

	/* The kernel tells of a few faults in five seconds, not of all. */
	sleep_ms(6000);
	kmsg = kmsg_start();
	ASSERT_GE(kmsg, 0);
	ASSERT_EQ(0, edu_import(e->edu, e->buf, 0));
	ASSERT_EQ(0, edu_stats(e->edu, &stats));
	EXPECT_EQ(0, edu_copy_from(e->edu, PAGE, data, LEN, TEST_EDU_RAW));
	ASSERT_EQ(0, vfio_revoke(&e->env.dev, e->buf));
	EXPECT_EQ(0, edu_copy_from(e->edu, 2 * PAGE, data, LEN,
				   TEST_EDU_RAW));
	EXPECT_TRUE(iommu_fault(kmsg, stats.out_entries[0].addr + 2 * PAGE));
	EXPECT_EQ(0, edu_detach(e->edu));
}

struct revoker {
	pthread_t thread;
	struct edu_env *e;
	int ret;
	bool done;
};

static void *revoker_run(void *arg)
{
	struct revoker *r = arg;

	r->ret = vfio_revoke(&r->e->env.dev, r->e->buf);
	__atomic_store_n(&r->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Why REVOKE waits: until it has unmapped, a device can do what it could. */
TEST_F(edu, revoke_waits)
{
	uint32_t *at = self->e.bar + SIZE / 4;
	struct edu_env *e = &self->e;
	struct revoker r = { .e = e };

	ASSERT_EQ(0, edu_import(e->edu, e->buf, TEST_EDU_LAZY));
	ASSERT_EQ(0, pthread_create(&r.thread, NULL, revoker_run, &r));
	ASSERT_TRUE(edu_told_soon(e->edu, 0));
	sleep_ms(300);
	check_let_in(_metadata, e->edu, at);
	EXPECT_FALSE(__atomic_load_n(&r.done, __ATOMIC_ACQUIRE));
	EXPECT_EQ(0, edu_unmap(e->edu));
	pthread_join(r.thread, NULL);
	EXPECT_EQ(0, r.ret);
	check_locked_out(_metadata, e->edu, at);
	EXPECT_EQ(0, edu_detach(e->edu));
}

TEST_F(edu, memory_off)
{
	uint32_t *at = self->e.bar + SIZE / 4;
	struct edu_env *e = &self->e;
	uint32_t data[LEN / 4];

	ASSERT_EQ(0, edu_import(e->edu, e->buf, 0));
	write_words(at, LEN, 75);
	ASSERT_EQ(0, vfio_memory_enable(&e->env.dev, false));
	memset(data, 0, sizeof(data));
	EXPECT_EQ(-ESTALE, edu_copy_from(e->edu, 0, data, LEN, 0));
	EXPECT_EQ(0, edu_copy_from(e->edu, 0, data, LEN, TEST_EDU_RAW));
	EXPECT_EQ(0, same(data, LEN, 75));
	ASSERT_EQ(0, vfio_memory_enable(&e->env.dev, true));
	/* The memory is on again, but nobody has mapped it. */
	check_locked_out(_metadata, e->edu, at);
	ASSERT_EQ(0, edu_map(e->edu, EDU_BOTH));
	check_let_in(_metadata, e->edu, at);
	EXPECT_EQ(0, edu_release(e->edu));
}

/* The direction that it is mapped for is the only one that it works in. */
TEST_F(edu, direction)
{
	uint32_t *at = self->e.bar + SIZE / 4;
	struct edu_env *e = &self->e;
	uint32_t data[LEN / 4];

	ASSERT_EQ(0, edu_attach(e->edu, e->buf, 0));
	ASSERT_EQ(0, edu_map(e->edu, EDU_READS));
	write_words(at, LEN, 11);
	memset(data, 0, sizeof(data));
	EXPECT_EQ(0, edu_copy_from(e->edu, 0, data, LEN, 0));
	EXPECT_EQ(LEN / 4, same(data, LEN, 11));
	write_words(data, LEN, 12);
	EXPECT_EQ(0, edu_copy_to(e->edu, 0, data, LEN, 0));
	EXPECT_EQ(LEN / 4, same(at, LEN, 11));
	EXPECT_EQ(0, edu_unmap(e->edu));

	ASSERT_EQ(0, edu_map(e->edu, EDU_WRITES));
	EXPECT_EQ(0, edu_copy_to(e->edu, 0, data, LEN, 0));
	EXPECT_EQ(LEN / 4, same(at, LEN, 12));
	EXPECT_EQ(0, edu_release(e->edu));
}

/* The device fd is closed: nobody is left who could have the memory. */
TEST_F(edu, closed)
{
	struct edu_env *e = &self->e;
	size_t bar_size = vfio_bar_size(&e->env.dev, variant->bar);
	uint32_t data[LEN / 4];

	write_words(e->map, LEN, 75);
	ASSERT_EQ(0, edu_import(e->edu, e->buf, 0));
	close(e->env.dev.fd);
	e->env.dev.fd = -1;
	/* The mapping of the BAR still holds it. */
	memset(data, 0, sizeof(data));
	EXPECT_EQ(0, edu_copy_from(e->edu, 0, data, LEN, 0));
	EXPECT_EQ(LEN / 4, same(data, LEN, 75));
	ASSERT_EQ(0, munmap(e->bar, bar_size));
	EXPECT_EQ(-ESTALE, edu_copy_from(e->edu, 0, data, LEN, 0));
	memset(data, 0, sizeof(data));
	EXPECT_EQ(0, edu_copy_from(e->edu, 0, data, LEN, TEST_EDU_RAW));
	EXPECT_EQ(0, same(data, LEN, 75));
	EXPECT_EQ(-ENODEV, edu_map(e->edu, EDU_BOTH));
	EXPECT_EQ(0, edu_detach(e->edu));
}

FIXTURE(reset) {
	struct edu_env e;
};

FIXTURE_SETUP(reset)
{
	edu_env_setup(_metadata, &self->e, VFIO_MEMORY, 2);
}

FIXTURE_TEARDOWN(reset)
{
	edu_env_teardown(_metadata, &self->e);
}

TEST_F(reset, maps_again)
{
	uint32_t *at = self->e.bar + SIZE / 4;
	struct edu_env *e = &self->e;
	struct vfio_dev *dev = &e->env.dev;
	int i;

	ASSERT_EQ(0, edu_import(e->edu, e->buf, 0));
	for (i = 0; i < 2; i++) {
		check_let_in(_metadata, e->edu, at);
		ASSERT_EQ(0, i ? vfio_sysfs_poke(dev->bdf, "reset") :
				 vfio_reset(dev));
		ASSERT_EQ(0, vfio_memory_enable(dev, true));
		check_locked_out(_metadata, e->edu, at);
		ASSERT_EQ(0, edu_map(e->edu, EDU_BOTH));
	}
	check_let_in(_metadata, e->edu, at);
	EXPECT_EQ(0, edu_release(e->edu));
}

/* A copy that runs when REVOKE comes is over before it. */
TEST_F(reset, revoke_while_it_copies)
{
	struct edu_env *e = &self->e;
	struct revoker r = { .e = e };
	uint32_t data[TEST_EDU_MAX_COPY / 4];
	int ret;

	write_words(e->map, TEST_EDU_MAX_COPY, 21);
	ASSERT_EQ(0, edu_import(e->edu, e->buf, 0));
	ASSERT_EQ(0, pthread_create(&r.thread, NULL, revoker_run, &r));
	memset(data, 0, sizeof(data));
	/* either all of it, or it came too late */
	ret = edu_copy_from(e->edu, 0, data, TEST_EDU_MAX_COPY, 0);
	EXPECT_EQ(ret ? 0 : TEST_EDU_MAX_COPY / 4,
		  same(data, TEST_EDU_MAX_COPY, 21));
	EXPECT_TRUE(ret == 0 || ret == -ESTALE);
	pthread_join(r.thread, NULL);
	EXPECT_EQ(0, r.ret);
	EXPECT_EQ(0, edu_mapped(e->edu));
	EXPECT_EQ(0, edu_detach(e->edu));
}

TEST_HARNESS_MAIN

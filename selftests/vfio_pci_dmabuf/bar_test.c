// SPDX-License-Identifier: GPL-2.0-only
/*
 * bar_mmap=dmabuf: mappings of the device fd behave as slices do, and in all
 * else as those of stock vfio-pci.
 */
#include <dirent.h>

#include "bar_env.h"
#include "events.h"

#define SEED	0x01000000U
#define PAGES	256U

FIXTURE(bar) {
	struct stage s;
	struct vfio_dev *dev;
	uint32_t *bar;
	size_t pages;
};

FIXTURE_VARIANT(bar) {
	enum vfio_role role;
	int bar;
	size_t pages;	/* of memory */
};

FIXTURE_VARIANT_ADD(bar, memory) { .role = VFIO_MEMORY, .bar = 2, .pages = PAGES };
FIXTURE_VARIANT_ADD(bar, gpu) { .role = VFIO_GPU, .bar = 4, .pages = 1 };

static void start(struct __test_metadata *_metadata, FIXTURE_DATA(bar) *self,
		  const FIXTURE_VARIANT(bar) *variant, const char *driver)
{
	self->dev = &self->s.env.dev;
	self->pages = variant->pages;
	vfio_env_setup(_metadata, &self->s.env, variant->role, driver);
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	self->bar = bar_map_aligned(self->dev, variant->bar, 0,
				    self->pages * PAGE, PAGE);
	ASSERT_NE(MAP_FAILED, self->bar);
	ASSERT_TRUE(fill(self->bar, self->pages, SEED));
}

FIXTURE_SETUP(bar)
{
	ASSERT_EQ(0, bar_mmap_load());
	start(_metadata, self, variant, VFIO_OURS);
	ASSERT_TRUE(info_of(self->dev, -1).out_features &
		    VFIO_DMABUF_FEATURE_BIT_BAR_MMAP);
}

FIXTURE_TEARDOWN(bar)
{
	stage_teardown(_metadata, &self->s);
}

/* Of the mapping that begins at @p: its name, and the offset in the file */
static bool map_line(const void *p, char *name, size_t size,
		     unsigned long long *pgoff)
{
	char line[512], *slash;
	unsigned long start;
	bool found = false;
	FILE *f = fopen("/proc/self/maps", "re");

	while (f && !found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%*x %*s %llx", &start, pgoff) != 2 ||
		    start != (unsigned long)p)
			continue;
		found = true;
		line[strcspn(line, "\n")] = '\0';
		slash = strchr(line, '/');
		snprintf(name, size, "%s", slash ? slash : "");
	}
	if (f)
		fclose(f);
	return found;
}

static void vfio_name(const char *bdf, char *name, size_t size)
{
	struct dirent *de;
	char path[128];
	DIR *dir;

	*name = '\0';
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(path);
	while (dir && (de = readdir(dir)))
		if (de->d_name[0] != '.')
			snprintf(name, size, "%.60s", de->d_name);
	if (dir)
		closedir(dir);
}

TEST_F(bar, name_and_offset)
{
	char device[64], want[128], name[128] = "";
	off_t at = region_offset(self->dev, variant->bar);
	unsigned long long pgoff = 0;
	void *p;

	vfio_name(self->dev->bdf, device, sizeof(device));
	ASSERT_EQ(0, strncmp(device, "vfio", 4));
	snprintf(want, sizeof(want), "/dmabuf:%s:%s/%d", device,
		 self->dev->bdf, variant->bar);
	ASSERT_TRUE(map_line(self->bar, name, sizeof(name), &pgoff));
	EXPECT_STREQ(want, name);
	EXPECT_EQ(at, pgoff);
	/* from the middle of the BAR, if it has one */
	if (vfio_bar_size(self->dev, variant->bar) <= 2 * PAGE)
		return;
	p = bar_map_aligned(self->dev, variant->bar, 2 * PAGE, PAGE, PAGE);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_TRUE(map_line(p, name, sizeof(name), &pgoff));
	EXPECT_STREQ(want, name);
	EXPECT_EQ(at + 2 * PAGE, pgoff);
}

TEST_F(bar, offset_within)
{
	size_t i, pages = self->pages;
	struct view v;
	uint32_t *p;

	ASSERT_EQ(0, view_open(&v, self->dev, variant->bar, 0, pages * PAGE,
			       PAGE));
	EXPECT_EQ(0, differ(v.p, pages, SEED));
	for (i = 0; i < pages; i += 17) {
		p = bar_map_aligned(self->dev, variant->bar, i * PAGE, PAGE,
				    PAGE);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(0, differ(p, 1, SEED + i));
		EXPECT_TRUE(try_write32(p, SEED + 5000 + i));
		EXPECT_EQ(0, differ(page_of(v.p, i), 1, SEED + 5000 + i));
		munmap(p, PAGE);
	}
}

/* A mapping that can only be read, and one that is made writable later */
TEST_F(bar, protection)
{
	size_t size = self->pages * PAGE;
	uint32_t *p = map_aligned(self->dev->fd, size,
				  region_offset(self->dev, variant->bar),
				  PROT_READ, PAGE);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, differ(p, self->pages, SEED));
	pid = stage_fork(&self->s);
	if (pid == 0) {
		__atomic_store_n(p, 0, __ATOMIC_RELAXED);
		_exit(0);
	}
	EXPECT_EQ(256 + SIGSEGV, stage_reap(&self->s, pid, 20000));
	EXPECT_EQ(0, mprotect(p, size, PROT_READ | PROT_WRITE));
	EXPECT_TRUE(fill(p, self->pages, 2 * SEED));
	EXPECT_EQ(0, differ(self->bar, self->pages, 2 * SEED));
}

TEST_F(bar, memory_off_and_on)
{
	size_t pages = self->pages;
	uint32_t *late;
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, vfio_memory_enable(self->dev, false));
		EXPECT_EQ(pages, touch(self->bar, pages));
		late = bar_map_aligned(self->dev, variant->bar, 0, PAGE, PAGE);
		ASSERT_NE(MAP_FAILED, late);
		EXPECT_EQ(1, touch(late, 1));
		ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
		EXPECT_EQ(0, differ(self->bar, pages, SEED));
		EXPECT_EQ(0, differ(late, 1, SEED));
		munmap(late, PAGE);
	}
}

/* Better than stock: also a reset by sysfs takes the entries away. */
TEST_F(bar, waits_through_resets)
{
	uint64_t waits = info_of(self->dev, -1).out_waits;
	/* The GPU's contents do not survive. */
	uint32_t seed = self->pages > 1 ? SEED : 0;
	static struct toucher t[3];
	int i, resets;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, stage_touch(&self->s, &t[i], self->bar,
					 self->pages, seed));
	for (resets = 0; resets < 12; resets++) {
		ASSERT_EQ(0, resets % 2 ?
			  vfio_sysfs_poke(self->dev->bdf, "reset") :
			  vfio_reset(self->dev));
		for (i = 0; i < 3; i++)
			EXPECT_TRUE(toucher_moves(&t[i]));
	}
	stage_stop(&self->s);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, t[i].bus);
		EXPECT_EQ(0, t[i].wrong);
	}
	EXPECT_LT(waits, info_of(self->dev, -1).out_waits);
}

/* A mapping holds the device, so that slices live on without any fd of it. */
TEST_F(bar, keeps_the_device_open)
{
	uint32_t *more[50];
	struct view v;
	char bdf[16];
	int i;

	memcpy(bdf, self->dev->bdf, sizeof(bdf));
	ASSERT_EQ(0, view_open(&v, self->dev, variant->bar, 0, PAGE, PAGE));
	for (i = 0; i < 50; i++) {
		more[i] = bar_map_aligned(self->dev, variant->bar, 0, PAGE,
					  PAGE);
		ASSERT_NE(MAP_FAILED, more[i]);
		EXPECT_TRUE(i % 2 || !differ(more[i], 1, SEED));
	}
	vfio_close(self->dev);
	EXPECT_EQ(0, differ(self->bar, self->pages, SEED));
	EXPECT_EQ(0, differ(v.p, 1, SEED));
	ASSERT_EQ(0, munmap(self->bar, self->pages * PAGE));
	for (i = 0; i < 49; i++) {
		ASSERT_EQ(0, munmap(more[i], PAGE));
		EXPECT_EQ(0, differ(v.p, 1, SEED));
	}
	EXPECT_EQ(0, differ(more[49], 1, SEED));
	ASSERT_EQ(0, munmap(more[49], PAGE));
	EXPECT_EQ(1, touch(v.p, 1));
	EXPECT_EQ(MAP_FAILED, map_aligned(v.fd, PAGE, 0, PROT_READ, PAGE));
	EXPECT_EQ(ENODEV, errno);
	/* Does not block. */
	EXPECT_EQ(0, vfio_unbind(bdf));
	EXPECT_EQ(0, vfio_bind(bdf, VFIO_OURS));
}

/* Pieces of one mapping, and one that a child has inherited */
TEST_F(bar, is_kept_by_pieces_and_children)
{
	struct view v;
	uint32_t *p;
	pid_t pid;

	if (vfio_bar_size(self->dev, variant->bar) < 4 * PAGE)
		SKIP(return, "the BAR has no four pages");
	ASSERT_EQ(0, view_open(&v, self->dev, variant->bar, 0, PAGE, PAGE));
	ASSERT_EQ(0, munmap(self->bar, self->pages * PAGE));
	p = bar_map_aligned(self->dev, variant->bar, 0, 4 * PAGE, PAGE);
	ASSERT_NE(MAP_FAILED, p);
	vfio_close(self->dev);
	/* the middle, then the beginning */
	ASSERT_EQ(0, munmap(page_of(p, 1), 2 * PAGE));
	EXPECT_EQ(0, touch(v.p, 1));
	ASSERT_EQ(0, munmap(p, PAGE));
	EXPECT_EQ(0, touch(v.p, 1));
	p = page_of(p, 3);
	pid = stage_fork(&self->s);
	ASSERT_LE(0, pid);
	if (pid == 0)
		for (;;)
			pause();
	ASSERT_EQ(0, munmap(p, PAGE));
	EXPECT_EQ(0, touch(v.p, 1));
	kill(pid, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, stage_reap(&self->s, pid, 20000));
	EXPECT_EQ(1, touch(v.p, 1));
}

/* What a program sees that does the same with either driver */
struct outcome {
	int plain, read_only, private, beyond, behind, rom, config, odd;
	int reopen;
	long faults, faults_odd;
};

static int map_errno(const struct vfio_dev *dev, int region, size_t size,
		     off_t offset, int flags, int prot)
{
	void *p = mmap(NULL, size, prot, flags, dev->fd,
		       region_offset(dev, region) + offset);

	if (p == MAP_FAILED)
		return errno;
	munmap(p, size);
	return 0;
}

static long map_faults(const struct vfio_dev *dev, int bar, size_t pages,
		       size_t at)
{
	char *p = bar_map_aligned(dev, bar, at, pages * PAGE, HUGE);
	long faults = thread_faults();

	if (p == MAP_FAILED || touch((uint32_t *)p, pages))
		return -1;
	faults = thread_faults() - faults;
	munmap(p, pages * PAGE);
	return faults;
}

static struct outcome try_all(FIXTURE_DATA(bar) *self, int bar)
{
	int both = PROT_READ | PROT_WRITE, shared = MAP_SHARED;
	size_t size = vfio_bar_size(self->dev, bar);
	struct vfio_dev *dev = self->dev, again;
	struct outcome o = {};

	o.plain = map_errno(dev, bar, size, 0, shared, both);
	o.read_only = map_errno(dev, bar, PAGE, 0, shared, PROT_READ);
	o.private = map_errno(dev, bar, PAGE, 0, MAP_PRIVATE, PROT_READ);
	o.beyond = map_errno(dev, bar, size + PAGE, 0, shared, both);
	o.behind = map_errno(dev, bar, PAGE, size, shared, both);
	o.rom = map_errno(dev, VFIO_PCI_ROM_REGION_INDEX, PAGE, 0, shared,
			  PROT_READ);
	o.config = map_errno(dev, VFIO_PCI_CONFIG_REGION_INDEX, PAGE, 0,
			     shared, both);
	o.odd = map_errno(dev, bar, 1, 0, shared, both);
	if (self->pages > 1) {
		o.faults = map_faults(dev, bar, MIB(16) / PAGE, 0);
		o.faults_odd = map_faults(dev, bar, MIB(1) / PAGE, PAGE);
	}
	/* The mapping of the set-up keeps it open. */
	vfio_close(dev);
	o.reopen = vfio_open(&again, dev->bdf, NULL);
	if (!o.reopen)
		vfio_close(&again);
	return o;
}

TEST_F(bar, is_as_stock)
{
	struct outcome ours = try_all(self, variant->bar), stocks;

	unmap_named(UNMAP_SLICES);
	ASSERT_EQ(0, vfio_unbind(self->dev->bdf));
	start(_metadata, self, variant, VFIO_STOCK);
	stocks = try_all(self, variant->bar);

	EXPECT_EQ(0, ours.plain);
	EXPECT_EQ(0, ours.read_only);
	EXPECT_EQ(EINVAL, ours.private);
	EXPECT_EQ(EINVAL, ours.beyond);
	EXPECT_EQ(EINVAL, ours.behind);
	EXPECT_EQ(EINVAL, ours.rom);
	EXPECT_EQ(EINVAL, ours.config);
	EXPECT_EQ(stocks.plain, ours.plain);
	EXPECT_EQ(stocks.read_only, ours.read_only);
	EXPECT_EQ(stocks.private, ours.private);
	EXPECT_EQ(stocks.beyond, ours.beyond);
	EXPECT_EQ(stocks.behind, ours.behind);
	EXPECT_EQ(stocks.rom, ours.rom);
	EXPECT_EQ(stocks.config, ours.config);
	EXPECT_EQ(stocks.odd, ours.odd);
	EXPECT_EQ(stocks.reopen, ours.reopen);
	TH_LOG("faults: %ld and %ld, stock %ld and %ld", ours.faults,
	       ours.faults_odd, stocks.faults, stocks.faults_odd);
	/* Before 6.12 stock fills a mapping at once, and we 2 MiB of it. */
	EXPECT_GE(kernel_at_least(6, 12) ? stocks.faults + 2 : 8 + 3,
		  ours.faults);
	EXPECT_GE(kernel_at_least(6, 12) ? stocks.faults_odd + 2 : 1 + 3,
		  ours.faults_odd);
}

/* Registers, and memory that is not prefetchable */
TEST_F(bar, other_bars)
{
	struct vfio_dev *second = &self->s.second;
	uint16_t *dispi;
	uint32_t *edu;

	ASSERT_EQ(0, vfio_start(second, VFIO_BOCHS, VFIO_OURS));
	ASSERT_EQ(0, vfio_memory_enable(second, true));
	/* 4 KiB, which cannot be mapped where pages are larger */
	dispi = vfio_bar_map(second, 2, PROT_READ | PROT_WRITE);
	EXPECT_EQ(vfio_bar_size(second, 2) < PAGE, dispi == MAP_FAILED);
	EXPECT_TRUE(dispi == MAP_FAILED ||
		    (dispi[0x500 / 2] & 0xfff0) == 0xb0c0);
	ASSERT_EQ(0, vfio_memory_enable(second, false));
	EXPECT_TRUE(dispi == MAP_FAILED || touch((uint32_t *)dispi, 1) == 1);
	/* The other device's has not noticed. */
	EXPECT_EQ(0, differ(self->bar, self->pages, SEED));
	unmap_named("/dmabuf:vfio");
	vfio_stop(second);
	self->bar = NULL;

	ASSERT_EQ(0, vfio_start(second, VFIO_EDU, VFIO_OURS));
	ASSERT_EQ(0, vfio_memory_enable(second, true));
	edu = vfio_bar_map(second, 0, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, edu);
	EXPECT_TRUE(try_write32(edu + 1, 0x12345678));
	EXPECT_EQ(~0x12345678U, edu[1]);
}

TEST_HARNESS_MAIN

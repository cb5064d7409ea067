// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes to configuration space: those that can turn memory off or reset the
 * function take all entries away, whatever their size and place; others none.
 */
#include "events.h"

#include <linux/pci_regs.h>

#define SEED	0x10000000U
#define AGAIN	0x20000000U

/* Of VFIO_IVSHMEM's memory, as the host has it */
#define HOST_FILE	"/run/vm/ivshmem"

FIXTURE(config) {
	struct stage s;
	struct view a;
	uint64_t zaps, faults;
};

FIXTURE_VARIANT(config) {
	enum vfio_role role;
	int bar;
};

FIXTURE_VARIANT_ADD(config, ivshmem) { .role = VFIO_IVSHMEM, .bar = 2 };
FIXTURE_VARIANT_ADD(config, bochs) { .role = VFIO_BOCHS, .bar = 0 };
FIXTURE_VARIANT_ADD(config, gpu) { .role = VFIO_GPU, .bar = 4 };

FIXTURE_SETUP(config)
{
	struct vfio_dev *dev = &self->s.env.dev;

	vfio_env_setup(_metadata, &self->s.env, variant->role, VFIO_OURS);
	ASSERT_EQ(0, vfio_memory_enable(dev, true));
	ASSERT_EQ(0, view_open(&self->a, dev, variant->bar, 0, PAGE, PAGE));
	ASSERT_TRUE(fill(self->a.p, 1, SEED));
	self->faults = faults_of(dev, self->a.fd);
	ASSERT_EQ(1, self->faults);
	self->zaps = zaps_of(dev);
}

FIXTURE_TEARDOWN(config)
{
	stage_teardown(_metadata, &self->s);
}

/* Writes back what is there, with bits of COMMAND changed. */
static int rewrite(const struct vfio_dev *dev, off_t pos, size_t len,
		   uint8_t set, uint8_t clear)
{
	uint8_t buf[16];

	if (vfio_config_read(dev, pos, buf, len) != (ssize_t)len)
		return -EIO;
	if (pos <= PCI_COMMAND && pos + (off_t)len > PCI_COMMAND) {
		buf[PCI_COMMAND - pos] |= set;
		buf[PCI_COMMAND - pos] &= ~clear;
	}
	return vfio_config_write(dev, pos, buf, len) == (ssize_t)len ? 0 :
								      -EIO;
}

/* Turned off and on by writes of all kinds that hit the bit */
TEST_F(config, memory_off_and_on)
{
	static const struct {
		off_t pos;
		size_t len;
	} writes[] = {
		{ PCI_COMMAND, 2 }, { PCI_COMMAND, 1 }, { PCI_COMMAND, 4 },
		{ 0, 8 }, { 2, 4 }, { 3, 2 }, { 4, 8 },
	};
	struct vfio_dev *dev = &self->s.env.dev;
	uint64_t faults = self->faults;
	uint32_t *late;
	int i;

	for (i = 0; i < (int)ARRAY_SIZE(writes); i++) {
		off_t pos = writes[i].pos;
		size_t len = writes[i].len;

		self->zaps = zaps_of(dev);
		ASSERT_EQ(0, rewrite(dev, pos, len, 0, PCI_COMMAND_MEMORY));
		EXPECT_EQ(self->zaps + 1, zaps_of(dev)) TH_LOG("write %d", i);
		EXPECT_EQ(VFIO_DMABUF_STATE_OFF,
			  info_of(dev, self->a.fd).out_state);
		EXPECT_EQ(1, touch(self->a.p, 1)) TH_LOG("write %d", i);
		/* It can be mapped, but not used. */
		late = map_aligned(self->a.fd, PAGE, 0, PROT_READ, PAGE);
		ASSERT_NE(MAP_FAILED, late);
		EXPECT_EQ(1, touch(late, 1));
		EXPECT_EQ(faults, faults_of(dev, self->a.fd));

		ASSERT_EQ(0, rewrite(dev, pos, len, PCI_COMMAND_MEMORY, 0));
		EXPECT_EQ(self->zaps + 2, zaps_of(dev)) TH_LOG("write %d", i);
		EXPECT_EQ(VFIO_DMABUF_STATE_ON,
			  info_of(dev, self->a.fd).out_state);
		EXPECT_EQ(0, differ(self->a.p, 1, SEED));
		EXPECT_EQ(0, differ(late, 1, SEED));
		faults += 2;
		EXPECT_EQ(faults, faults_of(dev, self->a.fd));
		munmap(late, PAGE);
	}
}

/* Turned on twice and off twice is off. */
TEST_F(config, memory_is_a_bit_not_a_count)
{
	struct vfio_dev *dev = &self->s.env.dev;

	ASSERT_EQ(0, vfio_memory_enable(dev, true));
	EXPECT_EQ(0, differ(self->a.p, 1, SEED));
	ASSERT_EQ(0, vfio_memory_enable(dev, false));
	ASSERT_EQ(0, vfio_memory_enable(dev, false));
	EXPECT_EQ(1, touch(self->a.p, 1));
	ASSERT_EQ(0, vfio_memory_enable(dev, true));
	EXPECT_EQ(0, differ(self->a.p, 1, SEED));
}

/* The upper byte: entries go, and come again at once. */
TEST_F(config, other_half_of_command)
{
	struct vfio_dev *dev = &self->s.env.dev;

	ASSERT_EQ(0, rewrite(dev, PCI_COMMAND + 1, 1, 0, 0));
	EXPECT_EQ(self->zaps + 1, zaps_of(dev));
	EXPECT_EQ(0, differ(self->a.p, 1, SEED));
	EXPECT_EQ(self->faults + 1, faults_of(dev, self->a.fd));
}

/* Right before and behind COMMAND, and elsewhere */
TEST_F(config, harmless_writes)
{
	static const struct {
		off_t pos;
		size_t len;
	} writes[] = {
		{ PCI_VENDOR_ID, 4 }, { PCI_DEVICE_ID, 2 }, { 3, 1 },
		{ PCI_STATUS, 2 }, { PCI_STATUS, 1 }, { PCI_CACHE_LINE_SIZE, 1 },
		{ PCI_LATENCY_TIMER, 1 }, { PCI_BASE_ADDRESS_0, 4 },
		{ PCI_BASE_ADDRESS_5, 4 }, { PCI_INTERRUPT_LINE, 1 },
		{ PCI_INTERRUPT_LINE, 4 }, { 6, 16 },
	};
	struct vfio_dev *dev = &self->s.env.dev;
	int i;

	for (i = 0; i < (int)ARRAY_SIZE(writes); i++) {
		ASSERT_EQ(0, rewrite(dev, writes[i].pos, writes[i].len, 0, 0));
		EXPECT_EQ(self->zaps, zaps_of(dev)) TH_LOG("write %d", i);
	}
	EXPECT_EQ(0, differ(self->a.p, 1, SEED));
	EXPECT_EQ(self->faults, faults_of(dev, self->a.fd));
}

/* A write that is refused leaves everything as it is. */
TEST_F(config, bad_buffer)
{
	struct vfio_dev *dev = &self->s.env.dev;
	void *none = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	ASSERT_NE(MAP_FAILED, none);
	EXPECT_EQ(-EFAULT, vfio_config_write(dev, PCI_COMMAND, none, 2));
	EXPECT_EQ(VFIO_DMABUF_STATE_ON, info_of(dev, self->a.fd).out_state);
	EXPECT_EQ(0, differ(self->a.p, 1, SEED));
	ASSERT_EQ(0, vfio_memory_enable(dev, false));
	EXPECT_EQ(1, touch(self->a.p, 1));
	ASSERT_EQ(0, vfio_memory_enable(dev, true));
	EXPECT_EQ(0, differ(self->a.p, 1, SEED));
}

/* The host writes to the memory while the guest cannot. */
TEST(changed_while_off)
{
	uint32_t value = AGAIN;
	struct stage s = {};
	struct view a;
	int file;

	vfio_env_setup(_metadata, &s.env, VFIO_IVSHMEM, VFIO_OURS);
	file = open(HOST_FILE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, file);
	ASSERT_EQ(0, vfio_memory_enable(&s.env.dev, true));
	ASSERT_EQ(0, view_open(&a, &s.env.dev, 2, 0, PAGE, PAGE));
	EXPECT_TRUE(fill(a.p, 1, SEED));
	ASSERT_EQ(0, vfio_memory_enable(&s.env.dev, false));
	EXPECT_EQ(1, touch(a.p, 1));
	EXPECT_EQ((ssize_t)sizeof(value),
		  pwrite(file, &value, sizeof(value), 0));
	EXPECT_EQ(1, touch(a.p, 1));
	ASSERT_EQ(0, vfio_memory_enable(&s.env.dev, true));
	EXPECT_EQ(0, differ(a.p, 1, AGAIN));
	stage_teardown(_metadata, &s);
}

/* FLR by the bit in configuration space, as a guest's driver does it */

FIXTURE(flr) {
	struct stage s;
	struct view a;
};

FIXTURE_SETUP(flr)
{
	vfio_env_setup(_metadata, &self->s.env, VFIO_GPU, VFIO_OURS);
	ASSERT_EQ(0, vfio_memory_enable(&self->s.env.dev, true));
	ASSERT_EQ(0, view_open(&self->a, &self->s.env.dev, 4, 0,
			       GPU_PAGES * PAGE, PAGE));
	ASSERT_EQ(0, touch(self->a.p, GPU_PAGES));
}

FIXTURE_TEARDOWN(flr)
{
	stage_teardown(_metadata, &self->s);
}

TEST_F(flr, by_config_write)
{
	struct vfio_dev *dev = &self->s.env.dev;
	uint64_t zaps = zaps_of(dev), faults = faults_of(dev, self->a.fd);

	ASSERT_EQ(0, vfio_flr_by_config(dev));
	EXPECT_LT(zaps, zaps_of(dev));
	EXPECT_EQ(VFIO_DMABUF_STATE_ON, info_of(dev, self->a.fd).out_state);
	EXPECT_EQ(0, touch(self->a.p, GPU_PAGES));
	EXPECT_EQ(2 * faults, faults_of(dev, self->a.fd));
	EXPECT_TRUE(fill(self->a.p, 1, SEED));
	EXPECT_EQ(0, differ(self->a.p, 1, SEED));
}

/* Which bytes of the capabilities matter */
TEST_F(flr, bytes_of_capabilities)
{
	struct vfio_dev *dev = &self->s.env.dev;
	uint8_t exp = vfio_capability(dev, PCI_CAP_ID_EXP);
	uint8_t pm = vfio_capability(dev, PCI_CAP_ID_PM);
	uint64_t zaps = zaps_of(dev), faults = faults_of(dev, self->a.fd);

	ASSERT_NE(0, exp);
	ASSERT_NE(0, pm);
	ASSERT_EQ(0, rewrite(dev, exp + PCI_EXP_DEVCAP, 4, 0, 0));
	ASSERT_EQ(0, rewrite(dev, exp + PCI_EXP_LNKCTL, 2, 0, 0));
	ASSERT_EQ(0, rewrite(dev, pm + PCI_PM_PMC, 2, 0, 0));
	EXPECT_EQ(zaps, zaps_of(dev));
	EXPECT_EQ(0, touch(self->a.p, GPU_PAGES));
	EXPECT_EQ(faults, faults_of(dev, self->a.fd));

	ASSERT_EQ(0, rewrite(dev, exp + PCI_EXP_DEVCTL + 1, 1, 0, 0));
	EXPECT_EQ(zaps + 1, zaps_of(dev));
	ASSERT_EQ(0, rewrite(dev, exp + PCI_EXP_DEVCTL, 2, 0, 0));
	EXPECT_EQ(zaps + 2, zaps_of(dev));
	ASSERT_EQ(0, rewrite(dev, pm + PCI_PM_CTRL, 2, 0, 0));
	EXPECT_EQ(zaps + 3, zaps_of(dev));
	EXPECT_EQ(0, touch(self->a.p, GPU_PAGES));
	EXPECT_EQ(2 * faults, faults_of(dev, self->a.fd));
}

TEST_HARNESS_MAIN

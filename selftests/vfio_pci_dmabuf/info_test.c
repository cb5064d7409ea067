// SPDX-License-Identifier: GPL-2.0-only
/* INFO, MEMATTR and PROBE: what is told of a slice, and what it is called. */
#include <linux/dma-buf.h>

#include "vfio_env.h"

#include "param_util.h"
#include "slice_util.h"

#define BAR	0
#define SIZE	MIB(4)

FIXTURE(info) {
	struct vfio_env env;
	struct vfio_dev *dev;
	int fd;			/* a slice */
	struct vfio_dmabuf_info was;	/* of the device, before it */
};

FIXTURE_SETUP(info)
{
	vfio_env_setup(_metadata, &self->env, VFIO_BOCHS, VFIO_OURS);
	self->dev = &self->env.dev;
	ASSERT_EQ(0, vfio_info(self->dev, -1, &self->was));
	self->fd = vfio_export(self->dev, BAR, MIB(2), SIZE, O_RDWR);
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(info)
{
	EXPECT_EQ(0, param_set(VFIO_OURS, "write_combine", "prefetchable"));
	unmap_all();
	vfio_env_teardown(_metadata, &self->env);
}

/* All that is told of the device only, with nothing of a slice */
TEST_F(info, of_the_device)
{
	const struct vfio_dmabuf_info *was = &self->was;
	const uint32_t known = VFIO_DMABUF_FEATURE_BIT_WC |
			       VFIO_DMABUF_FEATURE_BIT_HUGE;

	EXPECT_EQ(VFIO_DMABUF_VERSION, was->out_version);
	EXPECT_EQ(0, was->out_features & ~known);
	EXPECT_EQ(kernel_maps_huge() ? VFIO_DMABUF_FEATURE_BIT_HUGE : 0,
		  was->out_features & VFIO_DMABUF_FEATURE_BIT_HUGE);
	EXPECT_NE(0, was->out_features & VFIO_DMABUF_FEATURE_BIT_WC);
	EXPECT_EQ(VFIO_DMABUF_ALIAS_REVOKE, was->out_revoke_alias);
	EXPECT_EQ(VFIO_DMABUF_ALIAS_MEMATTR, was->out_memattr_alias);
	EXPECT_EQ(0, was->out_slices);
	EXPECT_EQ(0, was->out_mapped);
	EXPECT_EQ(-1, was->dmabuf_fd);
	EXPECT_EQ(0, was->flags);
	EXPECT_EQ(0, was->out_state);
	EXPECT_EQ(0, was->out_memattr);
	EXPECT_EQ(0, was->out_effective);
	EXPECT_EQ(0, was->out_nr_ranges);
	EXPECT_EQ(0, was->out_size);
	EXPECT_EQ(0, was->out_slice_faults);
	EXPECT_EQ(0, was->out_importers);
	EXPECT_EQ(0, was->out_reserved);
}

/* What a step has changed since the one before, field by field */
struct step {
	uint64_t exports, revokes, zaps;
	int slices;
	uint32_t state;
};

static void expect_step(struct __test_metadata *_metadata,
			FIXTURE_DATA(info) *self, const char *name,
			struct vfio_dmabuf_info *was, struct step step)
{
	struct vfio_dmabuf_info now;

	ASSERT_EQ(0, vfio_info(self->dev, self->fd, &now));
	EXPECT_EQ(was->out_exports + step.exports, now.out_exports)
		TH_LOG("%s", name);
	EXPECT_EQ(was->out_revokes + step.revokes, now.out_revokes)
		TH_LOG("%s", name);
	EXPECT_EQ(was->out_zaps + step.zaps, now.out_zaps) TH_LOG("%s", name);
	EXPECT_EQ(was->out_slices + step.slices, now.out_slices)
		TH_LOG("%s", name);
	EXPECT_EQ(step.state, now.out_state) TH_LOG("%s", name);
	EXPECT_EQ(0, now.out_mapped) TH_LOG("%s", name);
	EXPECT_EQ(0, now.out_late) TH_LOG("%s", name);
	EXPECT_EQ(0, now.out_importers) TH_LOG("%s", name);
	EXPECT_EQ(SIZE, now.out_size) TH_LOG("%s", name);
	EXPECT_EQ(1, now.out_nr_ranges) TH_LOG("%s", name);
	EXPECT_EQ(0, now.out_reserved) TH_LOG("%s", name);
	*was = now;
}

TEST_F(info, step_by_step)
{
	struct vfio_dmabuf_info was = self->was;
	uint16_t command;
	uint8_t line;
	int other;

	expect_step(_metadata, self, "export", &was,
		    (struct step) { .exports = 1, .slices = 1 });
	other = vfio_export(self->dev, BAR, 0, PAGE, O_RDWR);
	ASSERT_GE(other, 0);
	expect_step(_metadata, self, "another", &was,
		    (struct step) { .exports = 1, .slices = 1 });
	ASSERT_EQ(0, vfio_memory_enable(self->dev, false));
	/* Off and on are a read, and a write if it changes anything. */
	expect_step(_metadata, self, "memory off", &was,
		    (struct step) { .zaps = 1,
				    .state = VFIO_DMABUF_STATE_OFF });
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	expect_step(_metadata, self, "memory on", &was,
		    (struct step) { .zaps = 1 });
	/* the same value, then a byte that has nothing to do with it */
	ASSERT_EQ(2, vfio_config_read(self->dev, 4, &command, 2));
	ASSERT_EQ(2, vfio_config_write(self->dev, 4, &command, 2));
	expect_step(_metadata, self, "command", &was,
		    (struct step) { .zaps = 1 });
	ASSERT_EQ(1, vfio_config_read(self->dev, 0x3c, &line, 1));
	ASSERT_EQ(1, vfio_config_write(self->dev, 0x3c, &line, 1));
	expect_step(_metadata, self, "interrupt line", &was,
		    (struct step) { .zaps = 0 });
	close(other);
	expect_step(_metadata, self, "close", &was,
		    (struct step) { .slices = -1 });
	ASSERT_EQ(0, vfio_revoke(self->dev, self->fd));
	expect_step(_metadata, self, "revoke", &was,
		    (struct step) { .revokes = 1, .slices = -1,
				    .state = VFIO_DMABUF_STATE_REVOKED });
	EXPECT_EQ(-EBADFD, vfio_revoke(self->dev, self->fd));
	expect_step(_metadata, self, "again", &was,
		    (struct step) { .state = VFIO_DMABUF_STATE_REVOKED });
}

TEST_F(info, faults)
{
	uint64_t faults = INFO_OF(self->dev, -1, out_faults), i, n;
	int other = vfio_export(self->dev, BAR, 0, 3 * PAGE, O_RDWR);
	char *p = slice_map(other, 3 * PAGE, RW);

	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, INFO_OF(self->dev, other, out_slice_faults));
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(alive(p + i * PAGE));
	n = INFO_OF(self->dev, other, out_slice_faults);
	/* one each, or a window at once */
	EXPECT_EQ(kernel_maps_huge() ? 3 : 1, n);
	EXPECT_EQ(faults + n, INFO_OF(self->dev, -1, out_faults));
	EXPECT_EQ(0, INFO_OF(self->dev, self->fd, out_slice_faults));
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(alive(p + i * PAGE));
	EXPECT_EQ(n, INFO_OF(self->dev, other, out_slice_faults));
	EXPECT_EQ(0, INFO_OF(self->dev, other, out_waits));
	/* Those that get SIGBUS have mapped nothing. */
	ASSERT_EQ(0, vfio_revoke(self->dev, other));
	EXPECT_FALSE(alive(p));
	EXPECT_EQ(n, INFO_OF(self->dev, other, out_slice_faults));
}

static bool fdinfo_name(int fd, char *buf, size_t size)
{
	char path[64], line[256];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		found = !strncmp(line, "name:\t", 6);
		if (found)
			snprintf(buf, size, "%.*s", (int)size - 1, line + 6);
	}
	if (f)
		fclose(f);
	return found;
}

TEST_F(info, names)
{
	int regs = vfio_export(self->dev, 2, 0, PAGE, O_RDWR);
	char want[64], got[128];
	char *p, *q;

	/* 4 KiB */
	if (vfio_bar_size(self->dev, 2) < PAGE)
		SKIP(return, "the registers are less than a page");
	p = slice_map(self->fd, SIZE, RW);
	q = slice_map(regs, PAGE, RW);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	snprintf(want, sizeof(want), "/dmabuf:vfio_pci_dmabuf:%s/0",
		 self->dev->bdf);
	ASSERT_TRUE(mapping_line(p, NULL, got, sizeof(got)));
	EXPECT_STREQ(want, got);
	ASSERT_TRUE(fdinfo_name(self->fd, got, sizeof(got)));
	EXPECT_STREQ(want + strlen("/dmabuf:"), got);
	snprintf(want, sizeof(want), "/dmabuf:vfio_pci_dmabuf:%s/2",
		 self->dev->bdf);
	ASSERT_TRUE(mapping_line(q, NULL, got, sizeof(got)));
	EXPECT_STREQ(want, got);

	ASSERT_EQ(0, ioctl(self->fd, DMA_BUF_SET_NAME_B, "client 7"));
	ASSERT_TRUE(mapping_line(p, NULL, got, sizeof(got)));
	EXPECT_STREQ("/dmabuf:client 7", got);
	ASSERT_TRUE(fdinfo_name(self->fd, got, sizeof(got)));
	EXPECT_STREQ("client 7", got);
	ASSERT_TRUE(mapping_line(q, NULL, got, sizeof(got)));
	EXPECT_STREQ(want, got);
	/* A name belongs to the slice, and stays when it is revoked. */
	ASSERT_EQ(0, vfio_revoke(self->dev, self->fd));
	ASSERT_TRUE(fdinfo_name(self->fd, got, sizeof(got)));
	EXPECT_STREQ("client 7", got);
}

static int memattr_get(const struct vfio_dev *dev, int fd)
{
	struct vfio_dmabuf_memattr arg = { .dmabuf_fd = fd, .memattr = 77 };
	int ret = vfio_feature(dev->fd, VFIO_DEVICE_FEATURE_GET |
			       VFIO_DMABUF_FEATURE_MEMATTR, &arg, sizeof(arg));

	return ret ?: (int)arg.memattr;
}

TEST_F(info, memattr)
{
	int copy = dup(self->fd), other;

	other = vfio_export(self->dev, BAR, MIB(2), SIZE, O_RDWR);
	ASSERT_GE(other, 0);
	EXPECT_EQ(VFIO_DMABUF_MEMATTR_NC, memattr_get(self->dev, self->fd));
	EXPECT_EQ(VFIO_DMABUF_MEMATTR_NC,
		  INFO_OF(self->dev, self->fd, out_effective));
	ASSERT_EQ(0, vfio_memattr(self->dev, self->fd,
				  VFIO_DMABUF_MEMATTR_WC));
	EXPECT_EQ(VFIO_DMABUF_MEMATTR_WC, memattr_get(self->dev, copy));
	EXPECT_EQ(VFIO_DMABUF_MEMATTR_WC,
		  INFO_OF(self->dev, copy, out_memattr));
	EXPECT_EQ(VFIO_DMABUF_MEMATTR_WC,
		  INFO_OF(self->dev, copy, out_effective));
	/* of this slice only */
	EXPECT_EQ(VFIO_DMABUF_MEMATTR_NC, memattr_get(self->dev, other));
	EXPECT_EQ(-ENOENT, vfio_memattr(self->dev, self->fd, 2));
	EXPECT_EQ(VFIO_DMABUF_MEMATTR_WC, memattr_get(self->dev, self->fd));
	ASSERT_EQ(0, vfio_memattr(self->dev, self->fd,
				  VFIO_DMABUF_MEMATTR_NC));
	EXPECT_EQ(VFIO_DMABUF_MEMATTR_NC, memattr_get(self->dev, self->fd));
	EXPECT_EQ(VFIO_DMABUF_MEMATTR_NC,
		  INFO_OF(self->dev, self->fd, out_effective));
}

/* Both attributes see the same memory. */
TEST_F(info, memattr_and_contents)
{
	char *nc = slice_map(self->fd, SIZE, RW), *wc;

	ASSERT_NE(MAP_FAILED, nc);
	ASSERT_EQ(0, vfio_memattr(self->dev, self->fd,
				  VFIO_DMABUF_MEMATTR_WC));
	wc = slice_map(self->fd, SIZE, RW);
	ASSERT_NE(MAP_FAILED, wc);
	fill(nc, 0, SIZE, 1);
	EXPECT_EQ(0, differs(wc, 0, SIZE, 1));
	fill(wc, 0, SIZE, 2);
	__sync_synchronize();
	EXPECT_EQ(0, differs(nc, 0, SIZE, 2));
	ASSERT_EQ(0, vfio_revoke(self->dev, self->fd));
	EXPECT_FALSE(alive(nc));
	EXPECT_FALSE(alive(wc));
	EXPECT_FALSE(alive(wc + SIZE - PAGE));
}

/* Registers do not like it, unless somebody knows better. */
TEST_F(info, write_combine)
{
	int regs = vfio_export(self->dev, 2, 0, PAGE, O_RDWR);

	/* 4 KiB */
	if (vfio_bar_size(self->dev, 2) < PAGE)
		SKIP(return, "the registers are less than a page");
	ASSERT_GE(regs, 0);
	EXPECT_EQ(-EOPNOTSUPP, vfio_memattr(self->dev, regs,
					    VFIO_DMABUF_MEMATTR_WC));
	EXPECT_EQ(VFIO_DMABUF_MEMATTR_NC, memattr_get(self->dev, regs));
	EXPECT_EQ(0, vfio_memattr(self->dev, regs, VFIO_DMABUF_MEMATTR_NC));
	ASSERT_EQ(0, param_set(VFIO_OURS, "write_combine", "all"));
	EXPECT_EQ(0, vfio_memattr(self->dev, regs, VFIO_DMABUF_MEMATTR_WC));
	EXPECT_EQ(VFIO_DMABUF_MEMATTR_WC, memattr_get(self->dev, regs));
	ASSERT_EQ(0, param_set(VFIO_OURS, "write_combine", "off"));
	EXPECT_EQ(-EOPNOTSUPP, vfio_memattr(self->dev, self->fd,
					    VFIO_DMABUF_MEMATTR_WC));
	EXPECT_EQ(0, INFO_OF(self->dev, -1, out_features) &
		  VFIO_DMABUF_FEATURE_BIT_WC);
	EXPECT_EQ(-EINVAL, param_set(VFIO_OURS, "write_combine", "sometimes"));
	ASSERT_EQ(0, param_set(VFIO_OURS, "write_combine", "prefetchable"));
	EXPECT_EQ(0, vfio_memattr(self->dev, self->fd,
				  VFIO_DMABUF_MEMATTR_WC));
}

TEST_F(info, aliases)
{
	const uint32_t set_revoke = VFIO_DEVICE_FEATURE_SET |
				    VFIO_DMABUF_ALIAS_REVOKE;
	const uint32_t set_memattr = VFIO_DEVICE_FEATURE_SET |
				     VFIO_DMABUF_ALIAS_MEMATTR;
	struct vfio_dmabuf_memattr attr = { self->fd, VFIO_DMABUF_MEMATTR_WC };
	int other = vfio_export(self->dev, BAR, 0, PAGE, O_RDWR);
	char *p = slice_map(self->fd, SIZE, RW), *q;

	q = slice_map(other, PAGE, RW);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	EXPECT_EQ(0, vfio_feature(self->dev->fd, set_memattr, &attr,
				  sizeof(attr)));
	EXPECT_EQ(VFIO_DMABUF_MEMATTR_WC, memattr_get(self->dev, self->fd));
	attr.memattr = 2;
	EXPECT_EQ(-ENOENT, vfio_feature(self->dev->fd, set_memattr, &attr,
					sizeof(attr)));
	EXPECT_TRUE(alive(p));
	EXPECT_EQ(0, vfio_feature(self->dev->fd, set_revoke, &self->fd,
				  sizeof(self->fd)));
	EXPECT_FALSE(alive(p));
	/* a payload of REVOKE's size is a REVOKE */
	EXPECT_TRUE(alive(q));
	EXPECT_EQ(0, vfio_feature(self->dev->fd, set_memattr, &other,
				  sizeof(other)));
	EXPECT_FALSE(alive(q));
	EXPECT_EQ(-EBADFD, vfio_feature(self->dev->fd, set_memattr, &other,
					sizeof(other)));
	EXPECT_EQ(self->was.out_revokes + 2,
		  INFO_OF(self->dev, -1, out_revokes));
}

#define GET	VFIO_DEVICE_FEATURE_GET
#define SET	VFIO_DEVICE_FEATURE_SET

/* Which of nothing, GET, SET and both a feature may be asked for */
static const struct {
	uint32_t feature;
	int want[4];
} probes[] = {
	{ VFIO_DEVICE_FEATURE_DMA_BUF, { 0, 0, -EINVAL, -EINVAL } },
	{ VFIO_DMABUF_FEATURE_INFO, { 0, 0, -EINVAL, -EINVAL } },
	{ VFIO_DMABUF_FEATURE_REVOKE, { 0, -EINVAL, 0, -EINVAL } },
	{ VFIO_DMABUF_FEATURE_MEMATTR, { 0, 0, 0, 0 } },
};

TEST_F(info, probe)
{
	static const uint32_t ops[] = { 0, GET, SET, GET | SET };
	struct vfio_dmabuf_info was, now;
	size_t i, j;

	ASSERT_EQ(0, vfio_info(self->dev, self->fd, &was));
	for (i = 0; i < ARRAY_SIZE(probes); i++)
		for (j = 0; j < ARRAY_SIZE(ops); j++)
			EXPECT_EQ(probes[i].want[j],
				  vfio_probe(self->dev->fd, ops[j] |
					     probes[i].feature))
				TH_LOG("feature %#x, operation %zu",
				       probes[i].feature, j);
	EXPECT_EQ(0, vfio_probe(self->dev->fd, SET |
				VFIO_DMABUF_ALIAS_REVOKE));
	EXPECT_EQ(0, vfio_probe(self->dev->fd, SET |
				VFIO_DMABUF_ALIAS_MEMATTR));
	ASSERT_EQ(0, vfio_info(self->dev, self->fd, &now));
	EXPECT_EQ(0, memcmp(&was, &now, sizeof(was)));
}

TEST_HARNESS_MAIN

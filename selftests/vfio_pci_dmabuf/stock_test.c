// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a user of vfio-pci finds, finds and does, written down line by line,
 * once bound to vfio-pci and once to vfio_pci_dmabuf: the two are the same.
 */
#include <stdarg.h>
#include <sys/eventfd.h>

#include "vfio_env.h"

#include "slice_util.h"
#include "syncobj_util.h"

#define LINES	2048

struct notes {
	int count;
	char line[LINES][96];
};

FIXTURE(stock) {
	struct vfio_env env;
	struct notes *notes[2];
};

FIXTURE_VARIANT(stock) {
	enum vfio_role role;
	int bar;	/* one that can be mapped */
};

FIXTURE_VARIANT_ADD(stock, bochs) { VFIO_BOCHS, 0 };
FIXTURE_VARIANT_ADD(stock, bochs_registers) { VFIO_BOCHS, 2 };
FIXTURE_VARIANT_ADD(stock, big) { VFIO_BIG, 2 };
FIXTURE_VARIANT_ADD(stock, gpu) { VFIO_GPU, 4 };
FIXTURE_VARIANT_ADD(stock, edu) { VFIO_EDU, 0 };

static void note(struct notes *n, const char *format, ...)
{
	va_list ap;

	if (n->count == LINES)
		return;
	va_start(ap, format);
	vsnprintf(n->line[n->count++], sizeof(n->line[0]), format, ap);
	va_end(ap);
}

FIXTURE_SETUP(stock)
{
	int i;

	for (i = 0; i < 2; i++) {
		self->notes[i] = calloc(1, sizeof(*self->notes[i]));
		ASSERT_NE(NULL, self->notes[i]);
	}
	vfio_env_setup(_metadata, &self->env, variant->role, VFIO_STOCK);
}

FIXTURE_TEARDOWN(stock)
{
	unmap_all();
	vfio_env_teardown(_metadata, &self->env);
}

typedef void checks(struct notes *n, const struct vfio_dev *dev, int bar);

/* At least so many lines, or nothing was looked at. */
static void compare(struct __test_metadata *_metadata,
		    FIXTURE_DATA(stock) *self, int bar, checks *fn, int least)
{
	struct vfio_dev *dev = &self->env.dev;
	char name[32];
	int i;

	ASSERT_EQ(0, vfio_driver(dev->bdf, name, sizeof(name)));
	ASSERT_STREQ(VFIO_STOCK, name);
	fn(self->notes[0], dev, bar);
	unmap_all();
	vfio_close(dev);
	ASSERT_EQ(0, vfio_bind(dev->bdf, VFIO_OURS));
	ASSERT_EQ(0, vfio_open(dev, dev->bdf, NULL));
	ASSERT_EQ(0, vfio_driver(dev->bdf, name, sizeof(name)));
	ASSERT_STREQ(VFIO_OURS, name);
	fn(self->notes[1], dev, bar);
	unmap_all();

	EXPECT_LE(least, self->notes[0]->count);
	EXPECT_GT(LINES, self->notes[0]->count);
	EXPECT_EQ(self->notes[0]->count, self->notes[1]->count);
	for (i = 0; i < self->notes[0]->count; i++)
		EXPECT_STREQ(self->notes[0]->line[i], self->notes[1]->line[i]);
}

static long try_ioctl(int fd, unsigned long request, void *arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

static void see_regions(struct notes *n, const struct vfio_dev *dev, int bar)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	union {
		struct vfio_region_info info;
		uint32_t words[1024];
	} region;
	struct vfio_irq_info irq;
	uint32_t i, j;
	long ret;

	(void)bar;
	ret = try_ioctl(dev->fd, VFIO_DEVICE_GET_INFO, &info);
	note(n, "info %ld: argsz %u flags %#x regions %u irqs %u caps %u",
	     ret, info.argsz, info.flags, info.num_regions, info.num_irqs,
	     info.cap_offset);
	for (i = 0; i <= info.num_regions + 1; i++) {
		memset(&region, 0, sizeof(region));
		region.info.argsz = sizeof(region);
		region.info.index = i;
		ret = try_ioctl(dev->fd, VFIO_DEVICE_GET_REGION_INFO, &region);
		note(n, "region %u %ld: flags %#x caps %#x", i, ret,
		     region.info.flags, region.info.cap_offset);
		note(n, "region %u: size %llx offset %llx argsz %u", i,
		     region.info.size, region.info.offset, region.info.argsz);
		for (j = 0; region.info.cap_offset && j < 64; j++)
			note(n, "region %u: word %u %#x", i, j,
			     region.words[j]);
	}
	for (i = 0; i <= info.num_irqs + 1; i++) {
		memset(&irq, 0, sizeof(irq));
		irq.argsz = sizeof(irq);
		irq.index = i;
		ret = try_ioctl(dev->fd, VFIO_DEVICE_GET_IRQ_INFO, &irq);
		note(n, "irq %u %ld: flags %#x count %u", i, ret, irq.flags,
		     irq.count);
	}
	note(n, "unknown ioctl %ld",
	     try_ioctl(dev->fd, _IO(VFIO_TYPE, VFIO_BASE + 99), &info));
	note(n, "short info %ld", try_ioctl(dev->fd, VFIO_DEVICE_GET_INFO,
					    &(uint32_t) { 4 }));
}

TEST_F(stock, regions)
{
	compare(_metadata, self, variant->bar, see_regions, 25);
}

/* All that can be read, and what becomes of what is written */
static void see_config(struct notes *n, const struct vfio_dev *dev, int bar)
{
	static const uint8_t places[] = {
		0x00, 0x04, 0x05, 0x06, 0x0c, 0x0d, 0x10, 0x11, 0x13, 0x14,
		0x2c, 0x30, 0x3c, 0x3d, 0x3e, 0xff,
	};
	uint8_t byte, old, all = 0xff, saved[4096];
	uint32_t i, bars, ones = UINT32_MAX;
	ssize_t ret;

	(void)bar;
	ret = vfio_config_read(dev, 0, saved, 256);
	note(n, "header %zd", ret);
	for (i = 0; i < 256; i++)
		note(n, "config %#x: %#x", i, saved[i]);
	ret = vfio_config_read(dev, 256, saved, 4096 - 256);
	note(n, "extended %zd", ret);
	for (i = 0; ret > 0 && i < 256; i++)
		note(n, "config %#x: %#x", 256 + i, saved[i]);
	for (i = 0; i < ARRAY_SIZE(places); i++) {
		vfio_config_read(dev, places[i], &old, 1);
		ret = vfio_config_write(dev, places[i], &all, 1);
		byte = 0;
		vfio_config_read(dev, places[i], &byte, 1);
		note(n, "write %#x: %zd, %#x", places[i], ret, byte);
		vfio_config_write(dev, places[i], &old, 1);
	}
	/* the size of a BAR, as an operating system finds it */
	for (i = 0; i < 6; i++) {
		vfio_config_read(dev, 0x10 + 4 * i, &bars, 4);
		vfio_config_write(dev, 0x10 + 4 * i, &ones, 4);
		vfio_config_read(dev, 0x10 + 4 * i, &ones, 4);
		note(n, "BAR%u: %#x, %#x", i, bars, ones);
		vfio_config_write(dev, 0x10 + 4 * i, &bars, 4);
		ones = UINT32_MAX;
	}
	note(n, "beyond %zd", vfio_config_write(dev, 4096, &byte, 1));
	for (i = 1; i <= 8; i *= 2)
		note(n, "%u at 0xfe: %zd", i,
		     vfio_config_read(dev, 0xfe, saved, i));
}

TEST_F(stock, config)
{
	compare(_metadata, self, variant->bar, see_config, 256 + 22);
}

static void see_bars(struct notes *n, const struct vfio_dev *dev, int bar)
{
	size_t size = vfio_bar_size(dev, bar);
	off_t off = region_offset(dev, bar);
	char *p = vfio_bar_map(dev, bar, RW);
	uint32_t value = 0;

	note(n, "BAR%d: %zu, %d", bar, size, p == MAP_FAILED);
	if (p == MAP_FAILED)
		return;
	note(n, "read %d", alive(p));
	note(n, "last word %d", try_read32(p + size - 4, &value));
	note(n, "pread %zd", pread(dev->fd, &value, 4, off));
	note(n, "the same: %d", value == get32(p));
	note(n, "write %d", try_write32(p, 0x5a5a0001));
	note(n, "it holds %#x", get32(p));
	note(n, "pread beyond %zd", pread(dev->fd, &value, 4, off + size));
	note(n, "private %d", try_map(dev->fd, PAGE, RW, MAP_PRIVATE, off));
	note(n, "beyond %d", try_map(dev->fd, PAGE, RW, MAP_SHARED,
				     off + size));
	note(n, "config space %d",
	     try_map(dev->fd, PAGE, RW, MAP_SHARED,
		     region_offset(dev, VFIO_PCI_CONFIG_REGION_INDEX)));
	note(n, "read only %d", try_map(dev->fd, PAGE, PROT_READ, MAP_SHARED,
					off));

	note(n, "off %d", vfio_memory_enable(dev, false));
	note(n, "read %d", alive(p));
	note(n, "write %d", try_write32(p, 1));
	note(n, "pread %zd", pread(dev->fd, &value, 4, off));
	note(n, "mmap %d", try_map(dev->fd, PAGE, RW, MAP_SHARED, off));
	note(n, "on %d", vfio_memory_enable(dev, true));
	note(n, "read %d", try_read32(p, &value));
	note(n, "it holds %#x", value);
	note(n, "unmapped %d", munmap(p, size));
}

TEST_F(stock, bars)
{
	if (vfio_bar_size(&self->env.dev, variant->bar) < PAGE)
		SKIP(return, "the registers are less than a page");
	compare(_metadata, self, variant->bar, see_bars, 18);
}

/* All numbers but ours, with each operation that may be asked about */
static void see_features(struct notes *n, const struct vfio_dev *dev, int bar)
{
	static const uint32_t ops[] = {
		0, VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_SET,
		VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET,
	};
	static const uint32_t more[] = {
		0xff, 0x100, 0x7fff, 0xfcff, 0xfd03, 0xfe00, 0xffff,
		1U << 19, 1U << 25, 1U << 31,
	};
	uint32_t i, j, feature, payload[64];

	(void)bar;
	for (i = 0; i < 40 + ARRAY_SIZE(more); i++) {
		feature = i < 40 ? i : more[i - 40];
		if (feature == VFIO_DEVICE_FEATURE_DMA_BUF)
			continue;
		for (j = 0; j < ARRAY_SIZE(ops); j++) {
			/* The series' numbers are ours for SET. */
			if ((feature == 13 || feature == 14) && (j & 2 || !j))
				continue;
			note(n, "probe %#x, %u: %d", feature, j,
			     vfio_probe(dev->fd, feature | ops[j]));
		}
		/* GET, for which the kernel or the device has no answer */
		if (feature < 3 || (feature > 5 && feature < 9))
			continue;
		memset(payload, 0, sizeof(payload));
		note(n, "get %#x: %d", feature,
		     vfio_feature(dev->fd, feature | ops[1], payload,
				  sizeof(payload)));
	}
}

TEST_F(stock, features)
{
	compare(_metadata, self, variant->bar, see_features, 190);
}

static void see_resets(struct notes *n, const struct vfio_dev *dev, int bar)
{
	char *p = vfio_bar_map(dev, bar, RW);
	uint8_t config[64];
	int i;

	note(n, "mapped %d, read %d", p != MAP_FAILED, alive(p));
	note(n, "reset %d", vfio_reset(dev));
	note(n, "read %d", alive(p));
	note(n, "hot reset %d", vfio_hot_reset(dev));
	note(n, "read %d", alive(p));
	note(n, "FLR %d", vfio_flr_by_config(dev));
	note(n, "read %d", alive(p));
	note(n, "D3 %d", vfio_power_state(dev, 3));
	note(n, "read %d", alive(p));
	note(n, "D0 %d", vfio_power_state(dev, 0));
	note(n, "read %d", alive(p));
	note(n, "low power %d", vfio_low_power(dev, true));
	note(n, "read %d", alive(p));
	note(n, "left %d", vfio_low_power(dev, false));
	note(n, "read %d", alive(p));
	vfio_config_read(dev, 0, config, sizeof(config));
	for (i = 0; i < (int)sizeof(config); i++)
		note(n, "config %#x: %#x", i, config[i]);
}

TEST_F(stock, resets)
{
	if (vfio_bar_size(&self->env.dev, variant->bar) < PAGE)
		SKIP(return, "the registers are less than a page");
	compare(_metadata, self, variant->bar, see_resets, 15 + 64);
}

static long set_irqs(const struct vfio_dev *dev, uint32_t index,
		     uint32_t flags, uint32_t count, int fd)
{
	struct {
		struct vfio_irq_set set;
		int32_t fd;
	} arg = {
		.set = {
			.argsz = sizeof(arg.set) +
				 (flags & VFIO_IRQ_SET_DATA_EVENTFD ? 4 : 0),
			.flags = flags,
			.index = index,
			.count = count,
		},
		.fd = fd,
	};

	return try_ioctl(dev->fd, VFIO_DEVICE_SET_IRQS, &arg);
}

#define TRIGGER	VFIO_IRQ_SET_ACTION_TRIGGER
#define NONE	VFIO_IRQ_SET_DATA_NONE

/* Each kind with an eventfd, fired by hand; config space shows it is on. */
static void see_interrupts(struct notes *n, const struct vfio_dev *dev,
			   int bar)
{
	struct vfio_device_ioeventfd io = {
		.argsz = sizeof(io),
		.flags = VFIO_DEVICE_IOEVENTFD_32,
		.offset = region_offset(dev, bar) + 4,
		.data = 0x12345678,
		.fd = eventfd(0, EFD_CLOEXEC),
	};
	int efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t one = 1, count;
	int64_t end;
	uint32_t i, value = 0;

	for (i = 0; i <= VFIO_PCI_REQ_IRQ_INDEX + 1; i++) {
		note(n, "irq %u: set %ld", i,
		     set_irqs(dev, i, VFIO_IRQ_SET_DATA_EVENTFD | TRIGGER, 1,
			      efd));
		note(n, "irq %u: fire %ld", i,
		     set_irqs(dev, i, NONE | TRIGGER, 1, -1));
		if (read(efd, &count, sizeof(count)) != sizeof(count))
			count = 0;
		note(n, "irq %u: %d", i, (int)count);
		note(n, "irq %u: mask %ld", i,
		     set_irqs(dev, i, NONE | VFIO_IRQ_SET_ACTION_MASK, 1, -1));
		note(n, "irq %u: unmask %ld", i,
		     set_irqs(dev, i, NONE | VFIO_IRQ_SET_ACTION_UNMASK, 1,
			      -1));
		note(n, "irq %u: off %ld", i,
		     set_irqs(dev, i, NONE | TRIGGER, 0, -1));
		note(n, "irq %u: fire %ld", i,
		     set_irqs(dev, i, NONE | TRIGGER, 1, -1));
	}
	note(n, "ioeventfd %ld", try_ioctl(dev->fd, VFIO_DEVICE_IOEVENTFD,
					   &io));
	note(n, "again %ld", try_ioctl(dev->fd, VFIO_DEVICE_IOEVENTFD, &io));
	note(n, "kick %zd", write(io.fd, &one, sizeof(one)));
	/* Registers make of it what they like; always the same. */
	end = in_ms(2000);
	do {
		pread(dev->fd, &value, 4, io.offset);
		sleep_ms(1);
	} while (value != 0x12345678 && value != ~0x12345678U &&
		 now_ns() < end);
	note(n, "it holds %#x", value);
	close(io.fd);
	io.fd = -1;
	note(n, "off %ld", try_ioctl(dev->fd, VFIO_DEVICE_IOEVENTFD, &io));
	close(efd);
}

TEST_F(stock, interrupts)
{
	compare(_metadata, self, variant->bar, see_interrupts, 6 * 7 + 4);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errors of the link (AER), which the machine's monitor injects. Of one that is
 * not fatal the user is told, and slices go on working. Of a fatal one the kernel
 * recovers by a reset of the bus, after which nobody restores the function:
 * slices give SIGBUS from before that reset until the user has turned memory on
 * again.
 */
#include <poll.h>
#include <sys/eventfd.h>

#include "events.h"

#include <linux/pci_regs.h>

#include "qmp_util.h"

#define BAR	4
#define SIZE	KIB(16)
#define PAGES	(SIZE / PAGE)
#define SEED	0x01000000U
/* Of the other device */
#define OTHER	64U

/* How long an error may take to arrive, on a machine that is busy */
#define PATIENCE	60000

/* QEMU's names; how severe they are is as after a reset of the device. */
#define CORRECTABLE	"RCVR"
#define NON_FATAL	"COMP_TIME"
#define FATAL		"DLP"

/* 0 if QEMU has sent it */
static int inject(int qmp, const char *error)
{
	char line[64], answer[512];
	int ret;

	snprintf(line, sizeof(line), "pcie_aer_inject_error gpu0 %s", error);
	ret = qmp_human(qmp, line, answer, sizeof(answer));
	if (ret || strstr(answer, "OK id: gpu0"))
		return ret;
	fprintf(stderr, "# %s: %s\n", line, answer);
	return -EREMOTEIO;
}

/* The sum of aer_dev_correctable or _nonfatal; -1 if it cannot be read */
static long errors_of(const struct vfio_dev *dev, const char *kind)
{
	char path[128], name[64];
	long count, total = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/aer_dev_%s",
		 dev->bdf, kind);
	f = fopen(path, "re");
	while (f && fscanf(f, "%63s %ld", name, &count) == 2)
		if (!strncmp(name, "TOTAL_", 6))
			total = count;
	if (f)
		fclose(f);
	return total;
}

static bool errors_reach(const struct vfio_dev *dev, const char *kind,
			 long want)
{
	int64_t end = in_ms(PATIENCE);

	while (errors_of(dev, kind) < want && now_ns() < end)
		sleep_ms(5);
	return errors_of(dev, kind) == want;
}

/* The kernel says so when the last driver has been told. */
static bool recovered(int kmsg)
{
	return kmsg_tells(kmsg, "device recovery successful", PATIENCE);
}

/* A function whose link has failed is not asked what it was; its port counts. */
static long fatal_errors(const struct vfio_dev *dev)
{
	char count[32];

	if (vfio_sysfs_read(dev->bdf, "../aer_rootport_total_err_fatal", count, sizeof(count)))
		return -1;
	return strtol(count, NULL, 10);
}

/* How often it was told until now; waits for the first time if @wait */
static uint64_t told(int fd, bool wait)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	uint64_t count = 0;

	if (poll(&poll_fd, 1, wait ? PATIENCE : 0) == 1 &&
	    read(fd, &count, sizeof(count)) != sizeof(count))
		return -1;
	return count;
}

/* What the function itself has, which VFIO does not hide */
static uint16_t command_of(const struct vfio_dev *dev)
{
	uint16_t command = 0;

	vfio_config_read(dev, PCI_COMMAND, &command, sizeof(command));
	return command;
}

FIXTURE(aer) {
	struct stage s;
	struct vfio_dev *dev, *other;
	struct view a, b;	/* of the one, of the other */
	uint32_t *bar;		/* stock's mapping */
	int qmp, event, kmsg;
	long errors;		/* those that are fatal */
	uint64_t zaps, faults, zaps_b, faults_b;
};

FIXTURE_SETUP(aer)
{
	self->dev = &self->s.env.dev;
	self->other = &self->s.second;
	vfio_env_setup(_metadata, &self->s.env, VFIO_GPU, VFIO_OURS);
	ASSERT_EQ(0, vfio_start(self->other, VFIO_MEMORY, VFIO_OURS));
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	ASSERT_EQ(0, vfio_memory_enable(self->other, true));
	ASSERT_EQ(0, view_open(&self->a, self->dev, BAR, 0, SIZE, PAGE));
	ASSERT_EQ(0, view_open(&self->b, self->other, 2, 0, OTHER * PAGE,
			       PAGE));
	self->bar = vfio_bar_map(self->dev, BAR, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->bar);
	/* Only the first page of the GPU keeps what is written to it. */
	ASSERT_TRUE(fill(self->bar, 1, SEED));
	ASSERT_EQ(0, differ(self->a.p, 1, SEED));
	ASSERT_EQ(0, touch(self->a.p, PAGES));
	ASSERT_TRUE(fill(self->b.p, OTHER, 2 * SEED));
	self->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ASSERT_LE(0, self->event);
	ASSERT_EQ(0, vfio_irq_eventfd(self->dev, VFIO_PCI_ERR_IRQ_INDEX, self->event));
	self->qmp = qmp_open();
	ASSERT_LE(0, self->qmp);
	self->kmsg = kmsg_start();
	self->errors = fatal_errors(self->dev);
	ASSERT_LE(0, self->errors) TH_LOG("the kernel does not handle AER");
	self->zaps = zaps_of(self->dev);
	self->faults = faults_of(self->dev, self->a.fd);
	self->zaps_b = zaps_of(self->other);
	self->faults_b = faults_of(self->other, self->b.fd);
	ASSERT_LT(0, self->faults);
}

FIXTURE_TEARDOWN(aer)
{
	/* Whatever has happened to the one, the other has not noticed. */
	EXPECT_EQ(0, differ(self->b.p, OTHER, 2 * SEED));
	EXPECT_EQ(self->zaps_b, zaps_of(self->other));
	EXPECT_EQ(self->faults_b, faults_of(self->other, self->b.fd));
	EXPECT_EQ(VFIO_DMABUF_STATE_ON,
		  info_of(self->other, self->b.fd).out_state);
	stage_teardown(_metadata, &self->s);
}

/* Nothing has changed. */
static void works_on(struct __test_metadata *_metadata, FIXTURE_DATA(aer) *self)
{
	EXPECT_EQ(self->zaps, zaps_of(self->dev));
	EXPECT_EQ(VFIO_DMABUF_STATE_ON,
		  info_of(self->dev, self->a.fd).out_state);
	EXPECT_EQ(0, touch(self->a.p, PAGES));
	EXPECT_EQ(0, differ(self->a.p, 1, SEED));
	EXPECT_EQ(self->faults, faults_of(self->dev, self->a.fd));
	EXPECT_EQ(self->errors, fatal_errors(self->dev));
}

/* No access, by a mapping from before or by a new one, and no waiting */
static void is_off(struct __test_metadata *_metadata, FIXTURE_DATA(aer) *self)
{
	uint64_t faults = faults_of(self->dev, self->a.fd);
	uint64_t waits = info_of(self->dev, -1).out_waits;
	uint32_t *late;

	EXPECT_EQ(VFIO_DMABUF_STATE_OFF,
		  info_of(self->dev, self->a.fd).out_state);
	EXPECT_EQ(PAGES, touch(self->a.p, PAGES));
	EXPECT_FALSE(fill(self->a.p, 1, SEED));
	late = map_aligned(self->a.fd, SIZE, 0, PROT_READ, PAGE);
	ASSERT_NE(MAP_FAILED, late);
	EXPECT_EQ(PAGES, touch(late, PAGES));
	munmap(late, SIZE);
	EXPECT_EQ(faults, faults_of(self->dev, self->a.fd));
	EXPECT_EQ(waits, info_of(self->dev, -1).out_waits);
}

/* What is written by the one mapping is read by the other. */
static void is_on(struct __test_metadata *_metadata, FIXTURE_DATA(aer) *self)
{
	EXPECT_EQ(VFIO_DMABUF_STATE_ON,
		  info_of(self->dev, self->a.fd).out_state);
	EXPECT_EQ(0, touch(self->a.p, PAGES));
	EXPECT_TRUE(fill(self->bar, 1, 3 * SEED));
	EXPECT_EQ(0, differ(self->a.p, 1, 3 * SEED));
	EXPECT_TRUE(fill(self->a.p, 1, 4 * SEED));
	EXPECT_EQ(0, differ(self->bar, 1, 4 * SEED));
}

static void break_it(struct __test_metadata *_metadata, FIXTURE_DATA(aer) *self)
{
	ASSERT_EQ(0, inject(self->qmp, FATAL));
	ASSERT_EQ(1, told(self->event, true));
	/* That came after the slices had gone. */
	EXPECT_EQ(self->zaps + 1, zaps_of(self->dev));
	is_off(_metadata, self);
	ASSERT_TRUE(recovered(self->kmsg));
	EXPECT_EQ(self->errors + 1, fatal_errors(self->dev));
	/* The bus was reset. */
	EXPECT_EQ(0, command_of(self->dev) & PCI_COMMAND_MEMORY);
	is_off(_metadata, self);
	EXPECT_EQ(0, told(self->event, false));
	EXPECT_EQ(self->faults, faults_of(self->dev, self->a.fd));
}

TEST_F(aer, correctable)
{
	long before = errors_of(self->dev, "correctable");

	ASSERT_EQ(0, inject(self->qmp, CORRECTABLE));
	EXPECT_TRUE(errors_reach(self->dev, "correctable", before + 1));
	works_on(_metadata, self);
	EXPECT_EQ(0, told(self->event, false));
}

TEST_F(aer, non_fatal)
{
	long before = errors_of(self->dev, "nonfatal");
	static struct toucher t;
	int i;

	ASSERT_EQ(0, stage_touch(&self->s, &t, self->a.p, 1, SEED));
	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, inject(self->qmp, NON_FATAL));
		EXPECT_EQ(1, told(self->event, true));
		ASSERT_TRUE(recovered(self->kmsg));
		EXPECT_TRUE(errors_reach(self->dev, "nonfatal", before + i));
		EXPECT_TRUE(toucher_moves(&t));
	}
	stage_stop(&self->s);
	EXPECT_EQ(0, t.bus);
	EXPECT_EQ(0, t.wrong);
	works_on(_metadata, self);
}

TEST_F(aer, fatal)
{
	break_it(_metadata, self);
	/* Of the stock mapping nobody has taken anything away. */
	EXPECT_EQ(1, differ(self->bar, 1, SEED));
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	EXPECT_EQ(self->zaps + 2, zaps_of(self->dev));
	is_on(_metadata, self);
	EXPECT_EQ(2 * self->faults, faults_of(self->dev, self->a.fd));
}

/* A reset alone restores what it has found. */
TEST_F(aer, fatal_then_reset)
{
	uint64_t zaps;

	break_it(_metadata, self);
	zaps = zaps_of(self->dev);
	ASSERT_EQ(0, vfio_reset(self->dev));
	EXPECT_LT(zaps, zaps_of(self->dev));
	is_off(_metadata, self);
	ASSERT_EQ(0, vfio_sysfs_poke(self->dev->bdf, "reset"));
	is_off(_metadata, self);
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	is_on(_metadata, self);
	/* What it was before it is no more. */
	ASSERT_EQ(0, vfio_reset(self->dev));
	is_on(_metadata, self);
}

/* Writes that do not turn memory on mend nothing. */
TEST_F(aer, fatal_then_other_writes)
{
	uint16_t command = PCI_COMMAND_MASTER;
	uint8_t pm = vfio_capability(self->dev, PCI_CAP_ID_PM);

	ASSERT_NE(0, pm);
	break_it(_metadata, self);
	ASSERT_EQ(0, vfio_memory_enable(self->dev, false));
	is_off(_metadata, self);
	ASSERT_EQ(2, vfio_config_write(self->dev, PCI_COMMAND, &command, 2));
	is_off(_metadata, self);
	ASSERT_EQ(0, vfio_power_state(self->dev, 0));
	is_off(_metadata, self);
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	is_on(_metadata, self);
}

/* Whoever touches it all the time never sees what a bus without a device says. */
TEST_F(aer, fatal_while_touched)
{
	static struct toucher t[3], after;
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, stage_touch(&self->s, &t[i], self->a.p, 1, SEED));
	for (i = 0; i < 3; i++)
		EXPECT_TRUE(toucher_moves(&t[i]));
	ASSERT_EQ(0, inject(self->qmp, FATAL));
	ASSERT_EQ(1, told(self->event, true));
	ASSERT_TRUE(recovered(self->kmsg));
	is_off(_metadata, self);
	stage_stop(&self->s);
	for (i = 0; i < 3; i++) {
		EXPECT_LT(0, t[i].bus);
		EXPECT_EQ(0, t[i].wrong) TH_LOG("%d: %lu, %lu SIGBUS", i,
						t[i].good, t[i].bus);
	}
	/* What has begun in between goes on when it can. */
	ASSERT_EQ(0, stage_touch(&self->s, &after, self->a.p, PAGES, 0));
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	EXPECT_TRUE(toucher_moves(&after));
	stage_stop(&self->s);
	is_on(_metadata, self);
}

/* REVOKE and export are none of the link's. */
TEST_F(aer, fatal_and_features)
{
	struct view v;

	break_it(_metadata, self);
	ASSERT_EQ(0, view_open(&v, self->dev, BAR, 0, SIZE, PAGE));
	EXPECT_EQ(VFIO_DMABUF_STATE_OFF, info_of(self->dev, v.fd).out_state);
	EXPECT_EQ(PAGES, touch(v.p, PAGES));
	ASSERT_EQ(0, vfio_revoke(self->dev, self->a.fd));
	EXPECT_EQ(VFIO_DMABUF_STATE_REVOKED,
		  info_of(self->dev, self->a.fd).out_state);
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	EXPECT_EQ(PAGES, touch(self->a.p, PAGES));
	EXPECT_TRUE(fill(v.p, 1, 3 * SEED));
	EXPECT_EQ(0, differ(self->bar, 1, 3 * SEED));
}

/* Who opens it next has a device that works, and that can break as well. */
TEST_F(aer, closed_while_broken)
{
	char bdf[16];
	int i;

	memcpy(bdf, self->dev->bdf, sizeof(bdf));
	for (i = 0; i < 2; i++) {
		break_it(_metadata, self);
		munmap(self->bar, SIZE);
		vfio_close(self->dev);
		EXPECT_EQ(PAGES, touch(self->a.p, PAGES));
		view_close(&self->a);
		ASSERT_EQ(0, vfio_open(self->dev, bdf, NULL));
		ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
		ASSERT_EQ(0, view_open(&self->a, self->dev, BAR, 0, SIZE,
				       PAGE));
		self->bar = vfio_bar_map(self->dev, BAR,
					 PROT_READ | PROT_WRITE);
		ASSERT_NE(MAP_FAILED, self->bar);
		is_on(_metadata, self);
		ASSERT_EQ(0, vfio_irq_eventfd(self->dev, VFIO_PCI_ERR_IRQ_INDEX, self->event));
		self->errors = fatal_errors(self->dev);
		self->faults = faults_of(self->dev, self->a.fd);
		self->zaps = zaps_of(self->dev);
	}
}

/* What the user of a device sees of it who knows nothing of slices */
struct seen {
	uint64_t told_non_fatal, told_fatal;
	uint16_t command_before, command_broken, command_after;
	bool readable;	/* the mapping, while it is broken */
	uint32_t value;
	int reset, on;
	size_t differ;
};

static int see_errors(struct vfio_dev *dev, int qmp, int event, int kmsg,
		      uint32_t *bar, struct seen *seen)
{
	int ret;

	if (!fill(bar, 1, SEED))
		return -EIO;
	seen->command_before = command_of(dev);
	ret = inject(qmp, NON_FATAL);
	seen->told_non_fatal = told(event, true);
	if (ret || !recovered(kmsg) || differ(bar, 1, SEED))
		return ret ?: -EIO;
	ret = inject(qmp, FATAL);
	seen->told_fatal = told(event, true);
	if (ret || !recovered(kmsg))
		return ret ?: -ETIMEDOUT;
	seen->command_broken = command_of(dev);
	seen->readable = try_read32(bar, &seen->value);
	seen->reset = vfio_reset(dev);
	seen->on = vfio_memory_enable(dev, true);
	seen->command_after = command_of(dev);
	seen->differ = fill(bar, 1, 2 * SEED) ? differ(bar, 1, 2 * SEED) : 9;
	return 0;
}

/* What stays mapped would make the caller wait for itself when it unbinds. */
static int see(struct vfio_dev *dev, int qmp, struct seen *seen)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int kmsg = kmsg_start(), ret;
	uint32_t *bar;

	ret = vfio_memory_enable(dev, true) ?:
	      vfio_irq_eventfd(dev, VFIO_PCI_ERR_IRQ_INDEX, event);
	bar = vfio_bar_map(dev, BAR, PROT_READ | PROT_WRITE);
	if (!ret)
		ret = bar == MAP_FAILED ? -EIO :
		      see_errors(dev, qmp, event, kmsg, bar, seen);
	if (bar != MAP_FAILED)
		munmap(bar, SIZE);
	close(kmsg);
	close(event);
	return ret;
}

TEST(is_as_stock)
{
	struct seen ours = {}, stocks = {};
	struct stage s = {};
	int qmp;

	qmp = qmp_open();
	ASSERT_LE(0, qmp);
	ASSERT_EQ(0, vfio_start(&s.second, VFIO_GPU, VFIO_STOCK));
	EXPECT_EQ(0, see(&s.second, qmp, &stocks));
	vfio_stop(&s.second);
	s.second.bdf[0] = '\0';
	vfio_env_setup(_metadata, &s.env, VFIO_GPU, VFIO_OURS);
	EXPECT_EQ(0, see(&s.env.dev, qmp, &ours));

	EXPECT_EQ(1, ours.told_non_fatal);
	EXPECT_EQ(1, ours.told_fatal);
	EXPECT_NE(SEED, ours.value);
	EXPECT_EQ(0, ours.reset);
	EXPECT_EQ(0, ours.on);
	EXPECT_EQ(0, ours.differ);
	EXPECT_EQ(stocks.told_non_fatal, ours.told_non_fatal);
	EXPECT_EQ(stocks.told_fatal, ours.told_fatal);
	EXPECT_EQ(stocks.command_before, ours.command_before);
	EXPECT_EQ(stocks.command_broken, ours.command_broken);
	EXPECT_EQ(stocks.command_after, ours.command_after);
	EXPECT_EQ(stocks.readable, ours.readable);
	EXPECT_EQ(stocks.value, ours.value);
	EXPECT_EQ(stocks.reset, ours.reset);
	EXPECT_EQ(stocks.on, ours.on);
	EXPECT_EQ(stocks.differ, ours.differ);
	stage_teardown(_metadata, &s);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device is taken away while its slices are mapped: by sysfs, and by the machine's
 * monitor, as somebody pulls a card out whose slot asks first. The kernel asks the
 * user, who has all the time that he wants; slices end when he lets go, and the device
 * can come back.
 */
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "vfio_env.h"

#include "qmp_util.h"
#include "slice_util.h"
#include "syncobj_util.h"
#include "text_util.h"

#define SIZE	MIB(2)
/* A slot with an attention button takes five seconds to believe it. */
#define PATIENCE	60000

/* See scripts/lib/qemu.sh. */
#define PORT	"0000:00:13.0"

FIXTURE(unplug) {
	struct vfio_dev dev;
	char bdf[16];
	int qmp;
	int plugged;	/* the last device by the monitor: its name's number */
	int request;	/* an eventfd */
	int kmsg;
	unsigned long taint;
	pid_t remover;
};

FIXTURE_VARIANT(unplug) {
	bool monitor;
	int bar;
};

FIXTURE_VARIANT_ADD(unplug, by_sysfs) { .monitor = false, .bar = 0 };
FIXTURE_VARIANT_ADD(unplug, by_the_monitor) { .monitor = true, .bar = 2 };

static bool there(const char *bdf)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", bdf);
	return !stat(path, &st);
}

static bool becomes(const char *bdf, bool wanted)
{
	int64_t end = in_ms(PATIENCE);

	while (there(bdf) != wanted && now_ns() < end)
		sleep_ms(20);
	return there(bdf) == wanted;
}

/* What the port calls its only slot: the bus behind it, device 0 */
static bool hot_bdf(char *bdf, size_t size)
{
	char bus[16];

	if (vfio_sysfs_read(PORT, "secondary_bus_number", bus, sizeof(bus)))
		return false;
	snprintf(bdf, size, "0000:%02lx:00.0", strtoul(bus, NULL, 10) & 0xff);
	return true;
}

static int monitor(int qmp, const char *line)
{
	char answer[512] = "";
	int ret = qmp_human(qmp, line, answer, sizeof(answer));

	/* It says something only if it does not like it. */
	if (ret || !answer[0])
		return ret;
	fprintf(stderr, "# %s: %s\n", line, answer);
	return -EREMOTEIO;
}

/*
 * QEMU lets go of a device a little after the kernel, and of its memory later still:
 * the slot is taken until then, and memory that is given away twice ends QEMU.
 */
static int plug_in_by_monitor(FIXTURE_DATA(unplug) *self)
{
	int64_t end = in_ms(PATIENCE);
	char line[96];
	int ret;

	self->plugged++;
	snprintf(line, sizeof(line),
		 "object_add memory-backend-ram,id=hot_mem%d,size=16M,share=on",
		 self->plugged);
	ret = monitor(self->qmp, line);
	snprintf(line, sizeof(line),
		 "device_add ivshmem-plain,id=hot%d,memdev=hot_mem%d,bus=port3",
		 self->plugged, self->plugged);
	while (!ret) {
		ret = monitor(self->qmp, line);
		if (ret != -EREMOTEIO || now_ns() > end)
			break;
		ret = 0;
		sleep_ms(500);
	}
	return ret;
}

static int pull_out_by_monitor(int qmp, int number)
{
	char line[32];

	snprintf(line, sizeof(line), "device_del hot%d", number);
	return monitor(qmp, line);
}

static int plug_in(FIXTURE_DATA(unplug) *self, bool by_monitor)
{
	int ret = by_monitor ? plug_in_by_monitor(self) : text_write("/sys/bus/pci/rescan", "1");

	return ret ?: becomes(self->bdf, true) ? 0 : -ETIMEDOUT;
}

/* The user's side of it, in a process of its own: the write returns at the end. */
static int pull_out(FIXTURE_DATA(unplug) *self, bool by_monitor)
{
	self->remover = 0;
	if (by_monitor)
		return pull_out_by_monitor(self->qmp, self->plugged);
	self->remover = fork();
	if (self->remover == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		unmap_all();
		drop_device(&self->dev);
		close(self->request);
		_exit(vfio_sysfs_poke(self->bdf, "remove") ? 1 : 0);
	}
	return self->remover < 0 ? -errno : 0;
}

static int pulled_out(FIXTURE_DATA(unplug) *self)
{
	int status = 0;

	if (!becomes(self->bdf, false))
		return -ETIMEDOUT;
	if (self->remover && waitpid(self->remover, &status, 0) < 0)
		return -errno;
	return status;
}

/*
 * A device is in sysfs a moment before drivers may have it, and its driver's name is
 * there as soon as the kernel's own probe begins: ENODEV until then, and until VFIO has it.
 */
static int open_when_ready(FIXTURE_DATA(unplug) *self)
{
	int64_t end = in_ms(PATIENCE);
	int ret;

	do {
		ret = vfio_bind(self->bdf, VFIO_OURS) ?:
		      vfio_open(&self->dev, self->bdf, NULL);
		if (ret != -ENODEV)
			break;
		sleep_ms(20);
	} while (now_ns() < end);
	return ret;
}

static int take(FIXTURE_DATA(unplug) *self)
{
	int ret = open_when_ready(self) ?: vfio_memory_enable(&self->dev, true);

	if (ret)
		return ret;
	self->request = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return vfio_irq_eventfd(&self->dev, VFIO_PCI_REQ_IRQ_INDEX, self->request);
}

FIXTURE_SETUP(unplug)
{
	self->taint = taint_bits();
	self->kmsg = kmsg_start();
	if (!variant->monitor) {
		ASSERT_EQ(0, vfio_find(VFIO_BOCHS, self->bdf));
	} else {
		if (!access("/proc/lockdep", F_OK))
			SKIP(return, "pciehp's own order of locks would stop lockdep");
		self->qmp = qmp_open();
		ASSERT_LE(0, self->qmp);
		ASSERT_TRUE(hot_bdf(self->bdf, sizeof(self->bdf)));
		ASSERT_FALSE(there(self->bdf));
		/* The machine keeps the names of other runs in this boot. */
		self->plugged = getpid() * 10;
		ASSERT_EQ(0, plug_in(self, true));
	}
	ASSERT_EQ(0, take(self));
}

FIXTURE_TEARDOWN(unplug)
{
	static char log[65536];
	char bdf[sizeof(self->bdf)];
	int kmsg, qmp;

	memcpy(bdf, self->bdf, sizeof(bdf));
	unmap_all();
	kmsg = dup2(self->kmsg, 3);
	qmp = variant->monitor ? dup2(self->qmp, 4) : -1;
	syscall(SYS_close_range, qmp < 0 ? 4 : 5, UINT_MAX, 0);
	EXPECT_EQ(0, vfio_unbind(bdf));
	EXPECT_EQ(0, module_settle(VFIO_OURS, 0))
		TH_LOG("the module is still in use");
	if (variant->monitor) {
		EXPECT_EQ(0, pull_out_by_monitor(qmp, self->plugged));
		EXPECT_TRUE(becomes(bdf, false));
	}
	kmsg_read(kmsg, log, sizeof(log));
	EXPECT_EQ(NULL, kmsg_splat(log)) TH_LOG("%s", log);
	EXPECT_EQ(self->taint, taint_bits());
}

/* Another one, who has nothing but a mapping */
static pid_t start_client(FIXTURE_DATA(unplug) *self, char *p, int *pipes)
{
	pid_t pid;
	char byte = 0;

	if (pipe(pipes))
		return -errno;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		drop_device(&self->dev);
		close(self->request);
		signal(SIGBUS, SIG_DFL);
		fill(p, 0, PAGE, 7);
		if (write(pipes[1], &byte, 1) != 1)
			_exit(1);
		for (;;)
			get32(p);
	}
	close(pipes[1]);
	if (read(pipes[0], &byte, 1) != 1)
		return -EPIPE;
	return pid;
}

TEST_F_TIMEOUT(unplug, while_mapped, 400)
{
	struct pollfd asked = { .fd = self->request, .events = POLLIN };
	int fd, wc, fresh, status, pipes[2];
	char *p, *q, *r;
	pid_t client;

	fd = vfio_export(&self->dev, variant->bar, 0, SIZE, O_RDWR);
	wc = vfio_export(&self->dev, variant->bar, SIZE, SIZE, O_RDWR);
	ASSERT_GE(fd, 0);
	ASSERT_GE(wc, 0);
	ASSERT_EQ(0, vfio_memattr(&self->dev, wc, VFIO_DMABUF_MEMATTR_WC));
	p = slice_map(fd, SIZE, RW);
	q = slice_map(wc, SIZE, RW);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, q);
	fill(p, 0, SIZE, 1);
	fill(q, 0, PAGE, 2);
	client = start_client(self, p, pipes);
	ASSERT_LT(0, client);

	ASSERT_EQ(0, pull_out(self, variant->monitor));
	ASSERT_EQ(1, poll(&asked, 1, PATIENCE)) TH_LOG("nobody was asked");
	/* That is all: whoever has it may finish. */
	EXPECT_EQ(0, differs(p, 0, PAGE, 7));
	EXPECT_EQ(0, differs(q, 0, PAGE, 2));
	fresh = vfio_export(&self->dev, variant->bar, 0, PAGE, O_RDWR);
	EXPECT_GE(fresh, 0);
	EXPECT_EQ(0, try_map(fresh, PAGE, RW, MAP_SHARED, 0));
	EXPECT_EQ(0, waitpid(client, &status, WNOHANG));
	EXPECT_TRUE(there(self->bdf));

	vfio_close(&self->dev);
	ASSERT_EQ(client, waitpid(client, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS)
		TH_LOG("status %#x", status);
	ASSERT_EQ(0, pulled_out(self));
	EXPECT_FALSE(alive(p));
	EXPECT_FALSE(alive(p + SIZE - PAGE));
	EXPECT_FALSE(try_write32(q, 3));
	EXPECT_EQ(-ENODEV, try_map(fd, PAGE, RW, MAP_SHARED, 0));
	EXPECT_EQ(-ENODEV, try_map(fresh, PAGE, RW, MAP_SHARED, 0));
	EXPECT_EQ((off_t)SIZE, lseek(fd, 0, SEEK_END));
	/* The code stays as long as there is a slice of what is no more. */
	EXPECT_EQ(-EAGAIN, module_unload(VFIO_OURS));

	ASSERT_EQ(0, plug_in(self, variant->monitor));
	ASSERT_EQ(0, take(self));
	EXPECT_EQ(0, INFO_OF(&self->dev, -1, out_slices));
	EXPECT_FALSE(alive(p));
	EXPECT_EQ(-ENODEV, vfio_revoke(&self->dev, fd));
	close(fresh);
	fresh = vfio_export(&self->dev, variant->bar, 0, SIZE, O_RDWR);
	ASSERT_GE(fresh, 0);
	r = slice_map(fresh, SIZE, RW);
	ASSERT_NE(MAP_FAILED, r);
	fill(r, 0, SIZE, 4);
	EXPECT_EQ(0, differs(r, 0, SIZE, 4));
	EXPECT_FALSE(alive(p));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that import slices, and do not let go when they are told to: who waits
 * for them, and for how long.
 */
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <linux/dma-buf.h>

#include "importer_env.h"

#include "fence_util.h"
#include "syncobj_util.h"

/* Longest time that a reset may wait for importers, and all that it does */
#define RESET_NS	(60 * NSEC_PER_SEC)

/* Something that may not come to its end */
struct action {
	pthread_t thread;
	int (*work)(struct action *action);
	struct vfio_dev *dev;
	int buf;
	void *map;
	int ret;
	int64_t ns;
	bool done;
};

static void *action_run(void *arg)
{
	struct action *action = arg;
	int64_t start = now_ns();

	action->ret = action->work(action);
	action->ns = now_ns() - start;
	__atomic_store_n(&action->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static int action_start(struct action *action)
{
	return pthread_create(&action->thread, NULL, action_run, action);
}

/* After some time for it to end, if it does not wait. */
static bool action_waits(const struct action *action)
{
	sleep_ms(500);
	return !__atomic_load_n(&action->done, __ATOMIC_ACQUIRE);
}

static int action_join(struct action *action)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += 60;
	return pthread_timedjoin_np(action->thread, NULL, &ts) ? -ETIMEDOUT :
								 action->ret;
}

static int do_revoke(struct action *action)
{
	return vfio_revoke(action->dev, action->buf);
}

static int do_close(struct action *action)
{
	int fd = action->dev->fd;

	action->dev->fd = -1;
	return close(fd);
}

/* The last of a slice: its mapping and its fd */
static int do_drop(struct action *action)
{
	if (munmap(action->map, SIZE) || close(action->buf))
		return -errno;
	return 0;
}

/* One for it to work with */
static int slice_mapped(const struct vfio_dev *dev, struct action *action)
{
	action->buf = vfio_export(dev, BAR, 0, SIZE, O_RDWR | O_CLOEXEC);
	if (action->buf < 0)
		return action->buf;
	action->map = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, action->buf, 0);
	return action->map == MAP_FAILED ? -errno : 0;
}

static int do_touch(struct action *action)
{
	uint32_t value;

	return try_read32(action->map, &value) ? 0 : -EFAULT;
}

/* REVOKE returns when the last one has unmapped, not before. */
TEST_F(importer, revoke_waits)
{
	struct vfio_dev *dev = &self->i.env.dev;
	struct action action = {
		.work = do_revoke, .dev = dev, .buf = self->i.buf,
	};
	int first = self->i.edu, second = edu_open(), eager = edu_open();

	ASSERT_EQ(0, edu_import(first, self->i.buf, TEST_EDU_LAZY));
	ASSERT_EQ(0, edu_import(second, self->i.buf, TEST_EDU_LAZY));
	ASSERT_EQ(0, edu_import(eager, self->i.buf, 0));
	ASSERT_EQ(0, action_start(&action));
	ASSERT_TRUE(edu_told_soon(first, 0));
	EXPECT_TRUE(action_waits(&action));
	EXPECT_EQ(1, edu_told(first));
	EXPECT_EQ(1, edu_told(second));
	EXPECT_EQ(1, edu_forced(eager));
	EXPECT_EQ(2, importers(dev, self->i.buf));
	EXPECT_EQ(VFIO_DMABUF_STATE_REVOKED,
		  INFO_OF(dev, self->i.buf, out_state));
	/* for all but those who have it still */
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE, PROT_READ, MAP_SHARED,
				   self->i.buf, 0));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-ENODEV, edu_map(eager, EDU_BOTH));

	EXPECT_EQ(0, edu_unmap(first));
	EXPECT_TRUE(action_waits(&action));
	EXPECT_EQ(0, edu_unmap(second));
	EXPECT_EQ(0, action_join(&action));
	EXPECT_GE(action.ns, NSEC_PER_SEC / 2);
	EXPECT_EQ(0, importers(dev, self->i.buf));
	EXPECT_EQ(-EBADFD, vfio_revoke(dev, self->i.buf));
	EXPECT_EQ(0, edu_detach(first));
	EXPECT_EQ(0, edu_detach(second));
	EXPECT_EQ(0, edu_detach(eager));
}

/* Other things go on meanwhile. */
TEST_F(importer, revoke_waits_alone)
{
	struct vfio_dev *dev = &self->i.env.dev;
	struct action action = {
		.work = do_revoke, .dev = dev, .buf = self->i.buf,
	};
	int other, second, lazy = self->i.edu;
	uint32_t value;
	char *p;

	ASSERT_EQ(0, edu_import(lazy, self->i.buf, TEST_EDU_LAZY));
	ASSERT_EQ(0, action_start(&action));
	ASSERT_TRUE(edu_told_soon(lazy, 0));
	EXPECT_TRUE(action_waits(&action));

	second = vfio_export(dev, BAR, SIZE, SIZE, O_RDWR);
	ASSERT_GE(second, 0);
	p = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, second, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TRUE(try_read32(p, &value));
	other = edu_open();
	ASSERT_EQ(0, edu_import(other, second, 0));
	ASSERT_EQ(0, vfio_revoke(dev, second));
	EXPECT_EQ(1, edu_forced(other));
	EXPECT_EQ(0, edu_detach(other));
	EXPECT_TRUE(action_waits(&action));

	/* Closing the importer's file unmaps as well. */
	edu_close(lazy);
	EXPECT_EQ(0, action_join(&action));
}

TEST_F(importer, revoke_killed)
{
	struct vfio_dev *dev = &self->i.env.dev;
	struct action again = {
		.work = do_revoke, .dev = dev, .buf = self->i.buf,
	};
	int status, lazy = self->i.edu;
	int64_t end, told;
	pid_t pid;

	ASSERT_EQ(0, edu_import(lazy, self->i.buf, TEST_EDU_LAZY));
	pid = fork();
	ASSERT_GE(pid, 0);
	if (!pid)
		_exit(vfio_revoke(dev, self->i.buf) ? 1 : 0);
	ASSERT_TRUE(edu_told_soon(lazy, 0));
	sleep_ms(300);
	ASSERT_EQ(0, waitpid(pid, &status, WNOHANG));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	end = in_ms(10000);
	while (waitpid(pid, &status, WNOHANG) != pid) {
		ASSERT_LT(now_ns(), end) TH_LOG("it cannot be killed");
		sleep_ms(10);
	}
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

	/* revoked, but somebody still has it */
	EXPECT_EQ(VFIO_DMABUF_STATE_REVOKED,
		  INFO_OF(dev, self->i.buf, out_state));
	EXPECT_EQ(1, importers(dev, self->i.buf));
	/* Who asks once more waits as well: the answer must be true for all. */
	told = edu_told(lazy);
	ASSERT_EQ(0, action_start(&again));
	ASSERT_TRUE(edu_told_soon(lazy, told));
	EXPECT_TRUE(action_waits(&again));
	EXPECT_EQ(1, edu_mapped(lazy));
	EXPECT_EQ(0, edu_unmap(lazy));
	EXPECT_EQ(-EBADFD, action_join(&again));
	EXPECT_EQ(0, importers(dev, self->i.buf));
	EXPECT_EQ(-ENODEV, edu_map(lazy, EDU_BOTH));
	EXPECT_EQ(0, edu_detach(lazy));
}

/* Lines of the driver that are not the PCI core's */
static int lines_of(const char *log)
{
	const char *line, *end;
	int count = 0;

	for (line = log; *line; line = *end ? end + 1 : end) {
		char text[512];

		end = line + strcspn(line, "\n");
		snprintf(text, sizeof(text), "%.*s", (int)(end - line), line);
		count += strstr(text, VFIO_OURS) && !strstr(text, "resetting") &&
			 !strstr(text, "reset done") &&
			 !strstr(text, "enabling device");
	}
	return count;
}

/* A reset holds locks; it does not wait for somebody for ever, but says so. */
TEST_F(importer, reset_is_bounded)
{
	static char log[65536];
	struct vfio_dev *dev = &self->i.env.dev;
	int kmsg, lazy = self->i.edu;
	int64_t start;

	ASSERT_EQ(0, edu_import(lazy, self->i.buf, TEST_EDU_LAZY));
	kmsg = kmsg_start();
	ASSERT_GE(kmsg, 0);
	start = now_ns();
	ASSERT_EQ(0, vfio_reset(dev));
	EXPECT_LT(now_ns() - start, RESET_NS);
	EXPECT_EQ(1, edu_told(lazy));
	EXPECT_EQ(1, edu_mapped(lazy));
	EXPECT_EQ(1, importers(dev, self->i.buf));
	EXPECT_EQ(1, INFO_OF(dev, -1, out_late));
	kmsg_read(kmsg, log, sizeof(log));
	EXPECT_EQ(1, lines_of(log)) TH_LOG("%s", log);
	EXPECT_EQ(VFIO_DMABUF_STATE_ON, INFO_OF(dev, self->i.buf, out_state));

	/* Nothing is wrong with the slice. */
	EXPECT_EQ(0, edu_unmap(lazy));
	EXPECT_EQ(0, importers(dev, self->i.buf));
	ASSERT_EQ(0, vfio_memory_enable(dev, true));
	EXPECT_EQ(0, edu_map(lazy, EDU_BOTH));
	EXPECT_EQ(0, edu_unmap(lazy));
	ASSERT_EQ(0, vfio_revoke(dev, self->i.buf));
	EXPECT_EQ(0, edu_detach(lazy));
}

/* Anybody who has a slice can give it work that does not end. */
TEST_F(importer, fence)
{
	struct vfio_dev *dev = &self->i.env.dev;
	struct action action = {
		.work = do_revoke, .dev = dev, .buf = self->i.buf,
	};
	struct dma_buf_import_sync_file work = { .flags = DMA_BUF_SYNC_WRITE };
	int ctl = tf_open(), kmsg, lazy = self->i.edu;
	int64_t start;
	uint32_t id;

	ASSERT_GE(ctl, 0);
	work.fd = tf_create(ctl, 0, &id);
	ASSERT_GE(work.fd, 0);
	ASSERT_EQ(0, ioctl(self->i.buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &work));
	ASSERT_EQ(0, edu_import(lazy, self->i.buf, TEST_EDU_LAZY));
	start = now_ns();
	ASSERT_EQ(0, vfio_reset(dev));
	EXPECT_LT(now_ns() - start, RESET_NS);
	EXPECT_EQ(1, INFO_OF(dev, -1, out_late));
	ASSERT_EQ(0, vfio_memory_enable(dev, true));

	kmsg = kmsg_start();
	ASSERT_GE(kmsg, 0);
	ASSERT_EQ(0, action_start(&action));
	/* For as long as it takes, but not without a word */
	EXPECT_TRUE(kmsg_tells(kmsg, "is revoked, and another device still has it",
			       60000));
	EXPECT_TRUE(action_waits(&action));
	/* The end of the work is not that of the mapping. */
	EXPECT_EQ(0, tf_signal(ctl, id));
	EXPECT_TRUE(action_waits(&action));
	EXPECT_EQ(0, edu_unmap(lazy));
	EXPECT_EQ(0, action_join(&action));
	EXPECT_LE(10 * NSEC_PER_SEC, action.ns);
	EXPECT_EQ(0, edu_detach(lazy));
	close(work.fd);
	close(ctl);
}

/* How long, is a parameter. */
TEST_F(importer, reset_waits_as_long_as_told)
{
	static const char * const ms[] = { "200", "200", "3000" };
	struct vfio_dev *dev = &self->i.env.dev;
	int i, lazy = self->i.edu;
	int64_t took[3], start;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, param_set(VFIO_OURS, "importer_wait_ms", ms[i]));
		ASSERT_EQ(0, edu_import(lazy, self->i.buf, TEST_EDU_LAZY));
		start = now_ns();
		ASSERT_EQ(0, vfio_reset(dev));
		took[i] = now_ns() - start;
		EXPECT_EQ(i + 1, INFO_OF(dev, -1, out_late));
		EXPECT_EQ(1, edu_mapped(lazy));
		EXPECT_EQ(0, edu_release(lazy));
		ASSERT_EQ(0, vfio_memory_enable(dev, true));
	}
	/* One of the others may have been held up by something else. */
	if (took[1] < took[0])
		took[0] = took[1];
	/*
	 * Of 2.8 s: the wait counts ticks, and a guest that got no processor for
	 * a while takes the late ones all at once.
	 */
	EXPECT_LE(2 * NSEC_PER_SEC, took[2] - took[0]);
}

/* The memory must not be somebody else's before the last one has left it. */
TEST_F(importer, close_waits)
{
	struct vfio_dev *dev = &self->i.env.dev;
	struct action action = { .work = do_close, .dev = dev };
	struct action drop = { .work = do_drop };
	struct action touch = { .work = do_touch };
	int lazy = self->i.edu, eager = edu_open();
	uint32_t value;

	ASSERT_EQ(0, slice_mapped(dev, &drop));
	ASSERT_TRUE(try_read32(drop.map, &value));
	ASSERT_EQ(0, slice_mapped(dev, &touch));
	ASSERT_TRUE(try_read32(touch.map, &value));
	ASSERT_EQ(0, edu_import(lazy, self->i.buf, TEST_EDU_LAZY));
	ASSERT_EQ(0, edu_import(eager, self->i.buf, 0));
	ASSERT_EQ(0, action_start(&action));
	ASSERT_TRUE(edu_told_soon(lazy, 0));
	EXPECT_TRUE(action_waits(&action));
	EXPECT_EQ(0, edu_mapped(eager));
	EXPECT_EQ(1, edu_mapped(lazy));
	/* Nobody else waits for it: perhaps they are those who should let go. */
	ASSERT_EQ(0, action_start(&drop));
	EXPECT_EQ(0, action_join(&drop));
	ASSERT_EQ(0, action_start(&touch));
	EXPECT_EQ(-EFAULT, action_join(&touch));
	EXPECT_TRUE(action_waits(&action));
	EXPECT_EQ(0, edu_unmap(lazy));
	EXPECT_EQ(0, action_join(&action));

	EXPECT_EQ(-ENODEV, edu_map(lazy, EDU_BOTH));
	EXPECT_EQ(-ENODEV, edu_map(eager, EDU_BOTH));
	EXPECT_EQ(0, edu_detach(lazy));
	EXPECT_EQ(0, edu_detach(eager));
	EXPECT_EQ(-ENODEV, edu_attach(eager, self->i.buf, 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SIZE, PROT_READ, MAP_SHARED,
				   self->i.buf, 0));
	EXPECT_EQ(ENODEV, errno);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A primary that has the device gives a part of the frame buffer to a client
 * that has nothing else. What the client draws is on the screen; what it has
 * no longer it cannot touch, and nothing else is disturbed.
 */
#include <sys/socket.h>

#include "events.h"

#include "qmp_util.h"

#define WIDTH	640U
#define HEIGHT	480U
#define PIXELS	(WIDTH * HEIGHT)
#define SCREEN	(PIXELS * sizeof(uint32_t))	/* 300 pages */
/* Behind the screen */
#define SPARE	MIB(4)
#define PAGES	64U
#define SEED	0x01000000U
/* How often a client tries what it may no longer */
#define TRIES	500U

#define SCREEN_ID	"bochs0"

/*
 * bochs-display's registers, 16 bits each, in BAR2. It has 4 KiB, and cannot be mapped
 * where pages are larger.
 */
#define DISPI		0x500

enum dispi {
	DISPI_ID, DISPI_XRES, DISPI_YRES, DISPI_BPP, DISPI_ENABLE, DISPI_BANK,
	DISPI_VIRT_WIDTH, DISPI_VIRT_HEIGHT, DISPI_X_OFFSET, DISPI_Y_OFFSET
};

#define DISPI_ENABLED	1
#define DISPI_LFB	0x40

/* What primary and client tell each other; of both */
struct desk {
	unsigned long pictures;	/* drawn so far */
	bool gone;		/* revoke has returned */
	bool stale;		/* worked nevertheless */
};

/* Exit status of a client */
enum { DREW = 10, GOT_SIGBUS, NO_FD, NO_MAPPING, HAS_TOO_MUCH };

FIXTURE(client) {
	struct stage s;
	struct vfio_dev *dev;
	off_t dispi;		/* in the device's file; 0 if it is closed */
	uint32_t *bar;
	struct view spare;	/* the primary's own */
	struct desk *desk;
	int qmp;
};

static bool dispi_write(FIXTURE_DATA(client) *self, enum dispi reg,
			uint16_t value)
{
	return pwrite(self->dev->fd, &value, sizeof(value),
		      self->dispi + reg * sizeof(value)) == sizeof(value);
}

static uint16_t dispi_read(FIXTURE_DATA(client) *self, enum dispi reg)
{
	uint16_t value = 0;

	if (pread(self->dev->fd, &value, sizeof(value),
		  self->dispi + reg * sizeof(value)) != sizeof(value))
		return 0;
	return value;
}

static void mode_set(FIXTURE_DATA(client) *self)
{
	dispi_write(self, DISPI_ENABLE, 0);
	dispi_write(self, DISPI_XRES, WIDTH);
	dispi_write(self, DISPI_YRES, HEIGHT);
	dispi_write(self, DISPI_BPP, 32);
	dispi_write(self, DISPI_VIRT_WIDTH, WIDTH);
	dispi_write(self, DISPI_VIRT_HEIGHT, HEIGHT);
	dispi_write(self, DISPI_X_OFFSET, 0);
	dispi_write(self, DISPI_Y_OFFSET, 0);
	dispi_write(self, DISPI_ENABLE, DISPI_ENABLED | DISPI_LFB);
}

FIXTURE_SETUP(client)
{
	self->dev = &self->s.env.dev;
	vfio_env_setup(_metadata, &self->s.env, VFIO_BOCHS, VFIO_OURS);
	self->qmp = qmp_open();
	ASSERT_LE(0, self->qmp) TH_LOG("no monitor");
	ASSERT_EQ(0, vfio_memory_enable(self->dev, true));
	self->dispi = region_offset(self->dev, 2) + DISPI;
	self->bar = vfio_bar_map(self->dev, 0, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->bar);
	ASSERT_EQ(0xb0c0, dispi_read(self, DISPI_ID) & 0xfff0);
	mode_set(self);
	ASSERT_EQ(WIDTH, dispi_read(self, DISPI_XRES));
	ASSERT_EQ(0, view_open(&self->spare, self->dev, 0, SPARE, PAGES * PAGE,
			       PAGE));
	ASSERT_TRUE(fill(self->spare.p, PAGES, SEED));
	self->desk = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->desk);
}

FIXTURE_TEARDOWN(client)
{
	if (self->dispi)
		EXPECT_TRUE(dispi_write(self, DISPI_ENABLE, 0));
	stage_teardown(_metadata, &self->s);
}

/* Different everywhere, and for each seed */
static uint32_t pixel(uint32_t seed, uint32_t i)
{
	return ((i * 2654435761U) ^ (seed * 40503U) ^ (i >> 3)) & 0xffffff;
}

static bool draw(uint32_t *screen, uint32_t seed, uint32_t from, uint32_t to)
{
	for (; from < to; from++)
		if (!try_write32(screen + from, pixel(seed, from)))
			return false;
	return true;
}

/* How many pixels of the screen are not those of the picture; -1: no screen */
static long screen_differs(FIXTURE_DATA(client) *self, uint32_t seed,
			   uint32_t from, uint32_t to)
{
	struct qmp_image image = {};
	const uint8_t *rgb;
	long bad = 0;
	uint32_t p;

	if (qmp_screen(self->qmp, SCREEN_ID, &image, NULL))
		return -1;
	if (image.width != WIDTH || image.height != HEIGHT) {
		free(image.rgb);
		return -1;
	}
	for (; from < to; from++) {
		rgb = image.rgb + 3 * from;
		p = rgb[0] << 16 | rgb[1] << 8 | rgb[2];
		bad += p != pixel(seed, from);
	}
	free(image.rgb);
	return bad;
}

/*
 * The client's whole life. It draws one picture, or, if @forever, one after the
 * other until it may no longer.
 */
static int client(struct desk *desk, uint32_t seed, uint32_t from, uint32_t to,
		  bool forever)
{
	uint32_t *screen;
	uint32_t tries;
	bool gone;
	int fd;

	stage_detach(3);
	if (fcntl(4, F_GETFD) != -1)
		return HAS_TOO_MUCH;
	fd = recv_fd(3);
	if (fd < 0)
		return NO_FD;
	screen = mmap(NULL, SCREEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (screen == MAP_FAILED)
		return NO_MAPPING;
	close(fd);
	do {
		if (!draw(screen, seed, from, to))
			break;
		count_up(&desk->pictures);
	} while (forever);
	if (!forever)
		return DREW;
	/* From here on nothing may work, however often it tries. */
	for (tries = 0; tries < TRIES; tries += gone) {
		gone = flag_get(&desk->gone);
		if (try_write32(screen + tries * (PIXELS / TRIES), 0) && gone)
			flag_set(&desk->stale);
	}
	return GOT_SIGBUS;
}

/* A client with a slice of the screen, given by socket */
static pid_t client_start(FIXTURE_DATA(client) *self, int slice, uint32_t seed,
			  uint32_t from, uint32_t to, bool forever)
{
	int pair[2], ret;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid = stage_fork(&self->s);
	if (pid == 0) {
		dup2(pair[1], 3);
		unmap_named(UNMAP_SLICES);
		_exit(client(self->desk, seed, from, to, forever));
	}
	ret = pid < 0 ? pid : send_fd(pair[0], slice);
	close(pair[0]);
	close(pair[1]);
	return ret ?: pid;
}

static int screen_export(FIXTURE_DATA(client) *self)
{
	return vfio_export(self->dev, 0, 0, SCREEN, O_RDWR | O_CLOEXEC);
}

/* A client that draws all the time, and has drawn something */
static pid_t busy_client(FIXTURE_DATA(client) *self, int slice, uint32_t seed)
{
	int64_t end = in_ms(60000);
	pid_t pid;

	self->desk->pictures = 0;
	pid = client_start(self, slice, seed, 0, PIXELS, true);
	while (pid > 0 && !count_get(&self->desk->pictures) && now_ns() < end)
		sleep_ms(5);
	return count_get(&self->desk->pictures) ? pid : -ETIMEDOUT;
}

TEST_F(client, draws)
{
	int slice = screen_export(self);
	pid_t pid;

	ASSERT_LE(0, slice);
	/* What is there before is by the primary. */
	ASSERT_TRUE(draw(self->bar, 99, 0, PIXELS));
	ASSERT_EQ(0, screen_differs(self, 99, 0, PIXELS));
	ASSERT_LT(0, screen_differs(self, 1, 0, PIXELS));
	pid = client_start(self, slice, 1, 0, PIXELS, false);
	ASSERT_LT(0, pid);
	close(slice);
	ASSERT_EQ(DREW, stage_reap(&self->s, pid, 60000));
	EXPECT_EQ(0, screen_differs(self, 1, 0, PIXELS));
	EXPECT_EQ(pixel(1, PIXELS - 1), self->bar[PIXELS - 1]);
}

/* Two clients, of the two halves of the screen */
TEST_F(client, two_share_the_screen)
{
	uint32_t half = PIXELS / 2;
	int slice = screen_export(self);
	pid_t pids[2];

	ASSERT_LE(0, slice);
	pids[0] = client_start(self, slice, 2, 0, half, false);
	ASSERT_LT(0, pids[0]);
	pids[1] = client_start(self, slice, 3, half, PIXELS, false);
	ASSERT_LT(0, pids[1]);
	ASSERT_EQ(DREW, stage_reap(&self->s, pids[0], 60000));
	ASSERT_EQ(DREW, stage_reap(&self->s, pids[1], 60000));
	EXPECT_EQ(0, screen_differs(self, 2, 0, half));
	EXPECT_EQ(0, screen_differs(self, 3, half, PIXELS));
}

TEST_F(client, is_revoked_while_it_draws)
{
	int slice = screen_export(self), again;
	uint64_t faults;
	pid_t pid;

	ASSERT_LE(0, slice);
	pid = busy_client(self, slice, 4);
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, screen_differs(self, 4, 0, PIXELS));
	/* The fork may have taken its entries. */
	EXPECT_EQ(0, differ(self->spare.p, PAGES, SEED));
	faults = faults_of(self->dev, self->spare.fd);

	ASSERT_EQ(0, vfio_revoke(self->dev, slice));
	flag_set(&self->desk->gone);
	/* Whatever it draws from now on would be seen here. */
	EXPECT_TRUE(draw(self->bar, 5, 0, PIXELS));
	EXPECT_EQ(GOT_SIGBUS, stage_reap(&self->s, pid, 120000));
	EXPECT_FALSE(self->desk->stale);
	EXPECT_EQ(0, screen_differs(self, 5, 0, PIXELS));

	/* The primary's own slice of the same BAR has not noticed. */
	EXPECT_EQ(0, differ(self->spare.p, PAGES, SEED));
	EXPECT_EQ(faults, faults_of(self->dev, self->spare.fd));
	EXPECT_TRUE(fill(self->spare.p, PAGES, 2 * SEED));
	EXPECT_EQ(0, differ(page_of(self->bar, SPARE / PAGE), PAGES,
			    2 * SEED));

	/* Somebody else gets the same part. */
	again = screen_export(self);
	ASSERT_LE(0, again);
	pid = client_start(self, again, 6, 0, PIXELS, false);
	ASSERT_LT(0, pid);
	ASSERT_EQ(DREW, stage_reap(&self->s, pid, 60000));
	EXPECT_EQ(0, screen_differs(self, 6, 0, PIXELS));
	/* The old one is worth nothing, and takes nothing from the new one. */
	EXPECT_EQ(-EBADFD, vfio_revoke(self->dev, slice));
	pid = client_start(self, slice, 7, 0, PIXELS, false);
	ASSERT_LT(0, pid);
	EXPECT_EQ(NO_MAPPING, stage_reap(&self->s, pid, 20000));
	EXPECT_EQ(0, screen_differs(self, 6, 0, PIXELS));
}

/* Revoking one client's slice is not felt by another one's. */
TEST_F(client, the_other_client_lives_on)
{
	int slice = screen_export(self), other;
	static struct toucher t;
	int64_t end;
	pid_t pid;

	ASSERT_LE(0, slice);
	/* the same part once more */
	other = screen_export(self);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, stage_touch(&self->s, &t, self->spare.p, PAGES, SEED));
	pid = busy_client(self, other, 8);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, vfio_revoke(self->dev, slice));
	self->desk->pictures = 0;
	end = in_ms(60000);
	while (count_get(&self->desk->pictures) < 2 && now_ns() < end &&
	       waitpid(pid, NULL, WNOHANG) == 0)
		sleep_ms(5);
	/* -1 if it was seen to end above */
	ASSERT_EQ(0, waitpid(pid, NULL, WNOHANG));
	EXPECT_LE(2, count_get(&self->desk->pictures));
	EXPECT_EQ(0, screen_differs(self, 8, 0, PIXELS));
	ASSERT_EQ(0, vfio_revoke(self->dev, other));
	flag_set(&self->desk->gone);
	EXPECT_EQ(GOT_SIGBUS, stage_reap(&self->s, pid, 120000));
	EXPECT_FALSE(self->desk->stale);
	stage_stop(&self->s);
	EXPECT_LT(0, t.good);
	EXPECT_EQ(0, t.bus);
	EXPECT_EQ(0, t.wrong);
}

/* The primary dies, and nobody can draw any more. */
TEST_F(client, primary_closes)
{
	int slice = screen_export(self);
	pid_t pid;

	ASSERT_LE(0, slice);
	pid = busy_client(self, slice, 9);
	ASSERT_LT(0, pid);
	unmap_named(UNMAP_BARS);
	self->dispi = 0;
	vfio_close(self->dev);
	flag_set(&self->desk->gone);
	EXPECT_EQ(GOT_SIGBUS, stage_reap(&self->s, pid, 120000));
	EXPECT_FALSE(self->desk->stale);
}

TEST_HARNESS_MAIN

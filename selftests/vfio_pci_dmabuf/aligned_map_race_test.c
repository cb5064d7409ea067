// SPDX-License-Identifier: GPL-2.0-only
/*
 * bufsync/aligned-map.h where other threads map things at the same time: those
 * stay what they are, whether the helper's own mapping comes to pass or not.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"

#include "sizes.h"

/* What the header calls for mmap(), here and nowhere else */
static void *mmap_hook(void *addr, size_t size, int prot, int flags, int fd,
		       off_t offset);

#define mmap mmap_hook
#include <bufsync/aligned-map.h>
#undef mmap

#define SIZE		(5 * HUGE / 2)
#define OTHERS		0x5a

/* What happens when a file is to be mapped at a chosen address */
static enum { AS_EVER, TAKEN, FAILS } wanted;
/* Where "another thread" has mapped a page then; the latest */
static char *other;
static int others;

static void *mmap_hook(void *addr, size_t size, int prot, int flags, int fd,
		       off_t offset)
{
	if (!addr || fd < 0 || wanted == AS_EVER)
		return mmap(addr, size, prot, flags, fd, offset);
	/* A kernel that fails has taken out what was there. */
	if (wanted == FAILS && flags & MAP_FIXED)
		munmap(addr, size);
	other = mmap((char *)addr + HUGE / 2, PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (other != MAP_FAILED) {
		memset(other, OTHERS, PAGE);
		others++;
	}
	if (wanted == TAKEN)
		return mmap(addr, size, prot, flags, fd, offset);
	errno = ENOMEM;
	return MAP_FAILED;
}

/* Not by looking, which would be the end of the test */
static bool others_is_there(void)
{
	unsigned char vec;

	return !mincore(other, PAGE, &vec) && other[0] == OTHERS &&
	       other[PAGE - 1] == OTHERS;
}

FIXTURE(race) {
	int fd;
};

FIXTURE_SETUP(race)
{
	char byte = 7;

	self->fd = memfd_create("aligned", MFD_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ftruncate(self->fd, SIZE));
	ASSERT_EQ(1, pwrite(self->fd, &byte, 1, SIZE - 1));
	others = 0;
}

FIXTURE_TEARDOWN(race)
{
	wanted = AS_EVER;
	close(self->fd);
}

/* An address that mmap() does not give by itself: what is free is cut. */
static off_t odd_start(int fd)
{
	char *p = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);

	munmap(p, SIZE);
	return (off_t)(((uintptr_t)p + HUGE / 2) & (HUGE - 1));
}

TEST_F(race, the_place_is_taken)
{
	off_t start = odd_start(self->fd);
	char *map;

	wanted = TAKEN;
	map = bufsync_map_aligned(self->fd, SIZE, 0, PROT_READ, start);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(7, map[SIZE - 1]);
	ASSERT_LT(0, others);
	EXPECT_TRUE(others_is_there());
	EXPECT_EQ(0, bufsync_unmap(map, SIZE));
	EXPECT_TRUE(others_is_there());
}

TEST_F(race, it_fails_and_the_place_is_taken)
{
	off_t start = odd_start(self->fd);

	wanted = FAILS;
	errno = 0;
	EXPECT_EQ(MAP_FAILED, bufsync_map_aligned(self->fd, SIZE, 0, PROT_READ,
						  start));
	EXPECT_EQ(ENOMEM, errno);
	ASSERT_EQ(1, others);
	EXPECT_TRUE(others_is_there());
}

struct mapper {
	pthread_t thread;
	int fd;
	unsigned int aligned, bad;
};

static void *mapper_thread(void *arg)
{
	struct mapper *m = arg;
	char *map;
	int i;

	for (i = 0; i < 500; i++) {
		off_t start = (off_t)(i * PAGE);

		map = bufsync_map_aligned(m->fd, SIZE, 0, PROT_READ, start);
		if (map == MAP_FAILED) {
			m->bad++;
			continue;
		}
		m->aligned += !(((uintptr_t)map - start) & (HUGE - 1));
		m->bad += map[SIZE - 1] != 7;
		m->bad += bufsync_unmap(map, SIZE) != 0;
	}
	return NULL;
}

/* One that loses the race tries again. */
TEST_F(race, many_threads)
{
	struct mapper m[4] = { };
	size_t i;

	for (i = 0; i < 4; i++) {
		m[i].fd = self->fd;
		ASSERT_EQ(0, pthread_create(&m[i].thread, NULL, mapper_thread,
					    &m[i]));
	}
	for (i = 0; i < 4; i++) {
		pthread_join(m[i].thread, NULL);
		EXPECT_EQ(0, m[i].bad);
		EXPECT_LT(250, m[i].aligned) TH_LOG("%u", m[i].aligned);
	}
}

TEST_HARNESS_MAIN

/* SPDX-License-Identifier: GPL-2.0-only */
/* Mappings of slices and of BARs: what is in them, and what they are. */
#ifndef _SLICE_UTIL_H
#define _SLICE_UTIL_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sizes.h"
#include "vfio_util.h"

#define BAD_FD		9999

/* What a word holds at @pos if its memory was filled with @seed */
static inline uint32_t pattern(uint64_t pos, uint32_t seed)
{
	return (uint32_t)(pos >> 2) * 2654435761U ^ seed * 0x01000193U;
}

/* One access of 32 bits each, whatever the compiler thinks of it */
static inline uint32_t get32(const void *p)
{
	return __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED);
}

static inline void put32(void *p, uint32_t value)
{
	__atomic_store_n((uint32_t *)p, value, __ATOMIC_RELAXED);
}

static inline void fill(void *map, uint64_t pos, uint64_t size, uint32_t seed)
{
	uint64_t i;

	for (i = 0; i < size; i += 4)
		put32((char *)map + i, pattern(pos + i, seed));
}

/* Words that differ; @pos is where the pattern of the first one is from. */
static inline uint64_t differs(const void *map, uint64_t pos, uint64_t size,
			       uint32_t seed)
{
	uint64_t i, count = 0;

	for (i = 0; i < size; i += 4)
		count += get32((const char *)map + i) !=
			 pattern(pos + i, seed);
	return count;
}

/* Can the first word be read? */
static inline bool alive(const void *p)
{
	uint32_t value;

	return try_read32(p, &value);
}

static inline void *slice_map(int fd, size_t size, int prot)
{
	return mmap(NULL, size, prot, MAP_SHARED, fd, 0);
}

/* 0 if it can be mapped so, else -errno */
static inline int try_map(int fd, size_t size, int prot, int flags, off_t off)
{
	void *p = mmap(NULL, size, prot, flags, fd, off);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, size);
	return 0;
}

static inline bool is_mapped(const void *p)
{
	unsigned char vec;

	return !mincore((void *)p, 1, &vec) || errno != ENOMEM;
}

/* For a child, which has inherited it: as if it had never had the device */
static inline void drop_device(const struct vfio_dev *dev)
{
	close(dev->fd);
	close(dev->group);
	close(dev->container);
}

/*
 * A line of the entry for the mapping at @addr, from /proc/self/smaps: the
 * one that begins with @key, without it; with @key NULL the mapping's name.
 */
static inline bool mapping_line(const void *addr, const char *key, char *buf,
				size_t size)
{
	unsigned long start, end, at = (unsigned long)addr;
	FILE *f = fopen(key ? "/proc/self/smaps" : "/proc/self/maps", "re");
	bool inside = false, found = false;
	char line[512];
	int name;

	buf[0] = '\0';
	while (f && !found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		name = 0;
		if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %n", &start, &end,
			   &name) == 2) {
			inside = start <= at && at < end;
			if (inside && !key) {
				snprintf(buf, size, "%.*s", (int)size - 1,
					 name ? line + name : "");
				found = true;
			}
		} else if (inside && key && !strncmp(line, key, strlen(key))) {
			snprintf(buf, size, "%.*s", (int)size - 1,
				 line + strlen(key));
			found = true;
		}
	}
	if (f)
		fclose(f);
	return found;
}

/* Mappings of slices and of devices keep what they are of. */
static inline void unmap_all(void)
{
	unmap_named(UNMAP_SLICES);
	unmap_named(UNMAP_BARS);
}

/* What a forked child makes of it: its status as waitpid() has it */
static inline int in_child(int (*fn)(void *arg), void *arg)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fn(arg));
	}
	if (pid > 0)
		waitpid(pid, &status, 0);
	return status;
}

struct touch {
	char *at;
	bool write;
};

static inline int touch_one(void *arg)
{
	struct touch *t = arg;

	if (t->write)
		put32(t->at, 0);
	else
		get32(t->at);
	return 0;
}

/* By which signal a child ends that accesses it, 0 if by none */
static inline int signal_of(char *at, bool write)
{
	int status = in_child(touch_one, &(struct touch) { at, write });

	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* A counter of INFO, of the device or of a slice */
#define INFO_OF(dev, dmabuf, field)	((uint64_t)info_of(dev, dmabuf).field)

#endif /* _SLICE_UTIL_H */

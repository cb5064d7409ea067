// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls of uapi.txt that are no ioctls with a struct.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "fuzz.h"

int targets[4];
int group_fd = -1;
char vfio_bdf[16];
__thread void *touching;

/*
 * Mappings are made at fixed places, so that one thread's munmap() under another
 * one's access meets nothing but these.
 */
static uint8_t *map_at(uint64_t slot)
{
	return MAPS_AT + slot % MAPS * MAP_SIZE;
}

void maps_init(void)
{
	mmap(MAPS_AT, MAPS * MAP_SIZE, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
}

long op_eventfd(struct ctx *x, const uint64_t *v)
{
	(void)x;
	return eventfd(v[0], v[1] & (EFD_NONBLOCK | EFD_SEMAPHORE));
}

long op_pidfd(struct ctx *x, const uint64_t *v)
{
	int pid = targets[v[0] & 3];

	(void)x;
	return syscall(SYS_pidfd_open, pid ?: getpid(), 0);
}

long op_memfd(struct ctx *x, const uint64_t *v)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	(void)x;
	if (fd < 0)
		return fd;
	/* what udmabuf wants */
	if (ftruncate(fd, (v[0] & 0x1f) * PAGE) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK)) {
		close(fd);
		return -1;
	}
	return fd;
}

long op_vfio_device(struct ctx *x, const uint64_t *v)
{
	(void)x;
	(void)v;
	return ioctl(group_fd, VFIO_GROUP_GET_DEVICE_FD, vfio_bdf);
}

long op_mmap(struct ctx *x, const uint64_t *v)
{
	size_t length = v[2] > MAP_SIZE ? MAP_SIZE : v[2];
	void *at;

	(void)x;
	at = mmap(map_at(v[1]), length, v[4], (v[5] ? MAP_PRIVATE : MAP_SHARED) | MAP_FIXED,
		  (int)v[0], v[3]);
	return at == MAP_FAILED ? -1 : 0;
}

long op_munmap(struct ctx *x, const uint64_t *v)
{
	size_t at = (v[1] & 3) * PAGE, size = (v[2] & 3) * PAGE;

	(void)x;
	/* What is in its place keeps others out of it. */
	return mmap(map_at(v[0]) + at, size ?: MAP_SIZE - at, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) ==
	       MAP_FAILED ? -1 : 0;
}

static long access_at(volatile uint8_t *at, bool write)
{
	sigjmp_buf env;
	long ret = 0;

	if (sigsetjmp(env, 1)) {
		ret = -1;
		errno = EFAULT;
	} else {
		touching = env;
		if (write)
			*at = 1;
		else
			(void)*at;
	}
	touching = NULL;
	return ret;
}

long op_touch(struct ctx *x, const uint64_t *v)
{
	/* Mostly the first pages, which are there more often. */
	uint64_t page = v[1] & 0x100 ? v[1] % (MAP_SIZE / PAGE) : v[1] & 3;

	(void)x;
	return access_at(map_at(v[0]) + page * PAGE, v[2]);
}

long op_madvise(struct ctx *x, const uint64_t *v)
{
	(void)x;
	/* Anonymous memory is nobody's subject here. */
	return madvise(map_at(v[0]), 4 * PAGE, v[1]);
}

long op_mremap(struct ctx *x, const uint64_t *v)
{
	void *to = map_at(v[0] >> 8), *from = map_at(v[0]);

	(void)x;
	if (to == from)
		return 0;
	/* Leaves a hole, which is to be filled at once. */
	if (mremap(from, PAGE, (v[1] & 0xf) * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) ==
	    MAP_FAILED)
		return -1;
	mmap(from, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	return 0;
}

/* @fd may be of any slot: take it out of there. */
long op_close(struct ctx *x, const uint64_t *v)
{
	unsigned int kind, slot;
	int fd = v[0];

	(void)x;
	for (kind = 1; fd >= 0 && kind < NKINDS; kind++)
		for (slot = 0; slot < NSLOTS; slot++)
			if (__atomic_compare_exchange_n(&pool[kind][slot], &(int){ fd }, -1, 0,
							__ATOMIC_RELAXED, __ATOMIC_RELAXED))
				return close(fd);
	errno = EBADF;
	return -1;
}

long op_dup(struct ctx *x, const uint64_t *v)
{
	unsigned int kind, slot;
	int fd = v[0];

	for (kind = 1; fd >= 0 && kind < NKINDS; kind++)
		for (slot = 0; slot < NSLOTS; slot++)
			if (pool[kind][slot] == fd) {
				x->retkind = kind;
				return fcntl(fd, F_DUPFD_CLOEXEC, 3);
			}
	errno = EBADF;
	return -1;
}

long op_poll(struct ctx *x, const uint64_t *v)
{
	struct pollfd p = { .fd = v[0], .events = v[1] };

	(void)x;
	return poll(&p, 1, 0);
}

long op_read(struct ctx *x, const uint64_t *v)
{
	static const struct timespec none;
	struct pollfd p = { .fd = v[0], .events = POLLIN };

	/* An eventfd without anything to read blocks for long. */
	if (ppoll(&p, 1, &none, NULL) != 1 || !(p.revents & POLLIN))
		return 0;
	return read(v[0], x->arena, v[1] > PAGE ? PAGE : v[1]);
}

long op_fdinfo(struct ctx *x, const uint64_t *v)
{
	char path[64];
	int fd;
	long n;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", (int)v[0]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fd;
	n = read(fd, x->arena, PAGE);
	close(fd);
	return n;
}

long op_bad_ioctl(struct ctx *x, const uint64_t *v)
{
	return ioctl(v[0], v[1] | (v[2] & 0x3fff) << 16, x->arena);
}

/*
 * A child with copies of everything, that looks at a mapping and goes. It costs as
 * much as a thousand other calls: one in sixteen.
 */
long op_fork(struct ctx *x, const uint64_t *v)
{
	pid_t pid;

	(void)x;
	if (v[1] & 0xf0)
		return 0;
	pid = fork();
	if (pid)
		return pid < 0 ? -1 : 0;
	access_at(map_at(v[0]) + (v[1] & 3) * PAGE, v[1] & 4);
	_exit(0);
}

long op_kill(struct ctx *x, const uint64_t *v)
{
	int tid = x->sibling < 0 ? 0 : sh->t[x->sibling].tid;

	if (tid <= 0)
		return 0;
	return syscall(SYS_tgkill, getpid(), tid, v[0] == SIGUSR1 ? SIGUSR1 : SIGUSR2);
}

/* Whether the device decodes memory */
long op_pci_command(struct ctx *x, const uint64_t *v)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	uint16_t word;
	int fd = v[0];

	(void)x;
	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -1;
	if (pread(fd, &word, sizeof(word), info.offset + PCI_COMMAND) != sizeof(word))
		return -1;
	word = v[1] & 1 ? word | PCI_COMMAND_MEMORY : word & ~PCI_COMMAND_MEMORY;
	return pwrite(fd, &word, sizeof(word), info.offset + PCI_COMMAND) < 0 ? -1 : 0;
}

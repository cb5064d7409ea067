/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ioctl() by int 0x80, the 32-bit entry of an x86-64 kernel. Arguments must lie
 * in the low 4 GiB (MAP_32BIT).
 */
#ifndef _COMPAT32_H
#define _COMPAT32_H

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/mman.h>

#define NR_IOCTL_32	54

#ifdef __x86_64__
static inline int try32(int fd, unsigned int request, void *arg)
{
	long ret;

	/* The entry clears nothing that matters here but r8 to r11. */
	asm volatile("int $0x80"
		     : "=a" (ret)
		     : "a" (NR_IOCTL_32), "b" (fd), "c" (request), "d" (arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

static sigjmp_buf no_entry;

static inline void no_entry_handler(int sig)
{
	siglongjmp(no_entry, sig);
}

static inline bool have_int80(void)
{
	struct sigaction old, sa = { .sa_handler = no_entry_handler };
	static bool have;

	have = false;
	sigaction(SIGSEGV, &sa, &old);
	/* An fd that is not open: the kernel answers, if it does. */
	if (!sigsetjmp(no_entry, 1))
		have = try32(-1, 0, NULL) == -EBADF;
	sigaction(SIGSEGV, &old, NULL);
	return have;
}
#else
static inline int try32(int fd, unsigned int request, void *arg)
{
	(void)fd;
	(void)request;
	(void)arg;
	return -EOPNOTSUPP;
}

static inline bool have_int80(void)
{
	return false;
}

#define MAP_32BIT 0
#endif

#endif /* _COMPAT32_H */

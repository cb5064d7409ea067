// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "access_util.h"

/* What this thread is about to access, and where it goes on if it cannot. */
static __thread const volatile char * volatile guarded;
static __thread sigjmp_buf guard;

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	const volatile char *addr = info->si_addr;
	const volatile char *at = guarded;

	(void)context;
	if (info->si_code > 0 && at && addr >= at && addr < at + 4) {
		guarded = NULL;
		siglongjmp(guard, 1);
	}
	/* Somebody else's: it happens again at once. */
	signal(sig, SIG_DFL);
	if (info->si_code <= 0)
		raise(sig);
}

/* Nothing is blocked in the handler, so there is no mask to restore. */
static void sigbus_take(void)
{
	struct sigaction action = {
		.sa_sigaction = on_sigbus,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};

	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, NULL);
}

static pthread_once_t sigbus_taken = PTHREAD_ONCE_INIT;

bool try_read32(const volatile void *addr, uint32_t *value)
{
	pthread_once(&sigbus_taken, sigbus_take);
	if (sigsetjmp(guard, 0))
		return false;
	guarded = addr;
	*value = *(const volatile uint32_t *)addr;
	guarded = NULL;
	return true;
}

bool try_write32(volatile void *addr, uint32_t value)
{
	pthread_once(&sigbus_taken, sigbus_take);
	if (sigsetjmp(guard, 0))
		return false;
	guarded = addr;
	*(volatile uint32_t *)addr = value;
	guarded = NULL;
	return true;
}

void *map_askew(int fd, size_t size, off_t offset, int prot, size_t align,
		size_t above)
{
	size_t page = sysconf(_SC_PAGESIZE), whole;
	char *space, *at, *map;
	int err;

	size = (size + page - 1) & ~(page - 1);
	if (align < page)
		align = page;
	whole = size + align + above;
	space = mmap(NULL, whole, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (space == MAP_FAILED)
		return MAP_FAILED;
	at = (char *)(((uintptr_t)space + align - 1) & ~(uintptr_t)(align - 1));
	at += above;
	map = mmap(at, size, prot, MAP_SHARED | MAP_FIXED, fd, offset);
	if (map == MAP_FAILED) {
		err = errno;
		munmap(space, whole);
		errno = err;
		return MAP_FAILED;
	}
	if (at > space)
		munmap(space, at - space);
	if (at + size < space + whole)
		munmap(at + size, space + whole - (at + size));
	return map;
}

void *map_aligned(int fd, size_t size, off_t offset, int prot, size_t align)
{
	return map_askew(fd, size, offset, prot, align, 0);
}

void unmap_named(const char *what)
{
	unsigned long start, end;
	char line[512];
	bool again;
	FILE *f;

	/* Each time anew: there is no telling what the kernel has merged. */
	do {
		again = false;
		f = fopen("/proc/self/maps", "re");
		while (f && !again && fgets(line, sizeof(line), f))
			if (strstr(line, what) &&
			    sscanf(line, "%lx-%lx", &start, &end) == 2)
				again = !munmap((void *)start, end - start);
		if (f)
			fclose(f);
	} while (again);
}

long thread_faults(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) ? -errno : usage.ru_minflt;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program that knows nothing of /dev/drm_gem: what shim_test runs, with
 * libbufsync-gem.so and without. Prints what the ioctls return.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <drm/drm.h>

/* As the newest headers have them */
struct change_handle {
	__u32 handle, new_handle;
};

struct list_handles {
	__u64 entries;
	__u32 num_entries, padding;
};

struct list_entry {
	__u32 gem_handle, flags;
	__u64 size, preferred_domains, alloc_flags, alignment;
};

#define CHANGE_HANDLE	DRM_IOWR(0xD2, struct change_handle)
#define LIST_HANDLES	DRM_IOWR(DRM_COMMAND_BASE + 0x19, struct list_handles)

#define THREADS		4
#define ROUNDS		200

static int drm;

/* errno is 123 if the call leaves it alone. */
static int call(int fd, unsigned long request, void *arg)
{
	int ret;

	errno = 123;
	ret = ioctl(fd, request, arg);
	printf("%d %d", ret, errno);
	return ret;
}

static void change(char **argv)
{
	struct change_handle args = { atoi(argv[0]), strtoul(argv[1], NULL, 0) };

	call(drm, CHANGE_HANDLE, &args);
	puts("");
}

static void import(char **argv)
{
	struct drm_prime_handle prime = {
		.fd = atoi(argv[0]), .flags = atoi(argv[1]), .handle = 77,
	};

	call(drm, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime);
	printf(" %u\n", prime.handle);
}

static void list(char **argv)
{
	struct list_entry entries[64];
	struct list_handles args = {
		.entries = (uintptr_t)entries, .num_entries = atoi(argv[0]),
	};
	__u32 i;

	memset(entries, 0x55, sizeof(entries));
	call(drm, LIST_HANDLES, &args);
	printf(" %u\n", args.num_entries);
	for (i = 0; i < args.num_entries && i < 64; i++)
		printf("%u %u %llu %llu %#llx %llu\n", entries[i].gem_handle,
		       entries[i].flags, entries[i].size,
		       entries[i].preferred_domains, entries[i].alloc_flags,
		       entries[i].alignment);
}

static void fault(void)
{
	void *bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	struct list_handles args = { .entries = (uintptr_t)bad,
				     .num_entries = 64 };

	call(drm, CHANGE_HANDLE, bad);
	puts("");
	call(drm, CHANGE_HANDLE, NULL);
	puts("");
	call(drm, DRM_IOCTL_PRIME_FD_TO_HANDLE, bad);
	puts("");
	call(drm, LIST_HANDLES, bad);
	puts("");
	call(drm, LIST_HANDLES, &args);
	puts("");
}

/* What is nobody's business but the kernel's */
static void others(void)
{
	struct drm_version version = {};
	struct drm_gem_close close_args = { .handle = 99999 };
	struct change_handle args = { 1, 2 };
	struct drm_prime_handle prime = { .fd = -1, .flags = 1 };
	struct list_handles list_args = {};
	int pipes[2], file = open("/proc/version", O_RDONLY), n = -1;

	call(drm, DRM_IOCTL_VERSION, &version);
	printf(" %zu\n", (size_t)version.name_len);
	call(drm, DRM_IOCTL_GEM_CLOSE, &close_args);
	puts("");
	call(drm, DRM_IO(0xfe), NULL);
	puts("");
	if (pipe(pipes) || write(pipes[1], "12345", 5) != 5)
		exit(1);
	call(pipes[0], FIONREAD, &n);
	printf(" %d\n", n);
	call(-1, CHANGE_HANDLE, &args);
	puts("");
	call(file, CHANGE_HANDLE, &args);
	puts("");
	call(file, LIST_HANDLES, &list_args);
	puts("");
	call(file, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime);
	puts("");
	call(file, TCGETS, &(struct termios){});
	puts("");
	call(drm, LIST_HANDLES, &list_args);
	puts("");
	/* Not by one bit more may the request differ. */
	call(pipes[0], FIONREAD | 0x100000000UL, &n);
	printf(" %d\n", n);
}

static void *thread_run(void *arg)
{
	__u32 low = 1 + (uintptr_t)arg, high = low + 1000;
	struct change_handle there = { low, high }, back = { high, low };
	uintptr_t i, wrong = 0;

	for (i = 0; i < ROUNDS; i++) {
		wrong += !!ioctl(drm, CHANGE_HANDLE, &there);
		wrong += !!ioctl(drm, CHANGE_HANDLE, &back);
	}
	return (void *)wrong;
}

static void threads(void)
{
	pthread_t ids[THREADS];
	unsigned long wrong = 0;
	void *result;
	uintptr_t i;

	for (i = 0; i < THREADS; i++)
		if (pthread_create(&ids[i], NULL, thread_run, (void *)i))
			exit(1);
	for (i = 0; i < THREADS; i++) {
		pthread_join(ids[i], &result);
		wrong += (uintptr_t)result;
	}
	printf("%lu\n", wrong);
}

static int cancelled, returned;

static void *cancelled_run(void *arg)
{
	struct change_handle there = { 1, 1001 }, back = { 1001, 1 };
	struct drm_prime_handle prime = { .fd = -1, .flags = 1 };

	while (!__atomic_load_n(&cancelled, __ATOMIC_ACQUIRE))
		;
	returned += !ioctl(drm, CHANGE_HANDLE, &there);
	returned += !ioctl(drm, CHANGE_HANDLE, &back);
	returned += ioctl(drm, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime) == -1;
	pthread_testcancel();
	returned = -1;
	return arg;
}

/* A thread that is to end only where POSIX says, of which ioctl() is no place */
static void cancel(void)
{
	pthread_t id;
	void *result;

	if (pthread_create(&id, NULL, cancelled_run, NULL))
		exit(1);
	pthread_cancel(id);
	__atomic_store_n(&cancelled, 1, __ATOMIC_RELEASE);
	pthread_join(id, &result);
	printf("%d %d\n", result == PTHREAD_CANCELED, returned);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	drm = atoi(argv[2]);
	if (!strcmp(argv[1], "change") && argc == 5)
		change(argv + 3);
	else if (!strcmp(argv[1], "import") && argc == 5)
		import(argv + 3);
	else if (!strcmp(argv[1], "list") && argc == 4)
		list(argv + 3);
	else if (!strcmp(argv[1], "fault"))
		fault();
	else if (!strcmp(argv[1], "others"))
		others();
	else if (!strcmp(argv[1], "threads"))
		threads();
	else if (!strcmp(argv[1], "cancel"))
		cancel();
	else
		return 2;
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* Mappings whose pages may be away, and of which it matters where they lie. */
#ifndef _ACCESS_UTIL_H
#define _ACCESS_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Access that may not be possible. True if it was; false after SIGBUS. For any
 * number of threads. The first call takes SIGBUS over.
 */
bool try_read32(const volatile void *addr, uint32_t *value);
bool try_write32(volatile void *addr, uint32_t value);

/* MAP_SHARED at an address aligned to @align, or @above above one; MAP_FAILED, errno */
void *map_aligned(int fd, size_t size, off_t offset, int prot, size_t align);
void *map_askew(int fd, size_t size, off_t offset, int prot, size_t align,
		size_t above);

/* Unmaps all that has @what in its name: BARs by a device fd, slices and the like. */
#define UNMAP_BARS	"[vfio-device]"
#define UNMAP_SLICES	"/dmabuf:"
void unmap_named(const char *what);

/* Minor faults of this thread so far */
long thread_faults(void);

#endif /* _ACCESS_UTIL_H */

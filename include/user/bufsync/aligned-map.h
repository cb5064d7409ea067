/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Mapping a file so that huge pages fit.
 *
 * The kernel maps device memory by huge pages only where the address and the
 * physical address agree modulo the size of such a page. For most files it
 * chooses an address without regard to that; a DMABUF cannot ask for a better
 * one. So the address is chosen here, where there is room for more.
 *
 * For slices of vfio_pci_dmabuf, buffers of dma_heap_memcg, and whatever else
 * is made of huge blocks. Wants _GNU_SOURCE, or nothing but the default of the
 * compiler (no -std=c99). May be used by threads.
 */
#ifndef _BUFSYNC_ALIGNED_MAP_H
#define _BUFSYNC_ALIGNED_MAP_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

/**
 * bufsync_map_huge - what one entry of an upper level of page tables maps
 * @level:	1 or 2
 *
 * Return: with pages of 4 KiB 2 MiB and 1 GiB, with pages of 16 KiB 32 MiB and 64 GiB;
 * 0 if that is more than a size_t can tell.
 */
static inline size_t bufsync_map_huge(int level)
{
	/* A table fills a page, with entries of 8 bytes. */
	unsigned long long size = (unsigned long long)sysconf(_SC_PAGESIZE);
	const unsigned long long entries = size / 8;

	while (level-- > 0)
		size *= entries;
	return (size_t)size == size ? (size_t)size : 0;
}

/**
 * bufsync_map_alignment - which alignment lets huge pages fit
 * @size:	bytes to be mapped
 * @place:	where the first of them lies, see bufsync_map_aligned()
 *
 * Return: the largest of what bufsync_map_huge() gives of which a whole, aligned block
 * is among the bytes; 0 if there is none, and any address will do.
 */
static inline size_t bufsync_map_alignment(size_t size, off_t place)
{
	int level;

	for (level = 2; level > 0; level--) {
		size_t align = bufsync_map_huge(level);
		/* bytes before the first aligned block */
		size_t head = -(size_t)place & (align - 1);

		if (align && size >= align && size - align >= head)
			return align;
	}
	return 0;
}

/**
 * bufsync_map_aligned - mmap() with MAP_SHARED at an address that suits
 * @fd:		what to map
 * @size:	in bytes, not 0
 * @offset:	in the file, in bytes, whole pages
 * @prot:	PROT_READ, PROT_WRITE
 * @start:	where the file's first byte lies in its memory, as far as that is
 *		known: for a slice, the offset in the BAR that it was exported
 *		with. 0 if it begins with a huge page, as buffers do. It is
 *		of no consequence but for speed.
 *
 * The first byte is then at @start + @offset in the memory, and the address
 * that is chosen agrees with that modulo the largest size that can be of use.
 * A BAR is aligned to its size, so that what holds for the offset in it holds
 * for the physical address. Where other threads are quicker, again and again, to
 * map something there, the kernel chooses the address: the mapping is good, but for
 * the alignment. Whatever is mapped already stays so.
 *
 * Return: the address, or MAP_FAILED and errno: what mmap() gives, and
 *   EINVAL	@start or @offset is negative
 *   ENOMEM	also: there is no room for an address to be chosen in
 */
static inline void *bufsync_map_aligned(int fd, size_t size, off_t offset,
					int prot, off_t start)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const size_t place = (size_t)(start + offset);
	char *room = NULL, *map;
	size_t align, room_size;
	int tries;

	if (start < 0 || offset < 0) {
		errno = EINVAL;
		return MAP_FAILED;
	}
	align = bufsync_map_alignment(size, start + offset);
	room_size = ((size + page - 1) & ~(page - 1)) + align;
	for (tries = 0;; tries++) {
		/* Not MAP_FIXED: the place may be somebody else's by now. */
		map = (char *)mmap(room, size, prot, MAP_SHARED, fd, offset);
		if (map == MAP_FAILED || !align || tries == 4 ||
		    !(((uintptr_t)map - place) & (align - 1)))
			return map;
		munmap(map, size);

		if (room_size < size) {
			errno = ENOMEM;
			return MAP_FAILED;
		}
		room = (char *)mmap(NULL, room_size, PROT_NONE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
				    -1, 0);
		if (room == MAP_FAILED)
			return MAP_FAILED;
		munmap(room, room_size);
		room += (place - (uintptr_t)room) & (align - 1);
	}
}

/**
 * bufsync_unmap - the end of a mapping made by bufsync_map_aligned()
 * @map:	its address; MAP_FAILED and NULL are nothing to do
 * @size:	the size that it was made with
 *
 * Return: 0, or -1 and errno as munmap()
 */
static inline int bufsync_unmap(void *map, size_t size)
{
	if (!map || map == MAP_FAILED)
		return 0;
	return munmap(map, size);
}

#endif /* _BUFSYNC_ALIGNED_MAP_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* Short names for what the tests map. */
#ifndef _VFIO_SIZES_H
#define _VFIO_SIZES_H

#include <stddef.h>
#include <sys/mman.h>

#include "page_util.h"

#define KIB(n)		((size_t)(n) << 10)
#define MIB(n)		((size_t)(n) << 20)
#define GIB(n)		((size_t)(n) << 30)
#define PAGE		((size_t)page_size())
#define HUGE		((size_t)pmd_size())
#define RW		(PROT_READ | PROT_WRITE)

#endif /* _VFIO_SIZES_H */

// SPDX-License-Identifier: GPL-2.0-only
/* What the build makes of the heap where the kernel lacks something. */
#define BUFSYNC_STUB_REASON_DMA_HEAP_MEMCG \
	"this kernel does not export dma_buf_nothing"
#include "../../src/stub-dma_heap_memcg.c"

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events. "cgroup" is the charged cgroup's number, 0 if none is; "ino"
 * the inode of the dma-buf's file, as fdinfo and bufinfo show it.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dma_heap_memcg

#if !defined(_DMA_HEAP_MEMCG_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _DMA_HEAP_MEMCG_TRACE_H

#include <linux/tracepoint.h>

DECLARE_EVENT_CLASS(dma_heap_memcg_buffer,
	TP_PROTO(u64 cgroup, size_t len, unsigned long ino),
	TP_ARGS(cgroup, len, ino),
	TP_STRUCT__entry(
		__field(u64, cgroup)
		__field(size_t, len)
		__field(unsigned long, ino)
	),
	TP_fast_assign(
		__entry->cgroup = cgroup;
		__entry->len = len;
		__entry->ino = ino;
	),
	TP_printk("cgroup=%llu len=%zu ino=%lu",
		  __entry->cgroup, __entry->len, __entry->ino)
);

DEFINE_EVENT(dma_heap_memcg_buffer, dma_heap_memcg_alloc,
	TP_PROTO(u64 cgroup, size_t len, unsigned long ino),
	TP_ARGS(cgroup, len, ino));

DEFINE_EVENT(dma_heap_memcg_buffer, dma_heap_memcg_free,
	TP_PROTO(u64 cgroup, size_t len, unsigned long ino),
	TP_ARGS(cgroup, len, ino));

TRACE_EVENT(dma_heap_memcg_transfer,
	TP_PROTO(u64 from, u64 to, size_t len, unsigned long ino),
	TP_ARGS(from, to, len, ino),
	TP_STRUCT__entry(
		__field(u64, from)
		__field(u64, to)
		__field(size_t, len)
		__field(unsigned long, ino)
	),
	TP_fast_assign(
		__entry->from = from;
		__entry->to = to;
		__entry->len = len;
		__entry->ino = ino;
	),
	TP_printk("cgroup=%llu->%llu len=%zu ino=%lu",
		  __entry->from, __entry->to, __entry->len, __entry->ino)
);

TRACE_EVENT(dma_heap_memcg_denied,
	TP_PROTO(u64 cgroup, int error),
	TP_ARGS(cgroup, error),
	TP_STRUCT__entry(
		__field(u64, cgroup)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->cgroup = cgroup;
		__entry->error = error;
	),
	TP_printk("cgroup=%llu error=%d", __entry->cgroup, __entry->error)
);

TRACE_EVENT(dma_heap_memcg_failed,
	TP_PROTO(u64 cgroup, size_t len, int error),
	TP_ARGS(cgroup, len, error),
	TP_STRUCT__entry(
		__field(u64, cgroup)
		__field(size_t, len)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->cgroup = cgroup;
		__entry->len = len;
		__entry->error = error;
	),
	TP_printk("cgroup=%llu len=%zu error=%d",
		  __entry->cgroup, __entry->len, __entry->error)
);

#endif /* _DMA_HEAP_MEMCG_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The process that allocates for its client, and prints. Of the other two it
 * has the pids and a socket each.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "heap-demo.h"

#define CURRENT	"memory.current", NULL

/* What the kernel counted before, and what is counted from. */
static struct {
	__s64 top, top_kernel, service, service_kernel, client;
} base;

static struct peer *client_peer, *stranger_peer;
static int pidfd;	/* of the client */

/* Returns the answer; *@fd is what is sent, then what came, or -1. */
static struct msg ask_fd(const struct peer *peer, enum op op, __u64 value,
			 int *fd)
{
	struct msg msg = { .op = op, .value = value };

	send_msg(peer, &msg, *fd);
	*fd = recv_msg(peer, &msg);
	return msg;
}

static struct msg ask(const struct peer *peer, enum op op, __u64 value)
{
	int fd = -1;

	return ask_fd(peer, op, value, &fd);
}

static void expect(const char *what, __u64 error, int wanted)
{
	if ((int)error != wanted)
		fail("%s: '%s' instead of '%s'", what, strerror(error),
		     strerror(wanted));
}

/* memory.current is what it was before, give or take SLACK. */
static __s64 flat(const struct cgroup *cg, __s64 before)
{
	return cgroup_expect(cg, CURRENT, before);
}

/* The buffer's name is that of the cgroup that is charged. */
static void expect_name(int buf, const struct cgroup *cg, char *name,
			size_t size)
{
	char wanted[64];

	buffer_name(buf, name, size);
	snprintf(wanted, sizeof(wanted), "cg:%llu", cg->id);
	if (strcmp(name, wanted))
		fail("fdinfo says '%s' instead of '%s'", name, wanted);
}

static void step_caps(void)
{
	struct dma_heap_memcg_caps caps = { .size = sizeof(caps) };
	const __u64 need = DMA_HEAP_MEMCG_FEATURE_PIDFD |
			   DMA_HEAP_MEMCG_FEATURE_CGROUP_FD |
			   DMA_HEAP_MEMCG_FEATURE_GRANT |
			   DMA_HEAP_MEMCG_FEATURE_QUERY |
			   DMA_HEAP_MEMCG_FEATURE_TRANSFER;

	begin("Ask the heap what it can do (CAPS)");
	heap_caps(&caps);
	if (caps.out_version < 1 || (caps.out_features & need) != need)
		fail("version %u, features 0x%llx: too few", caps.out_version,
		     caps.out_features);
	if (caps.out_remote_policy != DMA_HEAP_MEMCG_REMOTE_SIGNAL)
		fail("the module parameter remote_policy is not 'signal'");
	proved("version %u: PIDFD, CGROUP_FD, GRANT, QUERY, TRANSFER%s; %.0f MiB at most",
	       caps.out_version,
	       caps.out_features & DMA_HEAP_MEMCG_FEATURE_HUGE_FAULT ?
	       ", HUGE_FAULT" : "", mib(caps.out_max_len));
}

static int step_alloc(void)
{
	struct dma_heap_memcg_query_args query;
	__s64 theirs, ours;
	char name[64];
	int buf;

	begin("The service allocates 64 MiB and names the client's pidfd");
	buf = heap_alloc(dev, SIZE, pidfd);
	if (buf < 0)
		fail("ALLOC: %s", strerror(-buf));
	theirs = cgroup_expect(&client, CURRENT, base.client + SIZE);
	ours = flat(&service, base.service);
	expect_name(buf, &client, name, sizeof(name));
	query = heap_query(&client);
	if (query.out_local_bytes != SIZE || query.out_limit != LIMIT)
		fail("QUERY says %llu of %llu bytes", query.out_local_bytes,
		     query.out_limit);
	proved("memory.current: client %+.1f MiB, service %+.1f MiB; name in fdinfo: %s",
	       mib(theirs - base.client), mib(ours - base.service), name);
	return buf;
}

static __u64 *step_map(int buf, __u64 seed)
{
	struct msg msg;
	__u64 *map, wrong;
	__s64 theirs;
	int fd = buf;

	begin("The client gets the buffer, finds zeroes and writes; the service looks");
	msg = ask_fd(client_peer, OP_MAP, seed, &fd);
	if (msg.value)
		fail("%llu words were not zero", msg.value);
	map = buffer_map(buf);
	wrong = buffer_wrong(buf, map, seed);
	if (wrong)
		fail("%llu words are not what the client wrote", wrong);
	theirs = flat(&client, base.client + SIZE);
	proved("all 8388608 words were zero, all are as written; client still %+.1f MiB",
	       mib(theirs - base.client));
	return map;
}

static void step_limit(void)
{
	__s64 oom = cgroup_read(&client, "memory.events", "oom");
	__s64 kills = cgroup_read(&client, "memory.events", "oom_kill");
	__u64 failures = heap_query(&client).out_failures;
	__s64 start, slow, fast, theirs;

	begin("The client's memory.max is 96 MiB: 64 MiB more, then 128 MiB at once");
	start = now();
	expect("64 MiB more", -heap_alloc(dev, SIZE, pidfd), ENOMEM);
	slow = now() - start;
	start = now();
	expect("128 MiB", -heap_alloc(dev, 2 * SIZE, pidfd), ENOMEM);
	fast = now() - start;

	oom = cgroup_read(&client, "memory.events", "oom") - oom;
	kills = cgroup_read(&client, "memory.events", "oom_kill") - kills;
	if (oom || kills)
		fail("memory.events: oom %lld, oom_kill %lld", oom, kills);
	ask(client_peer, OP_READY, 0);
	theirs = flat(&client, base.client + SIZE);
	failures = heap_query(&client).out_failures - failures;
	if (failures != 2)
		fail("QUERY counts %llu failures", failures);
	proved("ENOMEM after %.1f and %.2f ms; oom 0, oom_kill 0; %d lives; still %+.1f MiB",
	       msec(slow), msec(fast), client_peer->pid,
	       mib(theirs - base.client));
}

static void step_stock(void)
{
	struct msg msg;
	__s64 theirs;

	begin("For comparison: the client takes 64 MiB more from /dev/dma_heap/system");
	msg = ask(client_peer, OP_STOCK, SIZE);
	expect("the stock heap", msg.value, 0);
	theirs = flat(&client, base.client + SIZE);
	ask(client_peer, OP_DROP, 0);
	proved("it gets them, and its memory.current is still %+.1f MiB",
	       mib(theirs - base.client));
}

static void step_stranger(void)
{
	__u64 denials = heap_query(&client).out_denials;
	int fd = pidfd, dir = cgroup_open(&client);
	struct msg msg;

	begin("A stranger (uid 65534) names the client's pidfd, then its cgroup directory");
	msg = ask_fd(stranger_peer, OP_ALLOC, SMALL, &fd);
	expect("by pidfd", msg.value, EPERM);
	fd = dir;
	msg = ask_fd(stranger_peer, OP_ALLOC, SMALL, &fd);
	expect("by directory", msg.value, EPERM);
	close(dir);
	flat(&client, base.client + SIZE);
	denials = heap_query(&client).out_denials - denials;
	if (denials != 2)
		fail("QUERY counts %llu denials", denials);
	proved("EPERM twice, though root had opened the device for it; QUERY counts 2 denials");
}

static void step_grant(void)
{
	int grant = -1, fd;
	struct msg msg;
	__s64 theirs;

	begin("The client makes a grant of 12 MiB, the service passes it on to the stranger");
	ask_fd(client_peer, OP_GRANT, BUDGET, &grant);
	fd = grant;
	msg = ask_fd(stranger_peer, OP_ALLOC, SMALL, &fd);
	close(grant);
	expect("by grant", msg.value, 0);
	theirs = cgroup_expect(&client, CURRENT, base.client + SIZE + SMALL);
	msg = ask(stranger_peer, OP_ALLOC, SMALL);
	expect("above the budget", msg.value, EDQUOT);
	ask(client_peer, OP_REVOKE, 0);
	msg = ask(stranger_peer, OP_ALLOC, 4096);
	expect("by a closed grant", msg.value, ENODEV);
	proved("8 MiB: client %+.1f MiB; 8 MiB more: EDQUOT; when the client has closed it: ENODEV",
	       mib(theirs - base.client));
}

static void step_transfer(int buf, const __u64 *map, __u64 seed)
{
	__s64 theirs, ours, start;
	struct msg msg;
	char name[64];

	begin("TRANSFER of the 64 MiB to the service's cgroup, while both have them mapped");
	start = now();
	heap_transfer(buf, 0);
	start = now() - start;
	theirs = cgroup_expect(&client, CURRENT, base.client + SMALL);
	ours = cgroup_expect(&service, CURRENT, base.service + SIZE);
	expect_name(buf, &service, name, sizeof(name));
	msg = ask(client_peer, OP_WRONG, seed);
	if (msg.value || buffer_wrong(buf, map, seed))
		fail("the contents have changed");
	ask(client_peer, OP_FILL, seed + 1);
	if (buffer_wrong(buf, map, seed + 1))
		fail("the mappings are not the same memory any more");
	proved("%.1f ms: client %+.1f MiB, service %+.1f MiB; contents kept and still shared",
	       msec(start), mib(theirs - base.client),
	       mib(ours - base.service));
}

static void step_rmdir(void)
{
	struct dma_heap_memcg_query_args query;
	__s64 all;

	begin("The client exits, its cgroup is removed; the stranger still has the 8 MiB");
	ask(client_peer, OP_EXIT, 0);
	peer_join(client_peer);
	if (cgroup_remove(&client))
		fail("rmdir %s: %s", client.path, strerror(errno));
	query = heap_query(&top);
	if (query.out_bytes != SIZE + SMALL || query.out_buffers != 2)
		fail("QUERY of the parent says %llu bytes", query.out_bytes);
	all = cgroup_expect(&top, CURRENT, base.top + SIZE + SMALL);
	proved("its parent: memory.current %+.1f MiB; QUERY: %.1f MiB in %llu buffers",
	       mib(all - base.top), mib(query.out_bytes), query.out_buffers);
}

static void step_statistics(void)
{
	__s64 all, ours;

	begin("/proc/dma_heap_memcg, QUERY and the line 'kernel' of memory.stat agree");
	all = cgroup_expect(&top, "memory.stat", "kernel",
			    base.top_kernel + heap_query(&top).out_bytes);
	ours = cgroup_expect(&service, "memory.stat", "kernel",
			     base.service_kernel +
			     heap_query(&service).out_bytes);
	table_print();
	proved("'kernel' since the start: heap-demo %+.1f MiB, service %+.1f MiB",
	       mib(all - base.top_kernel), mib(ours - base.service_kernel));
}

static void step_close(int buf, __u64 *map)
{
	struct dma_heap_memcg_query_args query;
	__s64 all, ours;

	begin("All is closed: all is given back");
	ask(stranger_peer, OP_CLOSE, 0);
	if (munmap(map, SIZE))
		fail("munmap: %s", strerror(errno));
	close(buf);
	query = heap_query(&top);
	if (query.out_bytes || query.out_buffers)
		fail("QUERY says %llu bytes", query.out_bytes);
	ours = flat(&service, base.service);
	all = flat(&top, base.top);
	ask(stranger_peer, OP_EXIT, 0);
	peer_join(stranger_peer);
	close(pidfd);
	cgroups_remove();
	if (!access(top.path, F_OK))
		fail("%s could not be removed", top.path);
	proved("QUERY: 0; memory.current: heap-demo %+.1f MiB, service %+.1f MiB; all removed",
	       mib(all - base.top), mib(ours - base.service));
}

void run_service(struct peer *a_client, struct peer *a_stranger)
{
	const __u64 seed = 0x6d656d6367686561ULL;
	__s64 start = now();
	struct utsname uts;
	__u64 *map;
	int buf;

	client_peer = a_client;
	stranger_peer = a_stranger;
	cgroup_enter(&service);
	ask(client_peer, OP_READY, 0);
	ask(stranger_peer, OP_READY, 0);
	pidfd = syscall(SYS_pidfd_open, client_peer->pid, 0);
	if (pidfd < 0)
		fail("pidfd_open: %s", strerror(errno));

	uname(&uts);
	printf("Linux %s %s: service %d, client %d, stranger %d, each in a cgroup of its own\n",
	       uts.release, uts.machine, getpid(), client_peer->pid,
	       stranger_peer->pid);
	base.top = cgroup_read(&top, CURRENT);
	base.top_kernel = cgroup_read(&top, "memory.stat", "kernel");
	base.service = cgroup_read(&service, CURRENT);
	base.service_kernel = cgroup_read(&service, "memory.stat", "kernel");
	base.client = cgroup_read(&client, CURRENT);

	step_caps();
	buf = step_alloc();
	map = step_map(buf, seed);
	step_limit();
	step_stock();
	step_stranger();
	step_grant();
	step_transfer(buf, map, seed);
	step_rmdir();
	step_statistics();
	step_close(buf, map);
	printf("\nAll %d steps proved in %.1f s.\n", step,
	       (now() - start) / 1e9);
}

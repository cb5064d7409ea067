/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Callers with given credentials that try to charge somebody else. Whoever
 * tries has a cgroup of its own: all is below the root, where tests start.
 */
#ifndef _ACCESS_H
#define _ACCESS_H

#include "heap_env.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "syncobj_util.h"
#include "thread_util.h"
#include "unpriv_env.h"

#define OTHER		65533

#define CAP(name)	(1ULL << CAP_##name)
#define NO_CAPS		0ULL
#define ALL_CAPS	(~0ULL)

#define TRY_LEN		MIB(8)

struct access_env {
	struct heap_env env;
	struct cg root;		/* what all is below */
	struct cg caller;	/* where those are who try */
	struct cg target;	/* whom they want to charge */
	int dir;		/* directory of @target, as root opened it */
	char policy[16];
};

/* What the test has started, and not ended yet */
static pid_t access_pids[64];
static int access_nr;

static inline pid_t access_keep(pid_t pid)
{
	if (pid > 0 && access_nr < 64)
		access_pids[access_nr++] = pid;
	return pid;
}

static inline void access_env_setup(struct __test_metadata *_metadata,
				    struct access_env *a)
{
	heap_env_setup(_metadata, &a->env);
	cg_parent(&a->root, &a->env.top);
	ASSERT_EQ(0, cg_new(&a->caller, &a->env.top, "caller"));
	ASSERT_EQ(0, cg_new(&a->target, &a->env.top, "target"));
	a->dir = cg_open(&a->target, 0);
	ASSERT_GE(a->dir, 0);
	ASSERT_EQ(0, heap_param_get("remote_policy", a->policy,
				    sizeof(a->policy)));
	ASSERT_EQ(0, heap_param_set("remote_policy", "signal"));
}

static inline void access_env_teardown(struct __test_metadata *_metadata,
				       struct access_env *a)
{
	while (access_nr)
		cg_kill(access_pids[--access_nr]);
	EXPECT_EQ(0, heap_param_set("remote_policy", a->policy));
	heap_env_teardown(_metadata, &a->env);
}

/* The counters of a cgroup */
static inline struct dma_heap_memcg_query_args
cgroup_stats(struct __test_metadata *_metadata, const struct access_env *a,
	     const struct cg *cg)
{
	struct dma_heap_memcg_query_args query;
	int dir = cg_open(cg, O_PATH);

	ASSERT_GE(dir, 0);
	ASSERT_EQ(0, heap_query(a->env.dev, dir, &query));
	close(dir);
	return query;
}

/* The group that may open the node, and no other */
static inline int node_group_only(void)
{
	struct stat st;

	return stat(HEAP_NODE, &st) || setgroups(1, &st.st_gid) ? -errno : 0;
}

/* One user in all respects, with those of @caps that this process has */
static inline int become_uid(uid_t uid, uint64_t caps)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	int i;

	if (prctl(PR_SET_KEEPCAPS, 1) || setresuid(uid, uid, uid) ||
	    syscall(SYS_capget, &head, data))
		return -errno;
	for (i = 0; i < 2; i++) {
		data[i].permitted &= caps >> 32 * i;
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &head, data) ? -errno : 0;
}

/* For good. With @userns it is that namespace's root, with @caps there. */
static inline int become(uid_t uid, uint64_t caps, int userns)
{
	gid_t gid = userns ? NOBODY : uid;
	int ret = node_group_only();

	if (ret)
		return ret;
	if (setresgid(gid, gid, gid) ||
	    (userns && setns(userns, CLONE_NEWUSER)))
		return -errno;
	return become_uid(userns ? 0 : uid, caps);
}

/* Processes to be charged. They have no fds, and sleep. */
struct victim {
	uid_t ruid;
	uid_t euid;
	uid_t suid;
	int userns;	/* it enters this one, with the uid it has */
	bool unshare;	/* it makes one */
	/* out */
	pid_t pid;
	int ready[2];
};

static inline int victim_main(void *arg)
{
	const struct victim *v = arg;

	if (v->userns) {
		if (become(v->ruid, CAP(SYS_ADMIN), 0) ||
		    setns(v->userns, CLONE_NEWUSER))
			return 1;
	} else if (v->unshare) {
		if (unshare(CLONE_NEWUSER))
			return 2;
	} else if (setgroups(0, NULL) ||
		   setresuid(v->ruid, v->euid, v->suid)) {
		return 3;
	}
	if (write(v->ready[1], "", 1) != 1)
		return 4;
	syscall(SYS_close_range, 3, UINT_MAX, 0);
	for (;;)
		pause();
}

/* Returns its pidfd. */
static inline int victim(struct __test_metadata *_metadata,
			 const struct cg *cg, struct victim *v)
{
	char byte;
	int fd;

	ASSERT_EQ(0, pipe2(v->ready, O_CLOEXEC));
	v->pid = access_keep(cg_run(cg, victim_main, v));
	ASSERT_GT(v->pid, 0);
	close(v->ready[1]);
	ASSERT_EQ(1, read(v->ready[0], &byte, 1));
	close(v->ready[0]);
	fd = pidfd_of(v->pid, 0);
	ASSERT_GE(fd, 0);
	return fd;
}

static inline int process_of(struct __test_metadata *_metadata,
			     const struct cg *cg, uid_t uid)
{
	struct victim v = { .ruid = uid, .euid = uid, .suid = uid };

	return victim(_metadata, cg, &v);
}

/* The node as somebody else has opened it, sent over a socket */
static inline int node_of(struct __test_metadata *_metadata, uid_t uid,
			  uint64_t caps)
{
	int sock[2], fd;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	pid = fork();
	if (pid == 0) {
		if (become(uid, caps, 0))
			_exit(1);
		fd = heap_open();
		_exit(fd < 0 || send_fd(sock[1], fd));
	}
	ASSERT_GT(pid, 0);
	EXPECT_EQ(0, cg_reap(pid));
	/* Now this ends, too, if there is nothing to come. */
	close(sock[1]);
	fd = recv_fd(sock[0]);
	ASSERT_GT(fd, 0);
	close(sock[0]);
	return fd;
}

struct attempt {
	/* who: a process in @from */
	const struct cg *from;
	uid_t uid;
	uint64_t caps;
	int userns;		/* see become() */
	bool unshare;		/* then makes a user namespace of its own */
	bool pidns;		/* is in a pid namespace of its own */
	/* by which node: 0, it opens the node itself */
	int node;
	int sock;		/* it is sent the node here */
	/* whom */
	const struct cg *to;
	uint32_t charge_fd;
	bool own_pidfd;		/* itself instead, by pidfd */
	bool grant;		/* @charge_fd is one */
	/* out */
	int failed;		/* step at which it could not go on */
	int alloc;
	int made;		/* GRANT */
	int transfer;
	int leaked;		/* fds */
	uint64_t home;		/* number of the caller's cgroup */
	int64_t left;		/* bytes that TRANSFER took from it */
};

static inline int attempt_fail(struct attempt *a, int step)
{
	a->failed = step;
	return 1;
}

static inline int attempt_calls(struct attempt *a)
{
	struct dma_heap_memcg_query_args before, after;
	int dev, own, fds, fd;

	if (become(a->uid, a->caps, a->userns) ||
	    (a->unshare && unshare(CLONE_NEWUSER)))
		return attempt_fail(a, 1);
	dev = a->sock ? recv_fd(a->sock) : a->node ?: heap_open();
	if (dev <= 0)
		return attempt_fail(a, 2);
	if (a->own_pidfd)
		a->charge_fd = pidfd_of(getpid(), 0);
	own = heap_alloc(dev, TRY_LEN, HEAP_SELF);
	if (own < 0 || heap_query(dev, HEAP_SELF, &before))
		return attempt_fail(a, 3);

	fds = count_fds();
	fd = heap_alloc(dev, TRY_LEN, a->charge_fd);
	a->alloc = fd < 0 ? fd : 0;
	if (fd >= 0)
		close(fd);
	if (!a->grant) {
		fd = heap_grant(dev, a->charge_fd, TRY_LEN, INT64_MAX);
		a->made = fd < 0 ? fd : 0;
		if (fd >= 0)
			close(fd);
	}
	a->transfer = heap_transfer(dev, own, a->charge_fd);
	a->leaked = count_fds() - fds;
	if (heap_query(dev, HEAP_SELF, &after))
		return attempt_fail(a, 4);
	a->home = before.out_cgroup;
	a->left = before.out_local_bytes - after.out_local_bytes;
	return 0;
}

static inline int attempt_main(void *arg)
{
	struct attempt *a = arg;
	pid_t pid;

	if (!a->pidns)
		return attempt_calls(a);
	if (unshare(CLONE_NEWPID))
		return attempt_fail(a, 5);
	pid = fork();
	if (pid == 0)
		_exit(attempt_calls(a));
	return pid > 0 ? cg_reap(pid) : attempt_fail(a, 6);
}

/*
 * What ALLOC, GRANT and TRANSFER say, which must be the same: 0 or -errno. It
 * must have come to pass then, or have left nothing but its mark.
 */
static inline int attempt(struct __test_metadata *_metadata,
			  const struct access_env *env, struct attempt *how)
{
	struct dma_heap_memcg_query_args before, after, above[2];
	struct attempt *a = mmap(NULL, sizeof(*a), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t calls = how->grant ? 2 : 3;
	int64_t peak;
	pid_t pid;
	int ret;

	ASSERT_NE(MAP_FAILED, a);
	*a = *how;
	before = cgroup_stats(_metadata, env, a->to);
	above[0] = cgroup_stats(_metadata, env, &env->env.top);
	peak = cg_read(a->to, "memory.peak");

	pid = cg_run(a->from, attempt_main, a);
	ASSERT_GT(pid, 0);
	EXPECT_EQ(0, cg_reap(pid)) TH_LOG("step %d", a->failed);
	EXPECT_EQ(0, a->failed);

	after = cgroup_stats(_metadata, env, a->to);
	above[1] = cgroup_stats(_metadata, env, &env->env.top);
	ret = a->alloc;
	EXPECT_EQ(ret, a->transfer);
	/* GRANT takes no grant; @made is 0 then, as it was. */
	EXPECT_EQ(a->grant ? 0 : ret, a->made);
	EXPECT_EQ(0, a->leaked);
	EXPECT_EQ(before.out_bytes, after.out_bytes);
	if (ret) {
		EXPECT_EQ(0, a->left);
		EXPECT_EQ(before.out_denials + calls, after.out_denials);
		EXPECT_EQ(above[0].out_denials + calls, above[1].out_denials);
		EXPECT_EQ(before.out_charges, after.out_charges);
		EXPECT_EQ(before.out_peak, after.out_peak);
		EXPECT_EQ(before.out_failures, after.out_failures);
		/* nor has it been charged for a moment */
		EXPECT_GE(peak + cg_slack(), cg_read(a->to, "memory.peak"));
	} else {
		EXPECT_EQ(a->home == after.out_cgroup ? 0 : TRY_LEN, a->left);
		EXPECT_EQ(before.out_denials, after.out_denials);
		EXPECT_LT(before.out_charges, after.out_charges);
		EXPECT_LE((uint64_t)TRY_LEN, after.out_peak);
	}
	munmap(a, sizeof(*a));
	return ret;
}

#endif /* _ACCESS_H */

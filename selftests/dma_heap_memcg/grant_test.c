// SPDX-License-Identifier: GPL-2.0-only
/* Grants: what they permit, to whom, and how much. */
#include "grant.h"

#define THREADS	8
#define ROUNDS	50

FIXTURE(grant) {
	struct access_env a;
	struct cg third;
	int caller_dir;
	int grant;	/* for the target, made here */
};

FIXTURE_SETUP(grant)
{
	access_env_setup(_metadata, &self->a);
	ASSERT_EQ(0, cg_new(&self->third, &self->a.env.top, "third"));
	self->caller_dir = cg_open(&self->a.caller, 0);
	ASSERT_GE(self->caller_dir, 0);
	self->grant = heap_grant(self->a.env.dev, self->a.dir, BUDGET,
				 INT64_MAX);
	ASSERT_GE(self->grant, 0);
}

FIXTURE_TEARDOWN(grant)
{
	access_env_teardown(_metadata, &self->a);
}

/* A service that says when it has allocated, and frees when it is told to */
static int holder_main(void *arg)
{
	const struct service *s = arg;
	int dev, grant, buf;
	char byte = 'r';

	if (become(OTHER, NO_CAPS, 0))
		return 1;
	dev = heap_open();
	/* It has no right of its own. */
	if (heap_alloc(dev, TRY_LEN, s->charge_fd) != -EPERM ||
	    write(s->sock, &byte, 1) != 1)
		return 2;
	grant = recv_fd(s->sock);
	buf = heap_alloc(dev, TRY_LEN, grant);
	if (buf < 0)
		return 3;
	if (write(s->sock, &byte, 1) != 1 || read(s->sock, &byte, 1) != 1)
		return 4;
	close(buf);
	return write(s->sock, &byte, 1) == 1 ? 0 : 5;
}

TEST_F(grant, client_to_service)
{
	struct client c = { .cg = &self->a.target, .uid = NOBODY };
	struct service s = { .charge_fd = self->a.dir };
	int64_t target, caller;
	int sock[2];
	pid_t pid;
	char byte;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	s.sock = sock[1];
	pid = access_keep(cg_run(&self->a.caller, holder_main, &s));
	ASSERT_GT(pid, 0);
	close(sock[1]);
	client_start(_metadata, &c);
	ASSERT_EQ(1, read(sock[0], &byte, 1));
	target = cg_read(&self->a.target, "memory.current");
	caller = cg_read(&self->a.caller, "memory.current");

	ASSERT_EQ(0, send_fd(sock[0], c.grant));
	close(c.grant);
	ASSERT_EQ(1, read(sock[0], &byte, 1));
	EXPECT_TRUE(cg_settles(&self->a.target, target + TRY_LEN, cg_slack()));
	EXPECT_TRUE(cg_settles(&self->a.caller, caller, cg_slack()));
	EXPECT_EQ(TRY_LEN, charged(_metadata, &self->a, &self->a.target));
	EXPECT_EQ(0, charged(_metadata, &self->a, &self->a.caller));

	ASSERT_EQ(1, write(sock[0], &byte, 1));
	ASSERT_EQ(1, read(sock[0], &byte, 1));
	EXPECT_EQ(0, charged(_metadata, &self->a, &self->a.target));
	EXPECT_TRUE(cg_settles(&self->a.target, target, cg_slack()));
	EXPECT_EQ(0, cg_reap(pid));
	EXPECT_EQ(1, cgroup_stats(_metadata, &self->a,
				  &self->a.target).out_denials);
}

/* From one service to the next; in between nobody has it but the socket. */
TEST_F(grant, double_hop)
{
	struct client c = { .cg = &self->a.target, .uid = NOBODY };
	struct service first = {}, second = {};
	int in[2], out[2];

	client_start(_metadata, &c);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out));
	ASSERT_EQ(0, send_fd(in[0], c.grant));
	close(c.grant);
	first.sock = in[1];
	first.pass_to = out[0];
	second.sock = out[1];
	EXPECT_EQ(0, cg_reap(cg_run(&self->a.caller, service_main, &first)));
	EXPECT_EQ(0, cg_reap(cg_run(&self->third, service_main, &second)));
	EXPECT_EQ(1, cgroup_stats(_metadata, &self->a,
				  &self->a.target).out_charges);
	EXPECT_EQ(0, cgroup_stats(_metadata, &self->a,
				  &self->third).out_charges);
}

/* Who may charge may grant, and what was granted holds from then on. */
TEST_F(grant, made_by_right)
{
	struct client c = {
		.cg = &self->a.caller,
		.uid = NOBODY,
		.charge_fd = self->a.dir,
	};

	ASSERT_EQ(0, chown(self->a.target.path, NOBODY, NOBODY));
	client_start(_metadata, &c);
	EXPECT_EQ(EPERM, serve(&self->third, self->a.dir));
	EXPECT_EQ(0, serve(&self->third, c.grant));
	ASSERT_EQ(0, chown(self->a.target.path, 0, 0));
	EXPECT_EQ(0, serve(&self->third, c.grant));

	c.charge_fd = process_of(_metadata, &self->a.target, NOBODY);
	client_start(_metadata, &c);
	EXPECT_EQ(EPERM, serve(&self->third, c.charge_fd));
	EXPECT_EQ(0, serve(&self->third, c.grant));
	EXPECT_EQ((int64_t)cg_id(&self->a.target),
		  grant_info(c.grant, "cgroup"));
}

TEST_F(grant, policies)
{
	struct client c = { .cg = &self->a.target, .uid = NOBODY };

	client_start(_metadata, &c);
	EXPECT_EQ(0, serve(&self->a.caller, c.grant));
	ASSERT_EQ(0, heap_param_set("remote_policy", "strict"));
	EXPECT_EQ(0, serve(&self->a.caller, c.grant));
	ASSERT_EQ(0, heap_param_set("remote_policy", "off"));
	EXPECT_EQ(EPERM, serve(&self->a.caller, c.grant));
	EXPECT_EQ(1, cgroup_stats(_metadata, &self->a,
				  &self->a.target).out_denials);
	/* To its own cgroup it is nothing more than that. */
	EXPECT_EQ('a', client_do(&c, 'a'));
}

TEST_F(grant, budget)
{
	int dev = self->a.env.dev, fds, buf[4], i;
	long page = sysconf(_SC_PAGESIZE);
	void *map;

	buf[0] = heap_alloc(dev, BUDGET, self->grant);
	ASSERT_GE(buf[0], 0);
	EXPECT_EQ(BUDGET, grant_info(self->grant, "used"));
	fds = count_fds();
	EXPECT_EQ(-EDQUOT, heap_alloc(dev, 1, self->grant));
	EXPECT_EQ(-EDQUOT, heap_alloc(dev, page, self->grant));
	EXPECT_EQ(fds, count_fds());
	EXPECT_EQ(BUDGET, charged(_metadata, &self->a, &self->a.target));

	/* It is the memory that counts, not the fd. */
	map = buf_map(buf[0], PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, map);
	close(buf[0]);
	EXPECT_EQ(-EDQUOT, heap_alloc(dev, page, self->grant));
	munmap(map, BUDGET);
	EXPECT_EQ(0, grant_info(self->grant, "used"));

	EXPECT_EQ(-EDQUOT, heap_alloc(dev, BUDGET + 1, self->grant));
	EXPECT_EQ(0, grant_info(self->grant, "used"));
	for (i = 0; i < 4; i++) {
		buf[i] = heap_alloc(dev, BUDGET / 4, self->grant);
		ASSERT_GE(buf[i], 0);
	}
	EXPECT_EQ(-EDQUOT, heap_alloc(dev, page, self->grant));
	close(buf[2]);
	EXPECT_EQ(-EDQUOT, heap_alloc(dev, BUDGET / 4 + 1, self->grant));
	EXPECT_EQ(0, use_grant(dev, self->grant, BUDGET / 4));
}

/* Buffers are whole pages. */
TEST_F(grant, budget_and_pages)
{
	long page = sysconf(_SC_PAGESIZE);
	int dev = self->a.env.dev, grant, buf;

	grant = heap_grant(dev, self->a.dir, page - 1, INT64_MAX);
	ASSERT_GE(grant, 0);
	EXPECT_EQ(-EDQUOT, heap_alloc(dev, 1, grant));
	close(grant);

	grant = heap_grant(dev, self->a.dir, 2 * page - 1, INT64_MAX);
	ASSERT_GE(grant, 0);
	buf = heap_alloc(dev, 1, grant);
	ASSERT_GE(buf, 0);
	EXPECT_EQ(page, grant_info(grant, "used"));
	EXPECT_EQ(-EDQUOT, heap_alloc(dev, 1, grant));
	close(grant);

	grant = heap_grant(dev, self->a.dir, UINT64_MAX, INT64_MAX);
	ASSERT_GE(grant, 0);
	EXPECT_EQ(0, use_grant(dev, grant, TRY_LEN));
	EXPECT_EQ(0, use_grant(dev, grant, TRY_LEN));
}

struct spender {
	pthread_t thread;
	int dev;
	int grant;
	unsigned int seed;
	/* out */
	int spent;
	int refused;
	int failed;
};

/* Never more than what is in use: added after, taken off before */
static int64_t in_use, most_in_use;

static void *spend(void *arg)
{
	struct spender *s = arg;
	int64_t len, now, most;
	int i, fd;

	for (i = 0; i < ROUNDS; i++) {
		len = MIB(1) + rand_r(&s->seed) % MIB(1);
		fd = heap_alloc(s->dev, len, s->grant);
		if (fd < 0) {
			s->refused += fd == -EDQUOT;
			s->failed += fd != -EDQUOT;
			sleep_ms(1);
			continue;
		}
		now = __atomic_add_fetch(&in_use, len, __ATOMIC_SEQ_CST);
		most = __atomic_load_n(&most_in_use, __ATOMIC_SEQ_CST);
		while (now > most &&
		       !__atomic_compare_exchange_n(&most_in_use, &most, now,
						    false, __ATOMIC_SEQ_CST,
						    __ATOMIC_SEQ_CST))
			;
		sleep_ms(1);
		__atomic_sub_fetch(&in_use, len, __ATOMIC_SEQ_CST);
		close(fd);
		s->spent++;
	}
	return NULL;
}

TEST_F(grant, budget_of_many_threads)
{
	struct spender s[THREADS] = {};
	int64_t budget = MIB(4);
	int grant, i, spent = 0, refused = 0;

	grant = heap_grant(self->a.env.dev, self->a.dir, budget, INT64_MAX);
	ASSERT_GE(grant, 0);
	for (i = 0; i < THREADS; i++) {
		s[i].dev = self->a.env.dev;
		s[i].grant = grant;
		s[i].seed = i;
		ASSERT_EQ(0, pthread_create(&s[i].thread, NULL, spend, &s[i]));
	}
	for (i = 0; i < THREADS; i++) {
		ASSERT_EQ(0, pthread_join(s[i].thread, NULL));
		EXPECT_EQ(0, s[i].failed);
		spent += s[i].spent;
		refused += s[i].refused;
	}
	EXPECT_LT(0, spent);
	EXPECT_LT(0, refused);
	EXPECT_GE(budget, most_in_use);
	EXPECT_GE((uint64_t)budget, cgroup_stats(_metadata, &self->a,
						 &self->a.target).out_peak);
	/* and nothing of it is lost */
	EXPECT_EQ(0, grant_info(grant, "used"));
	EXPECT_EQ(0, use_grant(self->a.env.dev, grant, budget));
}

/* memory.max holds as ever, and what it refuses was not spent. */
TEST_F(grant, limits)
{
	const struct cg *limited[] = { &self->a.target, &self->a.env.top };
	int dev = self->a.env.dev, fds = count_fds();
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(limited); i++) {
		ASSERT_EQ(0, cg_write_bytes(limited[i], "memory.max", MIB(4)));
		EXPECT_EQ(-ENOMEM, heap_alloc(dev, BUDGET, self->grant));
		EXPECT_EQ(fds, count_fds());
		EXPECT_EQ(0, grant_info(self->grant, "used"));
		ASSERT_EQ(0, cg_write(limited[i], "memory.max", "max"));
		EXPECT_EQ(0, use_grant(dev, self->grant, BUDGET));
	}
}

TEST_HARNESS_MAIN

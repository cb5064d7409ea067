// SPDX-License-Identifier: GPL-2.0-only
/*
 * docs/examples/compositor-loop.c and its clients: all that behave come to the end of
 * their frames, while one dies, one stalls and one floods.
 */
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

#include "env_util.h"

#define GOOD	13
#define BAD	3
#define FRAMES	30

/* Among the good ones */
#define FIRST_BAD	5

FIXTURE(loop) {
	struct env env;
	char dir[256];		/* of this program, and of the examples */
	char socket[64];
	FILE *compositor;
	char line[256];
};

FIXTURE_SETUP(loop)
{
	char command[512];

	env_setup(_metadata, &self->env);
	ASSERT_GT(readlink("/proc/self/exe", self->dir, sizeof(self->dir) - 1),
		  0);
	dirname(self->dir);
	snprintf(self->socket, sizeof(self->socket), "/tmp/compositor-%d",
		 getpid());
	unlink(self->socket);
	/* Its end is that of its clients, whatever they wait for. */
	snprintf(command, sizeof(command),
		 "exec timeout 200 %s/compositor-loop %s %d", self->dir,
		 self->socket, GOOD + BAD);
	self->compositor = popen(command, "re");
	ASSERT_NE(NULL, self->compositor);
	ASSERT_NE(NULL, fgets(self->line, sizeof(self->line),
			      self->compositor));
	ASSERT_EQ(0, strncmp("listening at ", self->line, 13));
}

FIXTURE_TEARDOWN(loop)
{
	unlink(self->socket);
	env_teardown(_metadata, &self->env);
}

static pid_t start_client(FIXTURE_DATA(loop) *self, const char *bad)
{
	char path[300], frames[16];
	pid_t pid = fork();

	if (pid)
		return pid;
	snprintf(path, sizeof(path), "%s/compositor-client", self->dir);
	snprintf(frames, sizeof(frames), "%d", FRAMES);
	execl(path, path, self->socket, frames, bad, NULL);
	_exit(127);
}

TEST_F(loop, sixteen_clients)
{
	static const char * const bad[BAD] = { "dies", "stalls", "floods" };
	unsigned int frames, torn, done, died, late, wrong;
	int status[GOOD + BAD], i;
	pid_t pid[GOOD + BAD];
	long long longest;

	for (i = 0; i < GOOD + BAD; i++)
		pid[i] = start_client(self, i >= FIRST_BAD &&
				      i < FIRST_BAD + BAD ?
				      bad[i - FIRST_BAD] : NULL);
	for (i = 0; i < GOOD + BAD; i++)
		ASSERT_EQ(pid[i], waitpid(pid[i], &status[i], 0));
	ASSERT_NE(NULL, fgets(self->line, sizeof(self->line),
			      self->compositor));
	self->line[strcspn(self->line, "\n")] = '\0';
	EXPECT_EQ(0, pclose(self->compositor));

	for (i = 0; i < GOOD + BAD; i++) {
		if (i < FIRST_BAD || i >= FIRST_BAD + BAD)
			EXPECT_EQ(0, status[i]);
	}
	EXPECT_TRUE(WIFSIGNALED(status[FIRST_BAD]));
	EXPECT_EQ(SIGKILL, WTERMSIG(status[FIRST_BAD]));
	EXPECT_EQ(3, WEXITSTATUS(status[FIRST_BAD + 1]));
	EXPECT_EQ(3, WEXITSTATUS(status[FIRST_BAD + 2]));

	TH_LOG("%s", self->line);
	i = sscanf(self->line,
		   "%u frames, %u torn; clients: %u done, %u died, %u late, %u wrong; longest turn %lld ms",
		   &frames, &torn, &done, &died, &late, &wrong, &longest);
	ASSERT_EQ(7, i);
	EXPECT_EQ(GOOD, done);
	EXPECT_EQ(1, died);
	EXPECT_EQ(1, late);
	EXPECT_EQ(1, wrong);
	EXPECT_EQ(0, torn);
	/*
	 * One stalls with half of its frames, less the one that it owes; one dies
	 * there, perhaps before its last one was on the screen.
	 */
	EXPECT_LE(GOOD * FRAMES + (FRAMES / 2 - 1) + (FRAMES / 2 - 2), frames);
	EXPECT_GE(GOOD * FRAMES + (FRAMES / 2 - 1) + (FRAMES / 2 - 1), frames);
	/* It has waited for none of them, one of which makes it wait for 8 seconds. */
	EXPECT_GT(5000, longest);
}

TEST_HARNESS_MAIN

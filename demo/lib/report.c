// SPDX-License-Identifier: GPL-2.0-only
/* What is printed, and how a demo ends when something is not as it should. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>

#include "demo.h"

char text[512];
int step;
void (*clean_up)(void);

static __s64 step_start;

__s64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

double msec(__s64 nsec)
{
	return nsec / 1e6;
}

_Noreturn void fail_with_text(void)
{
	struct msg msg = { .failed = true };
	void (*last)(void) = clean_up;

	alarm(0);
	if (parent.pid) {
		memcpy(msg.text, text, sizeof(msg.text) - 1);
		send(parent.sock, &msg, sizeof(msg), MSG_NOSIGNAL);
		_exit(1);
	}
	printf("    FAILED: %s\n", text);
	peers_end();
	fflush(stdout);
	clean_up = NULL;	/* it may fail, too */
	if (last)
		last();
	_exit(1);
}

static void on_alarm(int sig)
{
	static const char late[] = "    FAILED: no result within 10 seconds\n";

	(void)sig;
	if (write(STDOUT_FILENO, late, sizeof(late) - 1) < 0)
		_exit(2);
	peers_kill();
	_exit(1);
}

void begin(const char *title)
{
	printf("\n%2d. %s\n", ++step, title);
	fflush(stdout);
	signal(SIGALRM, on_alarm);
	alarm(STEP_SECONDS);
	step_start = now();
}

void end_with_text(void)
{
	alarm(0);
	printf("    %s  [%.1f ms]\n", text, msec(now() - step_start));
	fflush(stdout);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the demos share: numbered steps that must be proved, and processes that
 * answer over sockets.
 */
#ifndef _DEMO_H
#define _DEMO_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>
#include <linux/types.h>

#define STEP_SECONDS	10

/* A process as another one sees it. */
struct peer {
	const char *name;
	pid_t pid;
	int sock;
};

/* One message; also what a child says that has failed. */
struct msg {
	bool failed;
	int op;		/* the demo's own */
	__s64 time;
	__u64 value;
	char text[128];
};

/* report.c */
extern char text[512];
extern int step;
/* What else is to be done when the demo fails; in the parent. */
extern void (*clean_up)(void);

__s64 now(void);
double msec(__s64 nsec);
_Noreturn void fail_with_text(void);
void begin(const char *title);
void end_with_text(void);

/* Ends the process that calls it, and the demo with it. */
#define fail(...) \
	(snprintf(text, sizeof(text), __VA_ARGS__), fail_with_text())
#define proved(...) \
	(snprintf(text, sizeof(text), __VA_ARGS__), end_with_text())

/* peer.c */
extern struct peer parent;	/* pid is 0 in the parent itself */

/* Forks; the child runs @run and exits. It dies with the parent. */
struct peer *peer_start(const char *name, void (*run)(void));
void die_with_parent(void);
/* Waits for the child, which must exit with status 0. */
void peer_join(struct peer *peer);
/* Prints what they have said, and kills them. */
void peers_end(void);
void peers_kill(void);

void send_msg(const struct peer *peer, const struct msg *msg, int fd);
/* Returns the fd that came with the message; -1 if there was none. */
int recv_msg(const struct peer *peer, struct msg *msg);
void send_fd(const struct peer *peer, int fd);
int recv_fd(const struct peer *peer);
void send_value(const struct peer *peer, __s64 time, __u64 value);

#endif /* _DEMO_H */

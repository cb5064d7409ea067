// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/syncobj at work, with nothing faked.
 *
 * Two processes share a timeline and a frame buffer. The producer opens
 * nothing but /dev/syncobj. The consumer has a DRM device, virtio-gpu, as
 * well, and imports the timeline there. The consumer waits for points that
 * nobody has submitted; the producer draws and signals; what the consumer
 * then finds in the frame buffer shows that it was not woken too early.
 *
 * The parent is the producer and prints. The consumer is forked before
 * anything is opened, and answers over a socket. Each step must come to its
 * end within STEP_SECONDS. Exit status 0: every step has been proved.
 */
#include "syncobj-demo.h"

int main(void)
{
	run_producer(peer_start("consumer", run_consumer));
	return 0;
}

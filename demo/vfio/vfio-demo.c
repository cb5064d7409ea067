// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio_pci_dmabuf at work, with nothing faked.
 *
 * Three processes: a primary, which is the driver of a display in user space,
 * and two clients without privileges, which have neither the device nor its
 * group. They get a slice of its frame buffer over a socket. What they draw is
 * looked at from outside: QEMU says what is on the screen.
 *
 * The device is QEMU's bochs-display "bochs0", in a guest of scripts/vm. Each
 * step must come to its end within STEP_SECONDS. Exit status 0: every step has
 * been proved.
 *
 *   vfio-demo [PNG]	the file that gets what the first client has drawn
 */
#include <unistd.h>

#include "vfio-demo.h"

int main(int argc, char **argv)
{
	struct peer *first, *second;

	if (geteuid())
		fail("must be root");
	/* Before anything is opened that they could inherit. */
	first = peer_start("the first client", run_client);
	second = peer_start("the second client", run_client);
	run_primary(first, second, argc > 1 ? argv[1] : NULL);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* What the parts of the demo of vfio_pci_dmabuf share. */
#ifndef _VFIO_DEMO_H
#define _VFIO_DEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "demo.h"
#include "vfio_util.h"

/* The screen, 32 bits a pixel, at the beginning of the display's BAR 0 */
#define WIDTH		1024
#define HEIGHT		768
#define PIXELS		(WIDTH * HEIGHT)
#define FRAME		((size_t)PIXELS * 4)

#define CLIENT_UID	65534

/* What the primary asks a client for: struct msg.op */
enum op {
	OP_DRAW,	/* map the slice that comes along, draw picture value */
	OP_DRAW_ON,	/* draw it again and again; two answers, see client.c */
	OP_MAP,		/* the errno of another mmap() of the slice */
	OP_EXIT,
};

/* picture.c: 0x00RRGGBB */
#define PICTURES	2
uint32_t picture(unsigned int which, unsigned int x, unsigned int y);

/* display.c: the emulated GPU, as its driver in user space sees it */
extern struct vfio_dev display;

void display_bind(void);
void display_unbind(void);
void display_open(void);
void display_mode(void);
int display_export(void);
struct vfio_dmabuf_info display_info(int slice);

/* screen.c: what is on the screen, as the machine around the guest says */
void screen_open(void);
/* Number of pixels that are not picture @which; PICTURES: not black */
unsigned int screen_wrong(unsigned int which, const char *png);

/* client.c: the process that draws */
void run_client(void);

/* primary.c: the process that has the device, and prints */
void run_primary(struct peer *first, struct peer *second, const char *png);

#endif /* _VFIO_DEMO_H */

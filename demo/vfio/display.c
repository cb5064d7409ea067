// SPDX-License-Identifier: GPL-2.0-only
/* The display's driver: as much of one as it takes. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "vfio-demo.h"

/* BAR 2 of bochs-display: 16-bit registers */
#define DISPI		0x500
enum {
	DISPI_XRES = 1,
	DISPI_YRES,
	DISPI_BPP,
	DISPI_ENABLE,
	DISPI_VIRT_WIDTH = 6,
	DISPI_VIRT_HEIGHT,
	DISPI_X_OFFSET,
	DISPI_Y_OFFSET,
};

#define DISPI_ENABLED	1

struct vfio_dev display;

/* Both functions of the slot: they are one IOMMU group. */
static void give(const char *verb)
{
	char a[16], b[16], command[128], line[128] = "";
	FILE *f;

	if (vfio_find(VFIO_BOCHS, a) || vfio_find(VFIO_SIBLING, b))
		fail("this machine has no such display");
	snprintf(display.bdf, sizeof(display.bdf), "%s", a);
	snprintf(command, sizeof(command), "bufsync-vfio %s %s %s 2>&1", verb,
		 a, b);
	f = popen(command, "re");
	if (!f)
		fail("%s: %s", command, strerror(errno));
	while (fgets(line, sizeof(line), f))
		printf("    %s", line);
	if (pclose(f))
		fail("%s: %s", command, line);
}

void display_bind(void)
{
	give("bind");
}

void display_unbind(void)
{
	give("unbind");
}

void display_open(void)
{
	int ret = vfio_open(&display, display.bdf, NULL);

	if (ret)
		fail("%s: %s", display.bdf, strerror(-ret));
	ret = vfio_memory_enable(&display, true);
	if (ret)
		fail("PCI_COMMAND: %s", strerror(-ret));
}

static void put(uint16_t *dispi, int index, uint16_t value)
{
	__atomic_store_n(&dispi[index], value, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&dispi[index], __ATOMIC_SEQ_CST) != value)
		fail("the display's register %d does not take %u", index,
		     value);
}

void display_mode(void)
{
	char *bar = vfio_bar_map(&display, 2, PROT_READ | PROT_WRITE);
	uint16_t *dispi;

	if (bar == MAP_FAILED)
		fail("mmap of BAR 2: %s", strerror(errno));
	dispi = (uint16_t *)(bar + DISPI);
	put(dispi, DISPI_XRES, WIDTH);
	put(dispi, DISPI_YRES, HEIGHT);
	put(dispi, DISPI_BPP, 32);
	put(dispi, DISPI_VIRT_WIDTH, WIDTH);
	put(dispi, DISPI_VIRT_HEIGHT, HEIGHT);
	put(dispi, DISPI_X_OFFSET, 0);
	put(dispi, DISPI_Y_OFFSET, 0);
	put(dispi, DISPI_ENABLE, DISPI_ENABLED);
	munmap(bar, vfio_bar_size(&display, 2));
}

/* The frame, write-combined */
int display_export(void)
{
	int ret, slice;

	slice = vfio_export(&display, 0, 0, FRAME, O_RDWR | O_CLOEXEC);
	if (slice < 0)
		fail("DMA_BUF: %s", strerror(-slice));
	ret = vfio_memattr(&display, slice, VFIO_DMABUF_MEMATTR_WC);
	if (ret)
		fail("MEMATTR: %s", strerror(-ret));
	return slice;
}

struct vfio_dmabuf_info display_info(int slice)
{
	struct vfio_dmabuf_info info = {};
	int ret = vfio_info(&display, slice, &info);

	if (ret)
		fail("INFO: %s", strerror(-ret));
	return info;
}

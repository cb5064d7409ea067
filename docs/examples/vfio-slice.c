// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * A driver in user space vends a part of a BAR, and takes it back:
 * cc -I include/uapi -I include/user vfio-slice.c
 *
 *   bufsync-vfio bind 0000:01:00.0
 *   ./a.out 0000:01:00.0 0
 *
 * It writes into BAR 0 of the device, which must be memory.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bufsync/aligned-map.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <linux/vfio-dmabuf.h>

#define MOST		(8 << 20)	/* of the BAR */

/* One message: a number, and an fd if that is not -1. */
static void send_fd(int sock, size_t number, int fd)
{
	union { struct cmsghdr hdr; char room[CMSG_SPACE(sizeof(fd))]; } c = {
		.hdr = { CMSG_LEN(sizeof(fd)), SOL_SOCKET, SCM_RIGHTS },
	};
	struct iovec iov = { &number, sizeof(number) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	memcpy(CMSG_DATA(&c.hdr), &fd, sizeof(fd));
	if (fd >= 0) {
		msg.msg_control = &c;
		msg.msg_controllen = CMSG_LEN(sizeof(fd));
	}
	if (sendmsg(sock, &msg, MSG_NOSIGNAL) != sizeof(number))
		err(1, "sendmsg");
}

static size_t receive_fd(int sock, int *fd)
{
	union { struct cmsghdr hdr; char room[CMSG_SPACE(sizeof(*fd))]; } c;
	size_t number;
	struct iovec iov = { &number, sizeof(number) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = &c, .msg_controllen = sizeof(c) };

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != sizeof(number))
		errx(1, "the other process is gone");
	*fd = -1;
	if (CMSG_FIRSTHDR(&msg))
		memcpy(fd, CMSG_DATA(&c.hdr), sizeof(*fd));
	return number;
}

/* The picture */
static uint32_t color(size_t i)
{
	return i * 2654435761u | 1;
}

/* The client: has the slice, and neither device, group nor container. */

static sigjmp_buf revoked;
static unsigned int pictures;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(revoked, 1);
}

static void draw_until_revoked(uint32_t *pixel, size_t size, int sock)
{
	size_t i;

	if (sigsetjmp(revoked, 1))
		return;
	for (;;) {
		for (i = 0; i < size / sizeof(*pixel); i++)
			pixel[i] = color(i);
		__sync_synchronize();	/* what was combined is written */
		if (!pictures++)
			send_fd(sock, 0, -1);
	}
}

static int run_client(int sock)
{
	struct sigaction action = { .sa_handler = on_sigbus };
	uint32_t *pixel;
	size_t size;
	int slice;

	size = receive_fd(sock, &slice);
	pixel = bufsync_map_aligned(slice, size, 0, PROT_READ | PROT_WRITE, 0);
	if (pixel == MAP_FAILED)
		err(1, "mmap");
	sigaction(SIGBUS, &action, NULL);
	draw_until_revoked(pixel, size, sock);

	/* Nothing of it is left, and it cannot be mapped again. */
	if (mmap(NULL, size, PROT_READ, MAP_SHARED, slice, 0) != MAP_FAILED ||
	    errno != ENODEV)
		errx(1, "the slice can still be mapped");
	printf("client: SIGBUS after %u pictures, then ENODEV\n", pictures);
	return bufsync_unmap(pixel, size);
}

/* The primary: owns the device. */

static int open_device(const char *bdf)
{
	char path[128], link[128] = "";
	struct vfio_group_status status = { .argsz = sizeof(status) };
	int container, group, device;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	if (readlink(path, link, sizeof(link) - 1) < 0)
		err(1, "%s", path);
	snprintf(path, sizeof(path), "/dev/vfio%.64s", strrchr(link, '/'));
	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	group = open(path, O_RDWR | O_CLOEXEC);
	if (container < 0 || group < 0)
		err(1, "%s (bufsync-vfio bind %s)", path, bdf);
	if (ioctl(group, VFIO_GROUP_GET_STATUS, &status) ||
	    !(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		errx(1, "the host uses another device of the group");
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		err(1, "VFIO_SET_IOMMU");
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	if (device < 0)
		err(1, "VFIO_GROUP_GET_DEVICE_FD");
	return device;
}

/* The ioctl's result; what GET gives is in @payload afterwards. */
static int feature(int device, uint32_t flags, void *payload, size_t size)
{
	union { struct vfio_device_feature head; char room[256]; } arg = {
		.head = { .argsz = sizeof(arg.head) + size, .flags = flags },
	};
	int ret;

	memcpy(arg.head.data, payload, size);
	ret = ioctl(device, VFIO_DEVICE_FEATURE, &arg);
	memcpy(payload, arg.head.data, size);
	return ret;
}

static int export_slice(int device, uint32_t bar, uint64_t offset, uint64_t len)
{
	struct vfio_region_dma_range range = { .offset = offset, .length = len };
	struct vfio_device_feature_dma_buf head = {
		.region_index = VFIO_PCI_BAR0_REGION_INDEX + bar,
		.open_flags = O_RDWR | O_CLOEXEC,
		.nr_ranges = 1,
	};
	char payload[sizeof(head) + sizeof(range)];
	int slice;

	memcpy(payload, &head, sizeof(head));
	memcpy(payload + sizeof(head), &range, sizeof(range));
	slice = feature(device, VFIO_DEVICE_FEATURE_GET |
			VFIO_DEVICE_FEATURE_DMA_BUF, payload, sizeof(payload));
	if (slice < 0)
		err(1, "DMA_BUF (is the driver vfio_pci_dmabuf?)");
	return slice;
}

static void revoke_slice(int device, int slice)
{
	struct vfio_dmabuf_revoke args = { .dmabuf_fd = slice };

	if (feature(device, VFIO_DEVICE_FEATURE_SET |
		    VFIO_DMABUF_FEATURE_REVOKE, &args, sizeof(args)))
		err(1, "REVOKE");
}

static int run_primary(const char *bdf, uint32_t bar, int sock)
{
	struct vfio_region_info region = { .argsz = sizeof(region),
					   .index = bar };
	struct vfio_dmabuf_memattr wc = {
		.memattr = VFIO_DMABUF_MEMATTR_WC,
	};
	struct vfio_dmabuf_info info = { .dmabuf_fd = -1 };
	int device = open_device(bdf), none, status;
	uint32_t *pixel;
	size_t size, i;

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &region))
		err(1, "VFIO_DEVICE_GET_REGION_INFO");
	size = region.size < MOST ? region.size : MOST;

	/* The client may write to this, and to nothing else of the device. */
	wc.dmabuf_fd = export_slice(device, bar, 0, size);
	/* Before it is sent: what is mapped already stays as it is. */
	if (feature(device, VFIO_DEVICE_FEATURE_SET |
		    VFIO_DMABUF_FEATURE_MEMATTR, &wc, sizeof(wc)))
		err(1, "MEMATTR: BAR %u may be registers, not memory", bar);
	pixel = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, device,
		     region.offset);
	if (pixel == MAP_FAILED)
		err(1, "mmap of BAR %u", bar);
	for (i = 0; i < size / sizeof(*pixel); i++)
		pixel[i] = 0;	/* nothing of whoever had it before */
	send_fd(sock, size, wc.dmabuf_fd);
	receive_fd(sock, &none);

	/* Both see the same memory. */
	for (i = 0; i < size / sizeof(*pixel); i++)
		if (pixel[i] != color(i))
			errx(1, "pixel %zu is not what the client drew", i);
	printf("primary: the client has drawn %zu pixels\n", i);
	fflush(stdout);

	revoke_slice(device, wc.dmabuf_fd);
	/* From here on the range is nobody's, and may be given to another. */
	if (wait(&status) < 0 || status)
		errx(1, "the client has not noticed");
	close(wc.dmabuf_fd);
	export_slice(device, bar, 0, size);
	if (feature(device, VFIO_DEVICE_FEATURE_GET | VFIO_DMABUF_FEATURE_INFO,
		    &info, sizeof(info)))
		err(1, "INFO");
	printf("primary: %llu exports, %llu revoked, %u live\n",
	       info.out_exports, info.out_revokes, info.out_slices);
	return info.out_slices != 1;
}

int main(int argc, char **argv)
{
	int socks[2];

	if (argc != 3)
		errx(2, "usage: %s BDF BAR", argv[0]);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks))
		err(1, "socketpair");
	/* Before the device is opened, or the client would have it, too. */
	if (!fork()) {
		close(socks[0]);
		alarm(60);
		return run_client(socks[1]);
	}
	close(socks[1]);
	return run_primary(argv[1], atoi(argv[2]), socks[0]);
}

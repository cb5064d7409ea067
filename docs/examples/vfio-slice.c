// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * A driver in user space vends parts of a BAR to two clients, and takes one back while
 * the other draws on:
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
#define CLIENTS		2

/* Sends or receives a message: a number, and an fd if that is not -1. */
static void pass(int sock, int send, size_t *number, int *fd)
{
	union { struct cmsghdr hdr; char room[CMSG_SPACE(sizeof(*fd))]; } c = {
		.hdr = { CMSG_LEN(sizeof(*fd)), SOL_SOCKET, SCM_RIGHTS },
	};
	struct iovec iov = { number, sizeof(*number) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			      .msg_control = &c,
			      .msg_controllen = CMSG_LEN(sizeof(*fd)) };

	if (send && *fd < 0)
		msg.msg_controllen = 0;
	if (send)
		memcpy(CMSG_DATA(&c.hdr), fd, sizeof(*fd));
	if ((send ? sendmsg(sock, &msg, MSG_NOSIGNAL) :
	     recvmsg(sock, &msg, MSG_CMSG_CLOEXEC)) != sizeof(*number))
		errx(1, "the other process is gone");
	if (!send)
		*fd = -1;
	if (!send && CMSG_FIRSTHDR(&msg))
		memcpy(fd, CMSG_DATA(&c.hdr), sizeof(*fd));
}

/* A client's picture */
static uint32_t color(int client, size_t i)
{
	return (i + client) * 2654435761u | 1;
}

/* A client: has its slice, and neither device, group nor container. */

static sigjmp_buf revoked;
static unsigned int pictures;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(revoked, 1);
}

static void draw_until_revoked(int client, uint32_t *pixel, size_t size,
			       int sock)
{
	int none = -1;
	size_t i;

	if (sigsetjmp(revoked, 1))
		return;
	for (;;) {
		for (i = 0; i < size / sizeof(*pixel); i++)
			pixel[i] = color(client, i);
		__sync_synchronize();	/* what was combined is written */
		if (!pictures++)
			pass(sock, 1, &size, &none);
	}
}

static int run_client(int client, int sock)
{
	struct sigaction action = { .sa_handler = on_sigbus };
	uint32_t *pixel;
	size_t size;
	int slice;

	pass(sock, 0, &size, &slice);
	pixel = bufsync_map_aligned(slice, size, 0, PROT_READ | PROT_WRITE, 0);
	if (pixel == MAP_FAILED)
		err(1, "mmap");
	sigaction(SIGBUS, &action, NULL);
	draw_until_revoked(client, pixel, size, sock);

	/* Nothing of it is left, and it cannot be mapped again. */
	if (mmap(NULL, size, PROT_READ, MAP_SHARED, slice, 0) != MAP_FAILED ||
	    errno != ENODEV)
		errx(1, "the slice can still be mapped");
	printf("client %d: SIGBUS after %u pictures, then ENODEV\n", client,
	       pictures);
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

static void clear(volatile uint32_t *pixel, size_t size)
{
	while (size) {
		size -= sizeof(*pixel);
		pixel[size / sizeof(*pixel)] = 0;
	}
}

/* A slice to be written to as memory, with nothing of whoever had it before */
static int vend(int device, uint32_t bar, size_t offset, uint32_t *pixel,
		size_t size)
{
	struct vfio_dmabuf_memattr wc = {
		.memattr = VFIO_DMABUF_MEMATTR_WC,
	};

	wc.dmabuf_fd = export_slice(device, bar, offset, size);
	/* Before it is sent: what is mapped already stays as it is. */
	if (feature(device, VFIO_DEVICE_FEATURE_SET |
		    VFIO_DMABUF_FEATURE_MEMATTR, &wc, sizeof(wc)))
		err(1, "MEMATTR: BAR %u may be registers, not memory", bar);
	clear(pixel, size);
	return wc.dmabuf_fd;
}

/* From here on the range is nobody's, and may be given to another. */
static void take_back(int device, int slice, pid_t client)
{
	struct vfio_dmabuf_revoke args = { .dmabuf_fd = slice };
	int status;

	if (feature(device, VFIO_DEVICE_FEATURE_SET |
		    VFIO_DMABUF_FEATURE_REVOKE, &args, sizeof(args)))
		err(1, "REVOKE");
	if (waitpid(client, &status, 0) != client || status)
		errx(1, "the client has not noticed");
	close(slice);
}

/* How many pixels are as @client draws them */
static size_t drawn(int client, const volatile uint32_t *pixel, size_t size)
{
	size_t i, n = 0;

	for (i = 0; i < size / sizeof(*pixel); i++)
		n += pixel[i] == color(client, i);
	return n;
}

static int run_primary(const char *bdf, uint32_t bar, const int *socks,
		       const pid_t *pids)
{
	struct vfio_region_info region = { .argsz = sizeof(region),
					   .index = bar };
	struct vfio_dmabuf_info info = { .dmabuf_fd = -1 };
	int device = open_device(bdf), slices[CLIENTS], none, i;
	uint32_t *pixel[CLIENTS];
	size_t size, all, answer;

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &region))
		err(1, "VFIO_DEVICE_GET_REGION_INFO");
	size = (region.size < MOST ? region.size : MOST) / CLIENTS;
	all = size / sizeof(**pixel);
	if (!size || size % sysconf(_SC_PAGESIZE))
		errx(1, "BAR %u is too small", bar);
	pixel[0] = mmap(NULL, CLIENTS * size, PROT_READ | PROT_WRITE,
			MAP_SHARED, device, region.offset);
	if (pixel[0] == MAP_FAILED)
		err(1, "mmap of BAR %u", bar);
	/* Each may write to its range, and to nothing else of the device. */
	for (i = 0; i < CLIENTS; i++) {
		pixel[i] = pixel[0] + i * all;
		slices[i] = vend(device, bar, i * size, pixel[i], size);
		pass(socks[i], 1, &size, &slices[i]);
	}
	/* All see the same memory. */
	for (i = 0; i < CLIENTS; i++) {
		pass(socks[i], 0, &answer, &none);
		if (drawn(i, pixel[i], size) != all)
			errx(1, "this is not what client %d drew", i);
	}
	printf("primary: both have drawn, %zu pixels each\n", all);
	fflush(stdout);

	take_back(device, slices[0], pids[0]);
	slices[0] = vend(device, bar, 0, pixel[0], size);
	/* The other one draws on: what is rubbed out comes back. */
	clear(pixel[1], size);
	while (drawn(1, pixel[1], size) != all)
		usleep(1000);
	if (drawn(0, pixel[0], size) || drawn(1, pixel[0], size))
		errx(1, "somebody draws where nobody may");
	printf("primary: client 0 draws no more, client 1 does\n");
	fflush(stdout);

	take_back(device, slices[1], pids[1]);
	if (feature(device, VFIO_DEVICE_FEATURE_GET | VFIO_DMABUF_FEATURE_INFO,
		    &info, sizeof(info)))
		err(1, "INFO");
	printf("primary: %llu exports, %llu revoked, %u live\n",
	       info.out_exports, info.out_revokes, info.out_slices);
	return info.out_slices != 1;
}

int main(int argc, char **argv)
{
	int socks[CLIENTS], pair[2], i;
	pid_t pids[CLIENTS];

	if (argc != 3)
		errx(2, "usage: %s BDF BAR", argv[0]);
	/* Before the device is opened, or they would have it, too. */
	for (i = 0; i < CLIENTS; i++) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
			err(1, "socketpair");
		socks[i] = pair[0];
		pids[i] = fork();
		if (!pids[i]) {
			alarm(60);
			return run_client(i, pair[1]);
		}
		close(pair[1]);
	}
	alarm(60);
	return run_primary(argv[1], atoi(argv[2]), socks, pids);
}

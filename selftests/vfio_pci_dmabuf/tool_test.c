// SPDX-License-Identifier: GPL-2.0-only
/*
 * bufsync-vfio, as "make install" leaves it in /usr/sbin; the header
 * bufsync/aligned-map.h; and the example of docs/, on a device that the tool
 * has bound.
 *
 * The checks that the tests' machine cannot fail have a made-up sysfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bufsync/aligned-map.h>

#include "vfio_env.h"

#include "page_util.h"

#define TOOL	"bufsync-vfio"
#define HOST	"bochs-drm"
#define PCI	"/sys/bus/pci/devices/"
#define MIB	((size_t)1 << 20)
#define PAGE	((size_t)page_size())
#define HUGE	((size_t)pmd_size())

/* The whole of a small file; "" if it cannot be read. */
static const char *file_text(const char *path)
{
	static char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

static const char *attribute(const char *bdf, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), PCI "%s/%s", bdf, name);
	return file_text(path);
}

static const char *driver(const char *bdf)
{
	static char name[64];

	if (vfio_driver(bdf, name, sizeof(name)))
		return "(error)";
	return name;
}

static int group_of(const char *bdf)
{
	char path[128], to[128] = "";

	snprintf(path, sizeof(path), PCI "%s/iommu_group", bdf);
	if (readlink(path, to, sizeof(to) - 1) < 0)
		return -1;
	return atoi(basename(to));
}

static char command[1024];

/* Its exit status, and what it said in @out. */
static int run_command(char *out, size_t size)
{
	FILE *f = popen(command, "re");
	size_t len;
	int status;

	out[0] = '\0';
	if (!f)
		return -1;
	len = fread(out, 1, size - 1, f);
	out[len] = '\0';
	status = pclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* By the shell */
#define shell(out, size, ...) \
	(snprintf(command, sizeof(command), __VA_ARGS__), \
	 run_command(out, size))

FIXTURE(tool) {
	char a[16], b[16];	/* two functions of one group */
	int kmsg;
	unsigned long taint;
	char out[8192];
};

/* The tool's exit status */
#define TOOL_RUN(...) \
	shell(self->out, sizeof(self->out), TOOL " " __VA_ARGS__)
#define SAYS(what)	says(_metadata, self->out, what, true)
#define SAYS_NOT(what)	says(_metadata, self->out, what, false)

static void says(struct __test_metadata *_metadata, const char *out,
		 const char *what, bool want)
{
	EXPECT_EQ(want, !!strstr(out, what))
		TH_LOG("'%s' in: %s", what, out);
}

FIXTURE_SETUP(tool)
{
	ASSERT_EQ(0, vfio_find(VFIO_BOCHS, self->a));
	ASSERT_EQ(0, vfio_find(VFIO_SIBLING, self->b));
	/* This also tells type1 to do without interrupt remapping. */
	ASSERT_EQ(0, vfio_bind(self->a, VFIO_OURS));
	ASSERT_EQ(0, vfio_unbind(self->a));
	ASSERT_EQ(0, vfio_unbind(self->b));
	self->taint = taint_bits();
	self->kmsg = kmsg_start();
	ASSERT_GE(self->kmsg, 0);
}

/* As the others expect it: with no driver. */
FIXTURE_TEARDOWN(tool)
{
	static char log[65536];

	kmsg_read(self->kmsg, log, sizeof(log));
	EXPECT_EQ(NULL, kmsg_splat(log)) TH_LOG("%s", log);
	EXPECT_EQ(self->taint, taint_bits());
	syscall(SYS_close_range, 3, UINT_MAX, 0);
	EXPECT_EQ(0, vfio_unbind(self->a));
	EXPECT_EQ(0, vfio_unbind(self->b));
	EXPECT_EQ(0, module_settle(VFIO_OURS, 0));
}

TEST_F(tool, bind_list_unbind)
{
	char line[256], node[64];
	struct vfio_dev dev;
	int slice;

	ASSERT_EQ(0, TOOL_RUN("bind %s %s 2>&1", self->a, self->b))
		TH_LOG("%s", self->out);
	snprintf(node, sizeof(node), "/dev/vfio/%d", group_of(self->a));
	EXPECT_STREQ(VFIO_OURS, driver(self->a));
	EXPECT_STREQ(VFIO_OURS, driver(self->b));
	EXPECT_STREQ(VFIO_OURS "\n", attribute(self->a, "driver_override"));
	SAYS(node);
	EXPECT_EQ(0, access(node, R_OK | W_OK));

	/* What it has bound can be used. */
	ASSERT_EQ(0, vfio_open(&dev, self->a, NULL));
	slice = vfio_export(&dev, 0, 0, MIB, O_RDWR | O_CLOEXEC);
	EXPECT_GE(slice, 0);

	ASSERT_EQ(0, TOOL_RUN("list 2>&1"));
	snprintf(line, sizeof(line), "\n%s  1234:1111  %-15s  %-16s  %d\n",
		 self->a, VFIO_OURS, node, getpid());
	SAYS(line);
	SAYS(self->b);
	close(slice);
	vfio_close(&dev);

	ASSERT_EQ(0, TOOL_RUN("unbind %s %s 2>&1", self->a, self->b))
		TH_LOG("%s", self->out);
	EXPECT_STREQ(HOST, driver(self->a));
	EXPECT_STREQ(HOST, driver(self->b));
	EXPECT_STREQ("(null)\n", attribute(self->a, "driver_override"));
	SAYS(HOST " has it now");
	ASSERT_EQ(0, TOOL_RUN("list 2>&1"));
	SAYS("DEVICE");
	SAYS_NOT(self->a);
	SAYS_NOT(self->b);
}

TEST_F(tool, a_short_address_will_do)
{
	ASSERT_EQ(0, strncmp(self->a, "0000:", 5));
	ASSERT_EQ(0, TOOL_RUN("bind %s 2>&1", self->a + 5))
		TH_LOG("%s", self->out);
	EXPECT_STREQ(VFIO_OURS, driver(self->a));
	EXPECT_STREQ("", driver(self->b));
	/* once more is no error */
	EXPECT_EQ(0, TOOL_RUN("bind %s %s 2>&1", self->a, self->a));
	SAYS("has it already");
	EXPECT_STREQ(VFIO_OURS, driver(self->a));
}

TEST_F(tool, stock_and_from_one_to_the_other)
{
	ASSERT_EQ(0, TOOL_RUN("bind --stock %s 2>&1", self->a))
		TH_LOG("%s", self->out);
	EXPECT_STREQ(VFIO_STOCK, driver(self->a));
	ASSERT_EQ(0, TOOL_RUN("bind %s 2>&1", self->a))
		TH_LOG("%s", self->out);
	EXPECT_STREQ(VFIO_OURS, driver(self->a));
	SAYS(VFIO_STOCK " had it");
	/* A sibling may be with either. */
	ASSERT_EQ(0, TOOL_RUN("bind %s --stock 2>&1", self->b))
		TH_LOG("%s", self->out);
	EXPECT_STREQ(VFIO_STOCK, driver(self->b));
	EXPECT_EQ(0, TOOL_RUN("unbind %s %s 2>&1", self->a, self->b));
	EXPECT_STREQ(HOST, driver(self->a));
	EXPECT_STREQ(HOST, driver(self->b));
}

TEST_F(tool, the_rest_of_the_group)
{
	char held[64];

	/* both to the host's driver */
	ASSERT_EQ(0, TOOL_RUN("unbind %s %s 2>&1", self->a, self->b))
		TH_LOG("%s", self->out);
	ASSERT_STREQ(HOST, driver(self->b));

	EXPECT_EQ(1, TOOL_RUN("bind %s 2>&1", self->a));
	snprintf(held, sizeof(held), "%s (%s)", self->b, HOST);
	SAYS(held);
	snprintf(held, sizeof(held), "bind %s %s", self->a, self->b);
	SAYS(held);
	EXPECT_STREQ(HOST, driver(self->a));
	EXPECT_STREQ("(null)\n", attribute(self->a, "driver_override"));

	EXPECT_EQ(0, TOOL_RUN("bind %s %s 2>&1", self->a, self->b))
		TH_LOG("%s", self->out);
	EXPECT_STREQ(VFIO_OURS, driver(self->a));
	EXPECT_STREQ(VFIO_OURS, driver(self->b));
	SAYS(HOST " had it");
}

TEST_F(tool, in_use)
{
	struct vfio_dev dev;
	void *bar, *map;
	char pid[32];
	size_t size;
	int slice;

	snprintf(pid, sizeof(pid), "(process %d)", getpid());
	ASSERT_EQ(0, TOOL_RUN("bind %s 2>&1", self->a));
	ASSERT_EQ(0, vfio_open(&dev, self->a, NULL));
	size = vfio_bar_size(&dev, 0);
	bar = vfio_bar_map(&dev, 0, PROT_READ);
	ASSERT_NE(MAP_FAILED, bar);
	slice = vfio_export(&dev, 0, 0, MIB, O_RDWR | O_CLOEXEC);
	ASSERT_GE(slice, 0);
	map = mmap(NULL, MIB, PROT_READ, MAP_SHARED, slice, 0);
	ASSERT_NE(MAP_FAILED, map);

	EXPECT_EQ(1, TOOL_RUN("unbind %s 2>&1", self->a));
	SAYS("is in use");
	SAYS(pid);
	EXPECT_STREQ(VFIO_OURS, driver(self->a));
	EXPECT_EQ(1, TOOL_RUN("bind --stock %s 2>&1", self->a));
	SAYS("is in use");
	EXPECT_STREQ(VFIO_OURS, driver(self->a));
	EXPECT_STREQ(VFIO_OURS "\n", attribute(self->a, "driver_override"));

	/* A mapping of the BAR holds it, one of a slice does not. */
	vfio_close(&dev);
	EXPECT_EQ(1, TOOL_RUN("unbind %s 2>&1", self->a));
	SAYS("is in use");
	EXPECT_EQ(0, munmap(bar, size));
	EXPECT_EQ(0, TOOL_RUN("unbind %s 2>&1", self->a))
		TH_LOG("%s", self->out);
	EXPECT_STREQ(HOST, driver(self->a));
	EXPECT_EQ(0, munmap(map, MIB));
}

TEST_F(tool, dry_run_changes_nothing)
{
	char line[128];

	EXPECT_EQ(0, TOOL_RUN("bind --dry-run %s 2>&1", self->a));
	snprintf(line, sizeof(line), "echo '" VFIO_OURS "' > " PCI
		 "%s/driver_override\n", self->a);
	SAYS(line);
	snprintf(line, sizeof(line),
		 "echo '%s' > /sys/bus/pci/drivers_probe\n", self->a);
	SAYS(line);
	EXPECT_STREQ("", driver(self->a));
	EXPECT_STREQ("(null)\n", attribute(self->a, "driver_override"));

	ASSERT_EQ(0, TOOL_RUN("bind %s 2>&1", self->a));
	EXPECT_EQ(0, TOOL_RUN("unbind %s --dry-run 2>&1", self->a));
	snprintf(line, sizeof(line), "echo '%s' > " PCI "%s/driver/unbind\n",
		 self->a, self->a);
	SAYS(line);
	EXPECT_STREQ(VFIO_OURS, driver(self->a));
	EXPECT_STREQ(VFIO_OURS "\n", attribute(self->a, "driver_override"));
}

TEST_F(tool, wants_root)
{
	static const char as_user[] =
		"setpriv --reuid 65534 --clear-groups " TOOL;

	EXPECT_EQ(1, shell(self->out, sizeof(self->out), "%s bind %s 2>&1",
			   as_user, self->a));
	SAYS("must be root");
	EXPECT_STREQ("", driver(self->a));
	EXPECT_EQ(0, shell(self->out, sizeof(self->out),
			   "%s bind --dry-run %s 2>&1", as_user, self->a));
	ASSERT_EQ(0, TOOL_RUN("bind %s 2>&1", self->a));
	EXPECT_EQ(1, shell(self->out, sizeof(self->out), "%s unbind %s 2>&1",
			   as_user, self->a));
	SAYS("must be root");
	EXPECT_STREQ(VFIO_OURS, driver(self->a));
	EXPECT_EQ(0, shell(self->out, sizeof(self->out), "%s list 2>&1",
			   as_user));
	SAYS(self->a);
}

TEST_F(tool, wrong_usage)
{
	static const char * const wrong[] = {
		"", "give 00:01.0", "bind", "unbind", "bind --stock",
		"list 00:01.0", "list --dry-run", "unbind --stock 00:01.0",
		"bind --force 00:01.0", "bind 0000:00:01", "bind 00:20.0",
		"bind 00:01.8", "bind ../../00:01.0", "bind 00:01.0 zero",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_EQ(2, TOOL_RUN("%s 2>&1", wrong[i])) {
			TH_LOG("'%s'", wrong[i]);
		}
		SAYS("Usage: ");
	}
	EXPECT_EQ(0, TOOL_RUN("--help 2>&1"));
	SAYS("Usage: ");
	EXPECT_EQ(0, TOOL_RUN("bind --help 2>/dev/null"));
	SAYS("Usage: ");
}

TEST_F(tool, no_such_device)
{
	EXPECT_EQ(1, TOOL_RUN("bind ffff:ff:1f.7 2>&1"));
	SAYS("ffff:ff:1f.7: no such device");
	EXPECT_EQ(1, TOOL_RUN("unbind ffff:ff:1f.7 2>&1"));
	SAYS("ffff:ff:1f.7: no such device");
	/* One that is wrong, and none is touched. */
	EXPECT_EQ(1, TOOL_RUN("bind %s ffff:ff:1f.7 2>&1", self->a));
	EXPECT_STREQ("", driver(self->a));
	EXPECT_STREQ("(null)\n", attribute(self->a, "driver_override"));
}

TEST_F(tool, unbind_what_the_host_has)
{
	ASSERT_EQ(0, TOOL_RUN("unbind %s 2>&1", self->a));
	ASSERT_STREQ(HOST, driver(self->a));
	EXPECT_EQ(1, TOOL_RUN("unbind %s 2>&1", self->a));
	SAYS("is not given away: " HOST " has it");
	EXPECT_STREQ(HOST, driver(self->a));
}

/* A machine that is made up: files in a directory. */

FIXTURE(made_up) {
	char dir[64];
	char out[8192];
};

static void put(const char *dir, const char *path, const char *text)
{
	char file[256];
	FILE *f;

	snprintf(file, sizeof(file), "%s/%s", dir, path);
	f = fopen(file, "we");
	if (f) {
		fprintf(f, "%s\n", text);
		fclose(f);
	}
}

static void folder(const char *dir, const char *path)
{
	char file[256];

	snprintf(file, sizeof(file), "%s/%s", dir, path);
	mkdir(file, 0755);
}

#define DEV	"bus/pci/devices/0000:01:00.0"

/* A device that can be given away, as far as can be checked beforehand. */
FIXTURE_SETUP(made_up)
{
	static const char * const folders[] = {
		"bus", "bus/pci", "bus/pci/devices", "bus/pci/drivers",
		"bus/pci/drivers/" VFIO_OURS, "bus/pci/drivers/" VFIO_STOCK,
		"class", "class/iommu", "class/iommu/dmar0", "groups",
		"groups/7", "groups/7/devices", DEV,
	};
	char link[256];
	unsigned int i;

	snprintf(self->dir, sizeof(self->dir), "/tmp/bufsync-vfio.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	for (i = 0; i < ARRAY_SIZE(folders); i++)
		folder(self->dir, folders[i]);
	put(self->dir, DEV "/class", "0x030000");
	put(self->dir, DEV "/vendor", "0x1234");
	put(self->dir, DEV "/device", "0x5678");
	put(self->dir, DEV "/driver_override", "(null)");
	put(self->dir, "bus/pci/drivers_probe", "");
	snprintf(link, sizeof(link), "%s/" DEV "/iommu_group", self->dir);
	ASSERT_EQ(0, symlink("../../../../groups/7", link));
	snprintf(link, sizeof(link), "%s/groups/7/devices/0000:01:00.0",
		 self->dir);
	ASSERT_EQ(0, symlink("../../../" DEV, link));
}

FIXTURE_TEARDOWN(made_up)
{
	EXPECT_EQ(0, shell(self->out, sizeof(self->out), "rm -r %s",
			   self->dir));
}

#define IN_MADE_UP(...) \
	shell(self->out, sizeof(self->out), "BUFSYNC_VFIO_SYSFS=" __VA_ARGS__)

/* It is refused, for the reason @why, and nothing has been written. */
#define REFUSED(what, why) do { \
	char path[256]; \
	EXPECT_EQ(1, IN_MADE_UP("%s " TOOL " " what " 01:00.0 2>&1", \
				self->dir)); \
	SAYS(why); \
	snprintf(path, sizeof(path), "%s/" DEV "/driver_override", \
		 self->dir); \
	EXPECT_STREQ("(null)\n", file_text(path)); \
} while (0)

TEST_F(made_up, would_be_given_away)
{
	char line[256];

	EXPECT_EQ(0, IN_MADE_UP("%s " TOOL " bind --dry-run 01:00.0 2>&1",
				self->dir)) TH_LOG("%s", self->out);
	snprintf(line, sizeof(line),
		 "echo '" VFIO_OURS "' > %s/" DEV "/driver_override\n",
		 self->dir);
	SAYS(line);
}

TEST_F(made_up, no_iommu)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/" DEV "/iommu_group", self->dir);
	ASSERT_EQ(0, unlink(path));
	REFUSED("bind", "none of this machine's IOMMUs is for it");
	snprintf(path, sizeof(path), "%s/class/iommu/dmar0", self->dir);
	ASSERT_EQ(0, rmdir(path));
	REFUSED("bind", "intel_iommu=on");
	REFUSED("bind --stock", "intel_iommu=on");
}

/* A device tree says so; the kernel makes the group when the driver comes. */
TEST_F(made_up, group_to_come)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/" DEV "/iommu_group", self->dir);
	ASSERT_EQ(0, unlink(path));
	folder(self->dir, "bus/pci/of_node");
	put(self->dir, "bus/pci/of_node/iommu-map", "");
	EXPECT_EQ(0, IN_MADE_UP("%s " TOOL " bind --dry-run 01:00.0 2>&1",
				self->dir)) TH_LOG("%s", self->out);
}

TEST_F(made_up, no_module)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/bus/pci/drivers/" VFIO_OURS,
		 self->dir);
	ASSERT_EQ(0, rmdir(path));
	REFUSED("bind", "module " VFIO_OURS " is not installed");
	EXPECT_EQ(0, IN_MADE_UP("%s " TOOL " bind --dry-run --stock 01:00.0 2>&1",
				self->dir)) TH_LOG("%s", self->out);
}

/* Configuration space of which only the last four bytes are not 0 */
static void put_config(const char *dir, uint32_t last)
{
	uint32_t config[64] = { [63] = last };
	char file[256];
	FILE *f;

	snprintf(file, sizeof(file), "%s/" DEV "/config", dir);
	f = fopen(file, "we");
	if (f) {
		fwrite(config, sizeof(config), 1, f);
		fclose(f);
	}
}

#define WOULD_TAKE(what) \
	IN_MADE_UP("%s " TOOL " bind --dry-run " what " 01:00.0 2>&1", \
		   self->dir)

TEST_F(made_up, intel_display)
{
	put(self->dir, DEV "/vendor", "0x8086");
	put_config(self->dir, 0x12345000);
	REFUSED("bind", "integrated display of Intel's");
	/* It is ours that cannot. */
	EXPECT_EQ(0, WOULD_TAKE("--stock")) TH_LOG("%s", self->out);
	/* Not an integrated one */
	put_config(self->dir, 0);
	EXPECT_EQ(0, WOULD_TAKE("")) TH_LOG("%s", self->out);
	put_config(self->dir, 0xffffffff);
	EXPECT_EQ(0, WOULD_TAKE("")) TH_LOG("%s", self->out);
	/* Not a display, not Intel's */
	put_config(self->dir, 0x12345000);
	put(self->dir, DEV "/class", "0x020000");
	EXPECT_EQ(0, WOULD_TAKE("")) TH_LOG("%s", self->out);
	put(self->dir, DEV "/class", "0x030000");
	put(self->dir, DEV "/vendor", "0x1234");
	EXPECT_EQ(0, WOULD_TAKE("")) TH_LOG("%s", self->out);
}

TEST_F(made_up, bridge)
{
	put(self->dir, DEV "/class", "0x060400");
	REFUSED("bind", "is a bridge");
}

TEST_F(made_up, virtual_functions)
{
	put(self->dir, DEV "/sriov_numvfs", "3");
	REFUSED("bind", "has 3 virtual functions");
	put(self->dir, DEV "/sriov_numvfs", "0");
	EXPECT_EQ(0, WOULD_TAKE("")) TH_LOG("%s", self->out);
}

/* Nobody takes it, as nothing listens to the files. */
TEST_F(made_up, the_driver_refuses)
{
	char path[256];

	EXPECT_EQ(1, IN_MADE_UP("%s " TOOL " bind 01:00.0 2>&1", self->dir));
	SAYS(VFIO_OURS " does not take it");
	SAYS("with no driver again");
	snprintf(path, sizeof(path), "%s/" DEV "/driver_override", self->dir);
	EXPECT_STREQ("\n", file_text(path));
	snprintf(path, sizeof(path), "%s/bus/pci/drivers_probe", self->dir);
	EXPECT_STREQ("0000:01:00.0\n", file_text(path));
}

/* bufsync/aligned-map.h */

TEST(alignment)
{
	const size_t page = page_size();
	const size_t pmd = bufsync_map_huge(1), pud = bufsync_map_huge(2);

	EXPECT_EQ(page / 8 * page, pmd);
	EXPECT_EQ(page / 8 * pmd, pud);
	EXPECT_EQ(0, bufsync_map_alignment(page, 0));
	EXPECT_EQ(0, bufsync_map_alignment(pmd - 1, 0));
	EXPECT_EQ(pmd, bufsync_map_alignment(pmd, 0));
	EXPECT_EQ(0, bufsync_map_alignment(pmd, page));
	EXPECT_EQ(0, bufsync_map_alignment(2 * pmd - 2 * page, page));
	EXPECT_EQ(pmd, bufsync_map_alignment(2 * pmd - page, page));
	EXPECT_EQ(pmd, bufsync_map_alignment(pud - page, 0));
	EXPECT_EQ(pud, bufsync_map_alignment(pud, 0));
	EXPECT_EQ(pmd, bufsync_map_alignment(pud, pmd));
	EXPECT_EQ(pud, bufsync_map_alignment(2 * pud - pmd, pmd));
}

static int count_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	int c, lines = 0;

	if (!f)
		return -1;
	while ((c = getc(f)) != EOF)
		lines += c == '\n';
	fclose(f);
	return lines;
}

/* Wherever it lies: aligned, all of it there, and nothing left over. */
TEST(aligned_map)
{
	const size_t size = 5 * HUGE / 2 + 123;
	int fd = memfd_create("aligned", MFD_CLOEXEC);
	off_t start, offset;
	int before, round;
	char *map, byte;

	ASSERT_EQ(0, ftruncate(fd, 8 * HUGE));
	before = count_maps();
	for (round = 0; round < 16; round++) {
		start = round * (HUGE / 4 + PAGE);
		offset = round * (HUGE / 4);
		byte = 0;
		map = bufsync_map_aligned(fd, size, offset,
					  PROT_READ | PROT_WRITE, start);
		ASSERT_NE(MAP_FAILED, map);
		EXPECT_EQ(0, ((uintptr_t)map - start - offset) % HUGE);
		map[0] = round + 1;
		map[size - 1] = round + 2;
		EXPECT_EQ(1, pread(fd, &byte, 1, offset));
		EXPECT_EQ(round + 1, byte);
		EXPECT_EQ(1, pread(fd, &byte, 1, offset + size - 1));
		EXPECT_EQ(round + 2, byte);
		EXPECT_EQ(0, bufsync_unmap(map, size));
		EXPECT_EQ(before, count_maps());
	}
	EXPECT_EQ(0, bufsync_unmap(MAP_FAILED, size));
	EXPECT_EQ(0, bufsync_unmap(NULL, size));
}

TEST(aligned_map_errors)
{
	int fd = memfd_create("aligned", MFD_CLOEXEC), before, error;

	ASSERT_EQ(0, ftruncate(fd, 16 * MIB));
	before = count_maps();
#define FAILS(want, ...) do { \
	errno = 0; \
	EXPECT_EQ(MAP_FAILED, bufsync_map_aligned(__VA_ARGS__)); \
	error = errno; \
	EXPECT_EQ(want, error); \
	EXPECT_EQ(before, count_maps()); \
} while (0)
	FAILS(EBADF, -1, 4 * MIB, 0, PROT_READ, 0);
	FAILS(EINVAL, fd, 0, 0, PROT_READ, 0);
	FAILS(EINVAL, fd, 4 * MIB, 1, PROT_READ, 0);
	FAILS(EINVAL, fd, 4 * MIB, -(off_t)PAGE, PROT_READ, 0);
	FAILS(EINVAL, fd, 4 * MIB, 0, PROT_READ, -(off_t)PAGE);
	FAILS(ENOMEM, fd, SIZE_MAX - 2 * PAGE, 0, PROT_READ, 0);
}

/* On a slice: what it is for. */

FIXTURE(slice) {
	struct vfio_env env;
};

FIXTURE_SETUP(slice)
{
	vfio_env_setup(_metadata, &self->env, VFIO_BIG, VFIO_OURS);
}

FIXTURE_TEARDOWN(slice)
{
	vfio_env_teardown(_metadata, &self->env);
}

/* Faults that it takes to touch what four PMDs map, from @at on in the BAR */
static long faults_of(struct vfio_dev *dev, off_t at, off_t told)
{
	int slice = vfio_export(dev, 2, at, 4 * HUGE, O_RDWR | O_CLOEXEC);
	struct vfio_dmabuf_info info;
	uint32_t value;
	size_t i;
	char *map;

	if (slice < 0)
		return slice;
	map = bufsync_map_aligned(slice, 4 * HUGE, 0, PROT_READ | PROT_WRITE,
				  told);
	if (map == MAP_FAILED)
		return -errno;
	for (i = 0; i < 4 * HUGE; i += PAGE)
		if (!try_read32(map + i, &value))
			return -EFAULT;
	if (vfio_info(dev, slice, &info))
		return -EIO;
	bufsync_unmap(map, 4 * HUGE);
	close(slice);
	return info.out_slice_faults;
}

TEST_F(slice, huge_pages_fit)
{
	struct vfio_dev *dev = &self->env.dev;
	const long half = HUGE / PAGE / 2;
	struct vfio_dmabuf_info info;

	ASSERT_EQ(0, vfio_info(dev, -1, &info));
	if (info.out_features & VFIO_DMABUF_FEATURE_BIT_HUGE) {
		EXPECT_EQ(4, faults_of(dev, 0, 0));
		EXPECT_EQ(4, faults_of(dev, HUGE, HUGE));
		/* half of one by small ones, 3 huge ones, half of one */
		EXPECT_EQ(half + 3 + half, faults_of(dev, HUGE / 2, HUGE / 2));
		/* It was not told, so none fits. */
		EXPECT_EQ(8 * half, faults_of(dev, HUGE / 2, 0));
	} else {
		EXPECT_EQ(4, faults_of(dev, 0, 0));
		EXPECT_GT(6, faults_of(dev, HUGE / 2, HUGE / 2));
		EXPECT_LT(3, faults_of(dev, HUGE / 2, HUGE / 2));
	}
}

/* docs/examples/vfio-slice.c */

TEST_F(tool, example)
{
	char dir[256] = "";

	ASSERT_GT(readlink("/proc/self/exe", dir, sizeof(dir) - 1), 0);
	ASSERT_EQ(0, TOOL_RUN("bind %s 2>&1", self->a));
	ASSERT_EQ(0, shell(self->out, sizeof(self->out),
			   "%s/vfio-slice %s 0 2>&1", dirname(dir), self->a))
		TH_LOG("%s", self->out);
	SAYS("primary: both have drawn, 1048576 pixels each\n");
	SAYS("client 0: SIGBUS after ");
	SAYS(" pictures, then ENODEV\nprimary: client 0 draws no more, ");
	SAYS("client 1 does\nclient 1: SIGBUS after ");
	SAYS(" pictures, then ENODEV\nprimary: 3 exports, 2 revoked, 1 live\n");
	/* BAR 2 is registers, of 4 KiB. */
	EXPECT_EQ(1, shell(self->out, sizeof(self->out),
			   "%s/vfio-slice %s 2 2>&1", dir, self->a));
	SAYS("BAR 2 is too small\n");
	EXPECT_EQ(0, TOOL_RUN("unbind %s 2>&1", self->a))
		TH_LOG("%s", self->out);
	EXPECT_STREQ(HOST, driver(self->a));
}

TEST_HARNESS_MAIN

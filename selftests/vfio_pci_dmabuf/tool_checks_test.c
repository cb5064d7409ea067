// SPDX-License-Identifier: GPL-2.0-only
/*
 * What bufsync-vfio looks at before it gives a device away. The tests' machine cannot
 * fail that, so it is one that is made up: files in a directory.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#include "tool_env.h"
#include "vfio_util.h"

#define DEV	"bus/pci/devices/0000:01:00.0"

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

#define IN_MADE_UP(...) \
	shell(self->out, sizeof(self->out), "BUFSYNC_VFIO_SYSFS=" __VA_ARGS__)

#define WOULD_TAKE(what) \
	IN_MADE_UP("%s " TOOL " bind --dry-run " what " 01:00.0 2>&1", \
		   self->dir)

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

TEST_HARNESS_MAIN

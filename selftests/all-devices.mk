# SPDX-License-Identifier: GPL-2.0-only
# Programs that use the devices of all modules: TEST_GEN_PROGS, set before, and LIB, HEADERS
# and CFLAGS as far as they want more. Everything but the helpers' objects is kselftest's.

CFLAGS += -O1 -Wall -Wextra -pthread
CFLAGS += -isystem ../../include/uapi -I../lib -isystem $(KSELFTEST_DIR)
CFLAGS += -I/usr/include/libdrm

HEADERS += $(wildcard ../lib/*.h ../modules/*.h ../../include/uapi/*/*.h)
LOCAL_HDRS := $(HEADERS)

include $(KSELFTEST_DIR)/lib.mk

LIB += syncobj_util.o fence_util.o module_util.o thread_util.o cgroup_util.o
LIB += heap_util.o dmabuf_util.o gem_util.o edu_util.o
LIB += vfio_util.o vfio_region.o vfio_feature.o access_util.o

$(OUTPUT)/lib/%.o: ../lib/%.c $(HEADERS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c $< -o $@

$(TEST_GEN_PROGS): $(addprefix $(OUTPUT)/lib/,$(LIB))
$(TEST_GEN_PROGS): LDLIBS += -ldrm

# SPDX-License-Identifier: GPL-2.0-only
#
# bufsync - the user's commands. "make help" lists them; what kbuild needs is
# in src/.

KDIR ?= /lib/modules/$(shell uname -r)/build
KERNELS ?=
TIME ?= 600
QUICK ?=
RECORD ?=
DESTDIR ?=
udevdir ?= /usr/lib/udev/rules.d
includedir ?= /usr/include
sbindir ?= /usr/sbin
libdir ?= /usr/lib

export KVER

.PHONY: help
help:
	@echo 'On any Debian 12 or newer, nothing installed (as root):'
	@echo '  make demo       boot Debian 6.12 in QEMU with bufsync and show it at work'
	@echo '  make check      all selftests on all kernels; KERNELS="6.1 7.3" takes some,'
	@echo '                  KERNELS=host the kernel that runs here'
	@echo '  make matrix     the same with the extra rows (PREEMPT_RT, 6.18) and livepatch'
	@echo '  make check-debug  the same on a kernel with KASAN, lockdep, kmemleak ..., and'
	@echo '                  whether those see a bug'
	@echo '  make check-kcsan  the same on a kernel that sees data races'
	@echo '  make coverage   which lines of the modules the selftests run'
	@echo '  make fuzz TIME=600  random calls on that kernel, for so many seconds'
	@echo '  make bench      instructions per operation against the stock paths; QUICK=1: fails'
	@echo '                  where some of them are worse than recorded'
	@echo '  make report     a page of what the last bench, check and coverage have left'
	@echo '  make lint       checkpatch, W=1, sparse, shellcheck, codespell, house rules'
	@echo '  scripts/vm      run a command, or a shell, in a guest'
	@echo
	@echo 'On the machine that shall have it (as root; KVER=RELEASE for another kernel):'
	@echo '  make install    by dkms, with header files, udev rules and bufsync-vfio'
	@echo '  make uninstall'
	@echo
	@echo 'For developers:'
	@echo '  make modules KDIR=DIR   build only'
	@echo '  make tools              build libbufsync-gem.so, see docs/drm-gem-ctl.md'
	@echo '  make clean              remove what that made'
	@echo '  make install-files DESTDIR=DIR   what make install puts beside the modules'

.PHONY: demo check matrix check-debug check-kcsan coverage fuzz bench report lint install uninstall
demo:
	@scripts/demo

check:
	@scripts/check $(KERNELS)

matrix:
	@scripts/check --all $(KERNELS)

check-debug:
	@scripts/check debug detectors

check-kcsan:
	@scripts/check kcsan
	@ROW=kcsan scripts/detectors-test

coverage:
	@scripts/coverage

fuzz:
	@TIME=$(TIME) scripts/fuzz $(KERNELS)

bench:
	@QUICK=$(QUICK) RECORD=$(RECORD) scripts/bench $(KERNELS)

report:
	@scripts/report

lint:
	@scripts/lint

install uninstall:
	@scripts/install $@

.PHONY: modules tools clean
modules:
	$(MAKE) -C src KDIR=$(KDIR) modules

SHIM := libbufsync-gem.so
SHIM_BUILD = $(CC) -O2 -Wall -Wextra -std=gnu11 -fPIC -shared -fvisibility=hidden \
	-Iinclude/user -Iinclude/uapi $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) \
	tools/libbufsync-gem.c -ldl

tools: tools/$(SHIM)

tools/$(SHIM): tools/libbufsync-gem.c $(wildcard include/user/bufsync/*.h include/uapi/drm/*.h)
	$(SHIM_BUILD) -o $@

clean:
	rm -f tools/$(SHIM)
	$(MAKE) -C src KDIR=$(KDIR) clean

# What belongs beside the modules. DESTDIR is for packagers.
.PHONY: install-files uninstall-files
install-files:
	install -d $(DESTDIR)$(includedir)/linux
	install -m 644 include/uapi/linux/*.h $(DESTDIR)$(includedir)/linux
	install -d $(DESTDIR)$(includedir)/drm
	install -m 644 include/uapi/drm/*.h $(DESTDIR)$(includedir)/drm
	install -d $(DESTDIR)$(includedir)/bufsync
	install -m 644 include/user/bufsync/*.h $(DESTDIR)$(includedir)/bufsync
	install -d $(DESTDIR)$(sbindir)
	install -m 755 tools/bufsync-vfio tools/bufsync-virtio-gpu-check \
		tools/bufsync-gem-check $(DESTDIR)$(sbindir)
	@set -e; if printf '#include <%s>\n' stdlib.h drm/amdgpu_drm.h | \
		$(CC) $(CPPFLAGS) -E - >/dev/null 2>&1; then \
		install -d $(DESTDIR)$(libdir)/bufsync; \
		$(SHIM_BUILD) -o $(DESTDIR)$(libdir)/bufsync/$(SHIM); \
	else \
		echo "no headers of libc and of DRM (Debian: libc6-dev): $(SHIM) is left out" >&2; \
	fi
	set -e; for f in etc/udev/*.rules; do [ ! -e "$$f" ] || \
		install -D -m 644 "$$f" $(DESTDIR)$(udevdir)/"$${f##*/}"; done
	set -e; for f in etc/modules-load.d/*.conf; do [ ! -e "$$f" ] || \
		install -D -m 644 "$$f" $(DESTDIR)/etc/modules-load.d/"$${f##*/}"; done

uninstall-files:
	set -e; for f in include/uapi/linux/*.h; do \
		rm -f $(DESTDIR)$(includedir)/linux/"$${f##*/}"; done
	set -e; for f in include/uapi/drm/*.h; do \
		rm -f $(DESTDIR)$(includedir)/drm/"$${f##*/}"; done
	rm -rf $(DESTDIR)$(libdir)/bufsync
	rm -rf $(DESTDIR)$(includedir)/bufsync
	rm -f $(DESTDIR)$(sbindir)/bufsync-vfio \
		$(DESTDIR)$(sbindir)/bufsync-virtio-gpu-check \
		$(DESTDIR)$(sbindir)/bufsync-gem-check
	set -e; for f in etc/udev/*.rules; do \
		rm -f $(DESTDIR)$(udevdir)/"$${f##*/}"; done
	set -e; for f in etc/modules-load.d/*.conf; do \
		rm -f $(DESTDIR)/etc/modules-load.d/"$${f##*/}"; done

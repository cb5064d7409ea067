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
bindir ?= /usr/bin
libdir ?= /usr/lib
mandir ?= /usr/share/man
bashdir ?= /usr/share/bash-completion/completions
zshdir ?= /usr/share/zsh/vendor-completions
pkgconfigdir ?= /usr/share/pkgconfig
modulesdir ?= /etc/modules-load.d

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
	@echo '  make deb        Debian packages in out/deb; SUITES="trixie bookworm"'
	@echo '  scripts/vm      run a command, or a shell, in a guest'
	@echo
	@echo 'On the machine that shall have it (as root; KVER=RELEASE for another kernel):'
	@echo '  make install    by dkms, with header files, udev rules and the command bufsync'
	@echo '  make uninstall'
	@echo
	@echo 'For developers:'
	@echo '  make modules KDIR=DIR   build only'
	@echo '  make tools              build the command bufsync, and libbufsync-gem.so, see'
	@echo '                          docs/drm-gem-ctl.md'
	@echo '  make clean              remove what that made'
	@echo '  make install-files DESTDIR=DIR   what make install puts beside the modules'

.PHONY: demo check matrix check-debug check-kcsan coverage fuzz bench report lint deb install uninstall
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

deb:
	@scripts/deb $(SUITES)

install uninstall:
	@scripts/install $@

.PHONY: modules tools clean
modules:
	$(MAKE) -C src KDIR=$(KDIR) modules

SHIM := libbufsync-gem.so
SHIM_BUILD = $(CC) -O2 -Wall -Wextra -std=gnu11 -fPIC -shared -fvisibility=hidden \
	-Iinclude/user -Iinclude/uapi $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) \
	tools/libbufsync-gem.c -ldl

# The command. What it is built of besides libc: libkmod, json-c, headers of DRM.
COMMAND := tools/bufsync/bufsync
COMMAND_SOURCES := $(wildcard tools/bufsync/*.c)
COMMAND_CONFIG := tools/bufsync/config.h
# A text that does not fit is cut, which is what is wanted.
COMMAND_BUILD = $(CC) -O2 -Wall -Wextra -Wno-format-truncation -std=gnu11 -D_GNU_SOURCE \
	-Iinclude/user -Iinclude/uapi $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) \
	$(COMMAND_SOURCES) -ljson-c -lkmod

tools: tools/$(SHIM) $(COMMAND)

$(COMMAND): $(COMMAND_SOURCES) tools/bufsync/bufsync.h $(COMMAND_CONFIG) \
	$(wildcard include/user/bufsync/*.h include/uapi/*/*.h)
	$(COMMAND_BUILD) -o $@

# Each time: git's state may have changed without any of the files.
.PHONY: command-config
command-config:
	@tools/bufsync/mkconfig >$(COMMAND_CONFIG).new
	@cmp -s $(COMMAND_CONFIG).new $(COMMAND_CONFIG) && rm $(COMMAND_CONFIG).new || \
		mv $(COMMAND_CONFIG).new $(COMMAND_CONFIG)

$(COMMAND_CONFIG): command-config

tools/$(SHIM): tools/libbufsync-gem.c $(wildcard include/user/bufsync/*.h include/uapi/drm/*.h)
	$(SHIM_BUILD) -o $@

clean:
	rm -f tools/$(SHIM) $(COMMAND) $(COMMAND_CONFIG)
	$(MAKE) -C src KDIR=$(KDIR) clean

# Are these headers there, and those of DRM?
HAS = printf '\#include <%s>\n' bufsync/gem-restore.h $(1) | \
	$(CC) -Iinclude/user -Iinclude/uapi $(CPPFLAGS) -E - >/dev/null 2>&1

# What belongs beside the modules. DESTDIR is for packagers.
.PHONY: install-files uninstall-files
install-files: command-config
	install -d $(DESTDIR)$(includedir)/linux
	install -m 644 include/uapi/linux/*.h $(DESTDIR)$(includedir)/linux
	install -d $(DESTDIR)$(includedir)/drm
	install -m 644 include/uapi/drm/*.h $(DESTDIR)$(includedir)/drm
	install -d $(DESTDIR)$(includedir)/bufsync
	install -m 644 include/user/bufsync/*.h $(DESTDIR)$(includedir)/bufsync
	install -d $(DESTDIR)$(pkgconfigdir)
	printf '%s\n' 'includedir=$(includedir)' '' 'Name: bufsync' \
		'Description: GPU buffer sharing and synchronisation, headers' \
		"Version: $$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)" \
		'Cflags: -I$${includedir}' >$(DESTDIR)$(pkgconfigdir)/bufsync.pc
	install -d $(DESTDIR)$(sbindir)
	install -m 755 tools/bufsync-vfio tools/bufsync-virtio-gpu-check \
		tools/bufsync-gem-check $(DESTDIR)$(sbindir)
	install -d $(DESTDIR)$(mandir)/man8
	install -m 644 man/bufsync-*.8 $(DESTDIR)$(mandir)/man8
	install -d $(DESTDIR)$(mandir)/man4
	install -m 644 man/*.4 $(DESTDIR)$(mandir)/man4
	@set -e; if $(call HAS,stdlib.h); then \
		install -d $(DESTDIR)$(libdir)/bufsync; \
		$(SHIM_BUILD) -o $(DESTDIR)$(libdir)/bufsync/$(SHIM); \
	else \
		echo "no headers of libc and of DRM (Debian: libc6-dev libdrm-dev): $(SHIM) is left out" >&2; \
	fi
	@set -e; if $(call HAS,json-c/json.h libkmod.h); then \
		install -d $(DESTDIR)$(bindir); \
		$(COMMAND_BUILD) -o $(DESTDIR)$(bindir)/bufsync; \
		install -D -m 644 man/bufsync.8 $(DESTDIR)$(mandir)/man8/bufsync.8; \
		install -D -m 644 tools/completion/bufsync.bash $(DESTDIR)$(bashdir)/bufsync; \
		install -D -m 644 tools/completion/_bufsync $(DESTDIR)$(zshdir)/_bufsync; \
	else \
		echo "no headers of json-c, libkmod or DRM (Debian: libjson-c-dev libkmod-dev" \
			"libc6-dev libdrm-dev): the command bufsync is left out" >&2; \
	fi
	set -e; for f in etc/udev/*.rules; do [ ! -e "$$f" ] || \
		install -D -m 644 "$$f" $(DESTDIR)$(udevdir)/"$${f##*/}"; done
	set -e; for f in etc/modules-load.d/*.conf; do [ ! -e "$$f" ] || \
		install -D -m 644 "$$f" $(DESTDIR)$(modulesdir)/"$${f##*/}"; done

uninstall-files:
	set -e; for f in include/uapi/linux/*.h; do \
		rm -f $(DESTDIR)$(includedir)/linux/"$${f##*/}"; done
	set -e; for f in include/uapi/drm/*.h; do \
		rm -f $(DESTDIR)$(includedir)/drm/"$${f##*/}"; done
	rm -rf $(DESTDIR)$(libdir)/bufsync
	rm -rf $(DESTDIR)$(includedir)/bufsync
	rm -f $(DESTDIR)$(pkgconfigdir)/bufsync.pc
	rm -f $(DESTDIR)$(sbindir)/bufsync-vfio \
		$(DESTDIR)$(sbindir)/bufsync-virtio-gpu-check \
		$(DESTDIR)$(sbindir)/bufsync-gem-check
	rm -f $(DESTDIR)$(mandir)/man8/bufsync.8 $(DESTDIR)$(mandir)/man8/bufsync-*.8
	set -e; for f in man/*.4; do rm -f $(DESTDIR)$(mandir)/man4/"$${f##*/}"; done
	rm -f $(DESTDIR)$(bindir)/bufsync \
		$(DESTDIR)$(bashdir)/bufsync $(DESTDIR)$(zshdir)/_bufsync
	set -e; for f in etc/udev/*.rules; do \
		rm -f $(DESTDIR)$(udevdir)/"$${f##*/}"; done
	set -e; for f in etc/modules-load.d/*.conf; do \
		rm -f $(DESTDIR)$(modulesdir)/"$${f##*/}"; done

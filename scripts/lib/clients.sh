# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# clients.sh - a Debian root with programs that nobody here wrote, for a guest: see
# docs/clients.md.

CLIENTS=$CACHE/clients

# What a guest needs; then GStreamer with libcamera, QEMU, libdrm's tests, KWin; and what
# explicit-sync.c is built of. libcamera has the virtual camera, and QEMU the DMABUFs, in the
# backports; what they need from there does not follow by itself.
CLIENTS_PKGS='base-files base-passwd bash dash coreutils util-linux mount grep sed mawk findutils
	perl-base libc-bin liblzma5 kmod udev busybox-static libdrm2 libjson-c5
	gstreamer1.0-tools gstreamer1.0-libcamera/trixie-backports libcamera-ipa/trixie-backports
	qemu-system-x86/trixie-backports qemu-system-common/trixie-backports
	qemu-system-data/trixie-backports seabios/trixie-backports
	libdrm-tests
	kwin-wayland dbus-daemon
	libwayland-dev libwayland-bin wayland-protocols'
CLIENTS_ROOT=$CLIENTS/root-$(hash_of clients-1 "$CLIENTS_PKGS")

clients_root_locked() {
	[[ ! -d $CLIENTS_ROOT ]] || return 0
	root_check_host
	need_space 2000 "a root of other people's programs"
	rm -rf "$CLIENTS"/root-*	# of another list
	# shellcheck disable=SC2086 # a list of words
	try_step "Debian root: clients" root_extract "$CLIENTS_ROOT" amd64 $CLIENTS_PKGS ||
		root_explain_failure
}

clients_root() {
	mkdir -p "$CLIENTS"
	locked clients clients_root_locked
}

# clients_build DIR: explicit-sync and move-handle, into DIR. The compiler is that of the root
# that builds; both are trixie.
clients_build() {
	# shellcheck disable=SC2016 # the inner shell's
	ns_run -l "$ROOT" -b "$CLIENTS_ROOT=/run/clients" -b "$TREE=/run/tree" -b "$1=/run/out" -- \
		sh -ec '
		usr=/run/clients/usr
		lib=$usr/lib/x86_64-linux-gnu
		tree=/run/tree
		mkdir /tmp/build
		cd /tmp/build
		for xml in stable/linux-dmabuf/linux-dmabuf-v1 stable/xdg-shell/xdg-shell \
			staging/linux-drm-syncobj/linux-drm-syncobj-v1; do
			for what in client-header:h private-code:c; do
				LD_LIBRARY_PATH=$lib $usr/bin/wayland-scanner "${what%:*}" \
					"$usr/share/wayland-protocols/$xml.xml" "${xml##*/}.${what#*:}"
			done
		done
		compile() { gcc -O2 -Wall -Wextra -Wno-unused-parameter -Werror -I$tree/include/uapi "$@"; }
		compile -I. -I/usr/include/libdrm -idirafter "$usr/include" -o /run/out/explicit-sync \
			$tree/clients/explicit-sync.c ./*.c \
			"$lib/libwayland-client.so" -ldrm -Wl,-rpath-link,"$lib"
		compile -I$tree/include/user -o /run/out/move-handle $tree/clients/move-handle.c'
}

# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# selftests.sh - the kernel's kselftest and checkpatch, and our tests built
# with them.

SOURCE_PKG=linux-source-6.12
SOURCE_DIR=$CACHE/$SOURCE_PKG
KSELFTEST=${KSELFTEST_DIR:-$SOURCE_DIR/tree/tools/testing/selftests}

# What is wanted of the 1.6 GB.
SOURCE_PATHS='tools/testing/selftests/*.h tools/testing/selftests/lib.mk
	tools/testing/selftests/Makefile tools/testing/selftests/run_kselftest.sh
	tools/testing/selftests/kselftest/* scripts/checkpatch.pl scripts/spelling.txt
	scripts/const_structs.checkpatch scripts/kernel-doc'

# The root's tools read the stream; nothing but the wanted paths is written.
source_unpack() {
	local path patterns=()
	for path in $SOURCE_PATHS; do
		patterns+=("$SOURCE_PKG/$path")
	done
	rm -rf "$SOURCE_DIR/tree"
	mkdir -p "$SOURCE_DIR/tree"
	[[ -e $(echo "$SOURCE_DIR/$SOURCE_PKG"_*.deb) ]] ||
		kernel_download "$SOURCE_DIR" "$SOURCE_PKG"
	# shellcheck disable=SC2016 # the inner shell's
	root_run -b "$SOURCE_DIR=/run/source" -- sh -c '
		pkg=$1
		shift
		dpkg-deb --fsys-tarfile /run/source/"$pkg"_*.deb |
			tar -xO "./usr/src/$pkg.tar.xz" | xz -dc |
			tar -x -C /run/source/tree --strip-components=1 \
				--no-same-owner --wildcards --anchored "$@"' \
		sh "$SOURCE_PKG" "${patterns[@]}"
	[[ -e $SOURCE_DIR/tree/tools/testing/selftests/kselftest_harness.h ]] || {
		echo "no kselftest_harness.h in $SOURCE_PKG"
		return 1
	}
	: >"$SOURCE_DIR/unpacked"
}

source_ensure_locked() {
	[[ -e $SOURCE_DIR/unpacked ]] ||
		try_step "kselftest and checkpatch out of $SOURCE_PKG" source_unpack ||
		root_explain_failure
}

source_ensure() {
	[[ ! ${KSELFTEST_DIR-} ]] || return 0
	locked source source_ensure_locked
}

# Not what only the host reads: allowed-skips, boots, ...
selftests_key() {
	(
		cd "$TREE" || exit
		find selftests/*/ selftests/{Makefile,*.mk} include src compat tools docs/examples \
			scripts/lib/docs-code -type f -print0 | sort -z | xargs -0 sha256sum
		scripts/lib/docs-code all ./*.md docs/*.md
	) | sha256sum | cut -c1-16
}

selftests_build_programs() {	# DIR
	rm -rf "$1.tmp"
	mkdir -p "$1.tmp"
	ns_run -l "$ROOT" -b "$TREE=/run/tree" -b "$KSELFTEST=/run/kselftest" \
		-b "$1.tmp=/run/out" -- \
		make -j"$(nproc)" -C /run/tree/selftests KSELFTEST_DIR=/run/kselftest \
		install INSTALL_PATH=/run/out ${ROOT_CROSS:+"CROSS_COMPILE=$ROOT_CROSS"}
	mv "$1.tmp" "$1"
}

selftests_build_modules() {	# DIR
	rm -rf "$1.tmp"
	mkdir -p "$1.tmp"
	ns_run -l "$KERNEL_DIR/fs" -l "$ROOT" -b "$TREE=/run/tree" -b "$1.tmp=/run/out" \
		-b "$KERNEL_DIR=/run/kernel" -- \
		make -j"$(nproc)" -C /run/tree/selftests modules \
		KDIR="/lib/modules/$KERNEL_RELEASE/build" MODDIR=/run/out \
		VMLINUX="/run/kernel/vmlinux-$KERNEL_BOOT"
	rm -rf "$1.tmp/.build"
	mv "$1.tmp" "$1"
}

selftests_build_locked() {	# DIR TEXT BUILD
	[[ -d $1 ]] || step "$2" "$3" "$1"
	touch "$1"
}

# Of the builds of earlier states of the tree keep the newest twenty.
selftests_prune() {
	# shellcheck disable=SC2012 # names are our own
	ls -dt "$CACHE"/selftests/*/ 2>/dev/null | tail -n +21 | xargs -r rm -rf
}

# selftests_ensure: after kernel_ensure. Sets SELFTESTS_PROGRAMS and
# SELFTESTS_MODULES, directories that are not to be written.
selftests_ensure() {
	local key
	key=$(selftests_key)
	mkdir -p "$CACHE/selftests"
	SELFTESTS_PROGRAMS=$CACHE/selftests/$(hash_of "$key" "$ROOT_KEY" "$KSELFTEST")
	SELFTESTS_MODULES=$CACHE/selftests/$(hash_of "$key" "$ROOT_KEY" "$KERNEL_KEY")-$KERNEL_RELEASE
	locked "${SELFTESTS_PROGRAMS##*/}" selftests_build_locked "$SELFTESTS_PROGRAMS" \
		"build the selftests" selftests_build_programs
	locked "${SELFTESTS_MODULES##*/}" selftests_build_locked "$SELFTESTS_MODULES" \
		"build the test modules for $KERNEL_RELEASE" selftests_build_modules
	locked selftests-prune selftests_prune
}

# selftests_together LIST: collections of kselftest-list.txt that one boot can run,
# a line each. Not those that want boots of their own, which ends their name, or
# that selftests/boots has as a whole.
selftests_together() {
	local apart
	apart=$(awk '$3 ~ /:$/ { printf "%s^%s", sep, $3; sep = "|" }' "$TREE/selftests/boots")
	grep -vE "${apart:-^$}" "$1" | sed 's/:.*//' | sort -u | sed '/_boot$/d'
}

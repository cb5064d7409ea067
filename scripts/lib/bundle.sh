# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# bundle.sh - this tree, installed by dkms for one kernel, as a layer.
#
# A layer belongs to one content of the tree, one kernel and one root, and is
# never changed once made: other trees and rows can be built and booted at the
# same time.
#
# With BUNDLE_GCOV set the modules count what of them runs (scripts/coverage), and
# their source and the compiler's notes stay in the layer, in /usr/src/bufsync-VERSION.
# dkms would throw the notes away.

BUNDLE_PATHS='dkms.conf Makefile LICENSE src include compat etc tools man'

# From the environment, each for a layer of its own: more words for kbuild's command
# line (KCOV_INSTRUMENT=y), and a patch for the copy that is built.
BUNDLE_MAKE=${BUNDLE_MAKE-} BUNDLE_PATCH=${BUNDLE_PATCH-}

# bundle_files: what goes to /usr/src/bufsync-VERSION, NUL-separated, relative
# to the tree. Nothing that git ignores, so no build output.
bundle_files() {
	local p paths=()
	for p in $BUNDLE_PATHS; do
		[[ ! -e $TREE/$p ]] || paths+=("$p")
	done
	# sudo: the tree may belong to another user.
	if ! git -c safe.directory='*' -C "$TREE" ls-files -z --cached --others \
		--exclude-standard --deduplicate -- "${paths[@]}" 2>/dev/null; then
		# a tarball
		(cd "$TREE" && find "${paths[@]}" -type f ! -name '.*' \
			! -name '*.o' ! -name '*.so' ! -name '*.ko' ! -name '*.mod*' -print0)
	fi | while IFS= read -r -d '' p; do
		[[ ! -f $TREE/$p ]] || printf '%s\0' "$p"
	done | sort -z
}

bundle_key() {
	(cd "$TREE" && bundle_files | xargs -0 -r sha256sum && bundle_files | xargs -0 -r stat -c %A) |
		sha256sum | cut -c1-16
}

bundle_version() {
	sed -n 's/^PACKAGE_VERSION="\?\([^"]*\)"\?$/\1/p' "$TREE/dkms.conf"
}

# bundle_names: the modules, one a line.
bundle_names() {
	sed -n 's/^BUILT_MODULE_NAME\[.*"\(.*\)".*/\1/p' "$TREE/dkms.conf"
}

bundle_copy() {	# bundle_copy DIR
	rm -rf "$1"
	mkdir -p "$1"
	(cd "$TREE" && bundle_files | xargs -0 -r cp --parents --preserve=mode -t "$1")
	[[ ! $BUNDLE_MAKE ]] ||
		sed -i "s|^\(MAKE\[0\]=\".*\)\"$|\1 $BUNDLE_MAKE\"|" "$1/dkms.conf"
	[[ ! $BUNDLE_PATCH ]] || (cd "$1" && git apply "$BUNDLE_PATCH")
}

# shellcheck disable=SC2016 # the inner shells'
BUNDLE_INSTALL='
	dkms add "bufsync/$version"
	dkms install "bufsync/$version" -k "$release" "$@" || {
		cat "/var/lib/dkms/bufsync/$version/build/make.log"
		exit 1
	}'

# Threads that count at the same time must not lose what the other one counted: a
# count that is derived from two others would be wrong.
# shellcheck disable=SC2016
BUNDLE_INSTALL_GCOV='
	make -j"$(nproc)" -C "/usr/src/bufsync-$version/src" \
		KDIR="/lib/modules/$release/build" \
		GCOV_PROFILE=y KCFLAGS=-fprofile-update=prefer-atomic modules
	install -D -m 644 -t "/lib/modules/$release/updates/dkms" \
		"/usr/src/bufsync-$version"/src/*.ko
	depmod "$release"'

bundle_build() {	# bundle_build LAYER
	local layer=$1 src=$1.src rc=0 how=BUNDLE_INSTALL${BUNDLE_GCOV:+_GCOV} opts=()
	# dkms would call it what the machine is.
	[[ ! $ROOT_CROSS ]] || opts=(-a "${ROOT_CROSS%%-*}")
	bundle_copy "$src"
	rm -rf "$layer.tmp"
	# shellcheck disable=SC2016 # the inner shell's
	ns_run -l "$KERNEL_DIR/fs" -l "$ROOT" -u "$layer.tmp" -b "$src=/run/tree" -- \
		sh -ec '
		release=$1 version=$2 how=$3 cross=$4
		shift 4
		cp -r --preserve=mode /run/tree "/usr/src/bufsync-$version"
		eval "$how"
		make -s -C "/usr/src/bufsync-$version" install-files DESTDIR= CC="${cross}gcc"
		' sh "$KERNEL_RELEASE" "$(bundle_version)" "${!how}" "$ROOT_CROSS" "${opts[@]}" ||
		rc=$?
	rm -rf "$src"
	((rc == 0)) || { rm -rf "$layer.tmp"; return "$rc"; }
	rm -rf "$layer.tmp/work"
	mv "$layer.tmp" "$layer"
}

# Layers of earlier states of the tree: keep what was used in the last two
# days, and the newest twelve in any case.
bundle_prune() {
	local old
	# shellcheck disable=SC2012 # names are our own
	ls -dt "$CACHE"/layers/*/ 2>/dev/null | tail -n +13 |
		while read -r old; do
			[[ $(find "$old" -maxdepth 0 -mmin +2880) ]] || continue
			rm -rf "$old"
		done
}

bundle_ensure_locked() {
	local text='dkms install'
	[[ ! ${BUNDLE_GCOV-} ]] || text='modules that count'
	if [[ ! -d $BUNDLE_LAYER ]]; then
		step "$text for $KERNEL_RELEASE" bundle_build "$BUNDLE_LAYER"
		bundle_prune
	fi
	touch "$BUNDLE_LAYER"
}

# bundle_ensure: after kernel_ensure. Sets BUNDLE_LAYER.
bundle_ensure() {
	[[ -e $TREE/dkms.conf ]] || die "no dkms.conf in $TREE: nothing to install"
	mkdir -p "$CACHE/layers"
	BUNDLE_LAYER=$CACHE/layers/$KERNEL_RELEASE-$(hash_of "$(bundle_key)" "$ROOT_KEY" "$KERNEL_KEY" \
		"$(sha256sum <"$KERNEL_DIR/fs/usr/lib/modules/$KERNEL_RELEASE/modules.dep")" \
		${BUNDLE_GCOV:+"$BUNDLE_INSTALL_GCOV"} \
		${BUNDLE_MAKE:+"$BUNDLE_MAKE"} ${BUNDLE_PATCH:+"$(cat "$BUNDLE_PATCH")"})
	locked "layer-${BUNDLE_LAYER##*/}" bundle_ensure_locked
}

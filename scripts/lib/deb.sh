# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# deb.sh - Debian packages of this tree: roots of one suite each, and the build.
#
# What is built with one Debian's libc cannot be installed on an older one, and what
# shall be seen is what apt does on a system that has nothing of the rig's own. So
# there is a small root a suite, and above it a layer of what builds packages.

DEB=$CACHE/deb
DEB_SUITES='trixie bookworm'
# lintian is the newest one's; the last line is for the packages of others.
DEB_PKGS_trixie='build-essential debhelper dh-dkms libdrm-dev libjson-c-dev libkmod-dev lintian
	rpm makepkg pacman-package-manager libarchive-tools fakeroot'
DEB_PKGS_bookworm='build-essential debhelper dh-dkms libdrm-dev libjson-c-dev libkmod-dev'

# deb_select SUITE: sets DEB_SUITE, DEB_ROOT, DEB_TOOLS, a layer above it, and DEB_PKGS.
deb_select() {
	local list=DEB_PKGS_$1
	DEB_SUITE=$1 DEB_PKGS=${!list-}
	[[ $DEB_PKGS ]] || die "no packages for '$1': there are ${DEB_SUITES// /, }"
	DEB_ROOT=$DEB/root-$1-$(hash_of "$(uname -m)")
	DEB_TOOLS=$DEB_ROOT-tools-$(hash_of "$DEB_PKGS")
}

deb_make_root() {
	rm -rf "$DEB_ROOT.tmp"
	root_mmdebstrap apt "$DEB_SUITE" "$DEB_ROOT.tmp" "$(root_mirror)"
	mv "$DEB_ROOT.tmp" "$DEB_ROOT"
}

deb_make_tools() {
	rm -rf "$DEB_TOOLS.tmp"
	# shellcheck disable=SC2086 # words
	ns_run -l "$DEB_ROOT" -u "$DEB_TOOLS.tmp" -- sh -ec '
		install() { apt-get install -q -y --no-install-recommends "$@"; }
		install "$@" || { apt-get update -q; install "$@"; }
		apt-get clean' sh $DEB_PKGS
	rm -rf "$DEB_TOOLS.tmp/work"
	mv "$DEB_TOOLS.tmp" "$DEB_TOOLS.new"
	rm -rf "$DEB_ROOT"-tools-????????????????	# of another list
	mv "$DEB_TOOLS.new" "$DEB_TOOLS"
}

deb_roots_locked() {
	if [[ ! -d $DEB_ROOT ]]; then
		root_check_host
		try_step "packages: Debian root of $DEB_SUITE" deb_make_root || root_explain_failure
	fi
	[[ -d $DEB_TOOLS ]] ||
		try_step "packages: tools of $DEB_SUITE" deb_make_tools || root_explain_failure
}

# deb_roots SUITE
deb_roots() {
	deb_select "$1"
	mkdir -p "$DEB"
	locked "deb-$1" deb_roots_locked
}

# deb_tree DIR: what packages are built of.
deb_tree() {
	bundle_copy "$1"
	cp -r "$TREE/debian" "$1/"
	[[ $(sed -n '1s/.*(\(.*\)).*/\1/p' "$1/debian/changelog") == "$(bundle_version)" ]] ||
		die "debian/changelog does not have the version of dkms.conf, $(bundle_version)"
}

# deb_build TREE OUT: after deb_roots. The packages are to be in OUT.
deb_build() {
	local work
	work=$(mktemp -d "$DEB/run.XXXXXX")
	# Nothing in a test of packages depends on how they are compressed.
	ns_run -l "$DEB_TOOLS/upper" -l "$DEB_ROOT" -u "$work" -b "$1=/run/tree" -b "$2=/run/out" -- \
		sh -ec '
		mkdir /build
		cp -r /run/tree /build/bufsync
		cd /build/bufsync
		DEB_BUILD_OPTIONS=noautodbgsym dpkg-buildpackage -b -us -uc
		cp ../*.deb ../*.changes ../*.buildinfo /run/out/' || { rm -rf "$work"; return 1; }
	rm -rf "$work"
}

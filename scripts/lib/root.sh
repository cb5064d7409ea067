# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# root.sh - the one Debian trixie root that everything runs in: compiler,
# dkms, QEMU. It is made in stages; a stage is done when its stamp is there,
# and a killed stage is simply run again.
#
# Rows of arm64 have a root of their own, of amd64 as well: it compiles for arm64.
# Their guests run on a third one, of arm64 packages that are only unpacked,
# because nothing here could run their scripts.

ROOT_SUITES='trixie trixie-backports bookworm'

# What each stage installs. "build" is all that the demo needs.
ROOT_PKGS_build='mount dkms gcc libc6-dev make kmod openssl cpio zstd busybox-static
	libelf1t64 libdrm-dev libjson-c-dev libkmod-dev systemd-standalone-sysusers udev qemu-system-x86'
ROOT_PKGS_test='rsync libbpf-dev'
ROOT_PKGS_coverage='gcovr'
ROOT_PKGS_lint='sparse shellcheck codespell perl mandoc groff-base'
ROOT_PKGS_fuzz='python3-minimal'
ROOT_PKGS_report='python3'
ROOT_PKGS_kernel='bc bison flex libelf-dev libssl-dev rsync xz-utils'

# The same for arm64. gcc is for what a build runs here.
ROOT_PKGS_build_arm64='mount dkms gcc libc6-dev make kmod openssl cpio zstd xz-utils
	gcc-aarch64-linux-gnu libc6-dev:arm64 busybox-static:arm64 libdrm-dev:arm64 libjson-c-dev:arm64 libkmod-dev:arm64
	systemd-standalone-sysusers udev qemu-system-arm seabios device-tree-compiler'
ROOT_PKGS_test_arm64='rsync libbpf-dev:arm64'
ROOT_PKGS_guest_arm64='base-files base-passwd bash dash coreutils util-linux mount grep sed
	mawk findutils perl-base libc-bin liblzma5 kmod udev busybox-static libdrm2 libbpf1 libjson-c5'

# root_select ARCH: the root of the rows of this architecture. Sets ROOT_ARCH, ROOT_KEY,
# ROOT_DIR, ROOT, ROOT_GUEST, what guests run on, and ROOT_CROSS, how the names of a
# compiler's programs begin.
root_select() {
	ROOT_ARCH=$1 ROOT_CROSS=''
	ROOT_KEY=$(hash_of root-2 "$ROOT_SUITES" "$(uname -m)")
	[[ $1 == amd64 ]] || ROOT_KEY=$(hash_of "$ROOT_KEY" "$1")
	ROOT_DIR=$CACHE/root-$ROOT_KEY
	ROOT=$ROOT_DIR/fs
	ROOT_GUEST=$ROOT
	if [[ $1 == arm64 ]]; then
		ROOT_CROSS=aarch64-linux-gnu-
		ROOT_GUEST=$ROOT_DIR/guest-$(hash_of "$ROOT_PKGS_guest_arm64")
	fi
}
root_select amd64

# The Debian mirror this machine's own apt uses.
root_mirror() {
	local uri
	if [[ ${BUFSYNC_MIRROR-} ]]; then
		printf '%s\n' "$BUFSYNC_MIRROR"
		return
	fi
	# Lists that were never fetched have no origin: look at the suite then.
	# shellcheck disable=SC2016 # apt's
	uri=$(apt-get indextargets --format '$(LABEL) $(CODENAME) $(RELEASE) $(REPO_URI)' \
		'Created-By: Packages' 2>/dev/null |
		awk '$1 == "Debian" && !u { u = $NF }
		     NF == 2 && $1 ~ /^(bookworm|trixie|forky|sid|stable|testing)$/ && !v { v = $NF }
		     END { print u ? u : v }')
	[[ $uri ]] || die "this machine's apt names no Debian mirror:" \
		"set BUFSYNC_MIRROR to the URL of one"
	printf '%s\n' "$uri"
}

# This machine's apt proxy settings, as apt.conf lines.
root_proxy() {
	apt-config dump 2>/dev/null |
		grep -E '^Acquire::([a-z]+::)*Proxy(::[^ ]+)? "[^"]+";$' || true
}

root_check_host() {
	local v key=
	need_root
	if ! command -v mmdebstrap >/dev/null; then
		command -v apt-get >/dev/null ||
			die "neither mmdebstrap nor apt-get found: this needs a Debian machine"
		try_step "install mmdebstrap (apt)" root_install_mmdebstrap ||
			die "install mmdebstrap by hand, then run this again"
	fi
	v=$(mmdebstrap --version | grep -oE '[0-9]+\.[0-9]+' | head -n 1)
	printf '1.3\n%s\n' "$v" | sort -V -C ||
		die "mmdebstrap $v is too old (1.3 wanted): use Debian 12 or newer"
	for key in /usr/share/keyrings/debian-archive-trixie-stable.{gpg,asc,pgp} \
		/usr/share/keyrings/debian-archive-keyring.pgp; do
		[[ ! -e $key ]] || break
		key=
	done
	[[ $key ]] ||
		die "trixie's archive key is not known here:" \
		    "apt-get install --only-upgrade debian-archive-keyring"
}

root_install_mmdebstrap() {
	apt-get install -y --no-install-recommends mmdebstrap ||
		{ apt-get update && apt-get install -y --no-install-recommends mmdebstrap; }
}

# Can the mirror be reached at all? Asked only after a failure.
root_explain_failure() {
	local mirror
	mirror=$(root_mirror)
	if ! /usr/lib/apt/apt-helper -oAcquire::Retries=0 download-file \
		"${mirror%/}/dists/trixie/InRelease" "$CACHE/probe" >/dev/null 2>&1; then
		msg "the mirror of this machine's apt ($mirror) cannot be reached or has no trixie"
	fi
	rm -f "$CACHE/probe"
	die "what is finished is kept: run the same command again to continue"
}

# root_mmdebstrap VARIANT ARG...: with what this machine's apt is set to. "apt" makes roots
# that packages are installed in later.
root_mmdebstrap() {
	local line opts=()
	while IFS= read -r line; do
		opts+=(--aptopt="$line")
	done < <(root_proxy)
	if [[ $1 == apt ]]; then
		opts+=(--skip=cleanup/apt/lists --dpkgopt=force-unsafe-io)
		[[ $(root_mirror) != https:* ]] || opts+=(--include=ca-certificates)
	fi
	setpriv --pdeathsig KILL \
		unshare --mount --pid --fork --kill-child --propagation private --mount-proc \
		mmdebstrap --mode=root --variant="$1" --aptopt='Acquire::Languages "none"' \
		--aptopt='Acquire::Retries "3"' "${opts[@]}" "${@:2}"
}

root_base() {
	local mirror suite sources=() opts=(--aptopt='APT::Install-Recommends "false"')
	mirror=$(root_mirror)
	rm -rf "$ROOT.tmp"
	mkdir -p "$ROOT_DIR"
	for suite in $ROOT_SUITES; do
		sources+=("deb $mirror $suite main")
	done
	[[ ! $ROOT_CROSS ]] || opts+=(--architectures="$(dpkg --print-architecture),$ROOT_ARCH")
	# No path-exclude here: mmdebstrap would pipe each package through a
	# filter that costs a second apiece.
	root_mmdebstrap apt "${opts[@]}" trixie "$ROOT.tmp" "${sources[@]}"
	printf '%s\n' path-exclude=/usr/share/{man,locale,info,lintian}/\* \
		path-exclude=/usr/share/doc/\* path-include=/usr/share/doc/\*/copyright \
		>"$ROOT.tmp/etc/dpkg/dpkg.cfg.d/bufsync"
	printf 'Package: *\nPin: release n=bookworm\nPin-Priority: 100\n' \
		>"$ROOT.tmp/etc/apt/preferences.d/bufsync"
	# dkms calls the one of the machine's own.
	[[ ! $ROOT_CROSS ]] || ln -s "/usr/bin/${ROOT_CROSS}strip" "$ROOT.tmp/usr/local/bin/strip"
	mv "$ROOT.tmp" "$ROOT"
}

# root_extract DIR ARCH PACKAGE...: a root that only guests run on. Unpacked, not installed:
# the users are those of the root that builds. PACKAGE/SUITE is of that suite.
root_extract() {
	local dir=$1 arch=$2 mirror
	shift 2
	mirror=$(root_mirror)
	rm -rf "$dir.tmp"
	root_mmdebstrap extract --architectures="$arch" --skip=check/qemu \
		--include="$(tr ' ' , <<<"$*")" trixie "$dir.tmp" \
		"deb $mirror trixie main" "deb $mirror trixie-backports main"
	rm -rf "$dir.tmp"/{var/cache,var/lib/apt,usr/share/{doc,man,locale,info}}
	cp -p "$ROOT"/etc/{passwd,group} "$dir.tmp/etc/"
	ln -sf mawk "$dir.tmp/usr/bin/awk"
	mv "$dir.tmp" "$dir"
}

# root_guest: what guests of another architecture run on.
root_guest() {
	local list=ROOT_PKGS_guest_$ROOT_ARCH
	# shellcheck disable=SC2086 # a list of words
	root_extract "$ROOT_GUEST" "$ROOT_ARCH" ${!list}
}

ROOT_APT=''
root_run() { ns_run ${ROOT_APT:+-l "$ROOT_APT/upper"} -l "$ROOT" "$@"; }	# root_run [-w] -- COMMAND...

# root_other_suite SUITE DIR: from here on apt, as root_run has it, knows SUITE and nothing
# else. DIR is for what it knows. The root itself must be able to update its lists when
# SUITE is gone.
root_other_suite() {
	# shellcheck disable=SC2016 # the inner shell's
	ns_run -l "$ROOT" -u "$2" -- sh -ec '
		echo "deb $1 $2 main" >/etc/apt/sources.list
		apt-get update -q' sh "$(root_mirror)" "$1" || return
	ROOT_APT=$2
}

root_apt_update() {
	root_run -w -- apt-get update -q
}

# "satisfy", not "install": 6.1's tools want bookworm's libssl3, which trixie's
# libssl3t64 provides and must not be replaced by.
root_apt_install() {
	root_run -w -- sh -ec '
		dpkg --configure -a
		apt-get satisfy -q -y --no-install-recommends "$@" || {
			# the list may be older than the mirror
			apt-get update -q
			apt-get satisfy -q -y --no-install-recommends "$@"
		}
		apt-get clean
		if command -v dkms >/dev/null && [ ! -e /var/lib/dkms/mok.key ]; then
			dkms generate_mok
		fi' sh "$@"
}

root_has() {	# root_has PACKAGE...: all of them?
	local pkg
	for pkg; do
		grep -qxF "Package: $pkg" "$ROOT/var/lib/dpkg/status" || return 1
	done
}

root_stage() {	# root_stage STAGE PACKAGE...: once per list
	local stamp
	stamp=$ROOT_DIR/done-${1// /-}-$(hash_of "${@:2}")
	[[ ! -e $stamp ]] || return 0
	# Most often there already: rows share their tools.
	if root_has "${@:2}"; then
		: >"$stamp"
		return 0
	fi
	try_step "Debian root: packages to $1" root_apt_install "${@:2}" || root_explain_failure
	: >"$stamp"
}

root_ensure_locked() {
	local stage list
	if [[ ! -e $ROOT ]]; then
		root_check_host
		need_space 6000 "a new Debian root with kernels"
		try_step "Debian root: base system" root_base || root_explain_failure
	fi
	for stage; do
		list=ROOT_PKGS_$stage${ROOT_CROSS:+_$ROOT_ARCH}
		# shellcheck disable=SC2086 # a list of words
		root_stage "$stage" ${!list}
	done
	if (($#)) && [[ ! -e $ROOT_GUEST ]]; then
		try_step "Debian root: guest of $ROOT_ARCH" root_guest || root_explain_failure
	fi
}

# root_ensure [STAGE...]: make the root with these stages; without any, the base.
root_ensure() {
	need_root
	locked "root${ROOT_CROSS:+-$ROOT_ARCH}" root_ensure_locked "$@"
}

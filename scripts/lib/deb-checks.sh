# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# deb-checks.sh - what is done in a root of a suite, in a chroot or booted: apt, and looking
# at what it has left. Packages are in /run/now, those of the later version in /run/later.
#
# Who sources it sets what the results' names begin with, $prefix, and for life() the
# versions: $version and $later.

export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2034 # who sources it writes there, too
log=/tmp/log
all=(bufsync-dkms bufsync-utils libbufsync-dev)

mkdir -p /run/archives/partial
apt() { apt-get -q -y -o Dir::Cache::archives=/run/archives -o APT::Sandbox::User=root \
	-o APT::Keep-Downloaded-Packages=true -o Dpkg::Options::=--force-unsafe-io \
	--no-install-recommends "$@" </dev/null; }

# get install|satisfy PACKAGE...: what is only needed for the test; the lists may be older
# than the mirror.
get() { { apt "$@" || { apt update && apt "$@"; }; } >$log 2>&1; }

# result NAME: of what has been noted by fail() since the last one; the log is apt's.
noted=''
fail() { noted+="$*"$'\n'; }
result() {
	if [[ $noted ]]; then
		{ printf '%s' "$noted"; tail -n 40 $log; } | sed 's/^/# /'
		echo "not ok - $prefix:$1"
	else
		echo "ok - $prefix:$1"
	fi
	noted=''
}

# fine COMMAND...: apt says so, and dpkg has nothing to complain about.
fine() {
	"$@" >$log 2>&1 || fail "apt's exit status is $?"
	dpkg --audit >>$log 2>&1
	[[ ! $(dpkg --audit 2>&1) ]] || fail 'dpkg --audit complains'
}

modules() { find /usr/lib/modules/*/updates -name '*.ko*' 2>/dev/null; }

# installed VERSION [RELEASE]: all of them, configured, of that version; and their modules
# for that kernel, or none at all.
installed() {
	local pkg module release=${2-} n=0
	for pkg in "${all[@]}"; do
		[[ $(dpkg-query -W -f '${db:Status-Abbrev}${Version}' "$pkg" 2>&1) == "ii $1" ]] ||
			fail "$pkg $1 is not installed"
	done
	for module in $(modules); do
		[[ $module == "/usr/lib/modules/$release/"* ]] || fail "$module: of another kernel"
		[[ $(modinfo -F version "$module") == "$1" ]] || fail "$module: not version $1"
		((n += 1))
	done
	((n == 0${release:+4})) || fail "$n modules"
}

left() {	# what an installation would leave
	modules
	find /usr/src /var/lib/dkms -maxdepth 1 -name 'bufsync*'
	find /etc /usr/bin /usr/sbin /usr/include /usr/lib/{bufsync,udev,modules-load.d} \
		/usr/share/{pkgconfig,bash-completion,zsh,man} -name '*bufsync*' 2>/dev/null
	find /usr/share/man/man4/{syncobj,dma_heap_memcg,vfio_pci_dmabuf,drm_gem}.4* 2>/dev/null
	dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' "${all[@]}" 2>/dev/null |
		grep -v ' un'
}

# put NAME DIR VERSION [RELEASE]: install what DIR has; see installed().
put() {
	fine apt install "$2"/*.deb
	installed "$3" "${4-}"
	result "$1"
}

remove() {	# remove NAME
	fine apt remove "${all[@]}"
	[[ ! $(modules) ]] || fail 'modules are left'
	result "$1"
}

purge() {	# purge NAME
	# apt may no longer know them: no archive has them.
	fine dpkg --purge "${all[@]}"
	[[ ! $(left) ]] || fail "left: $(left)"
	result "$1"
}

# life NAME: on a kernel for which nothing is built
life() {
	put "$1:install" /run/now "$version"
	put "$1:upgrade" /run/later "$later"
	[[ ! -e /usr/src/bufsync-$version ]] || fail 'the old source is left'
	remove "$1:remove"
	purge "$1:purge"
}

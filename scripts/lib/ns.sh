# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# ns.sh - run a command in a Debian root, in namespaces of its own.
#
# Every mount happens in a private mount namespace, so none can leak to the
# host; every process is in a PID namespace that dies with its first process,
# so nothing survives an interrupted run.

# ns_run OPTION... -- COMMAND...
#   -l DIR       a layer, topmost first; several make an overlay
#   -u DIR       keep what the command changes in DIR/upper (made if missing)
#   -w           change the (only) layer itself
#   -g DIR       a layer of what is to be at /run/guest, to export it; topmost first
#   -b SRC=DST   bind SRC at DST, which is made under the root's /run
# Without -u and -w the root is read-only but for /tmp and /run.
ns_run() {
	setpriv --pdeathsig KILL \
		unshare --mount --pid --fork --kill-child --propagation private \
		"${BASH:-bash}" "$SCRIPTS/lib/enter" "$CACHE" "$@"
}

# The environment a command in the root gets: nothing of the caller's but
# proxies.
ns_env() {
	local v
	printf '%s\n' PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
		DEBIAN_FRONTEND=noninteractive INITRD=No TERM="${TERM:-dumb}"
	for v in http_proxy https_proxy ftp_proxy no_proxy; do
		[[ -z ${!v-} ]] || printf '%s\n' "$v=${!v}"
	done
}

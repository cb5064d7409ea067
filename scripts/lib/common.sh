# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# common.sh - what every script of the rig needs: where things are, how to
# talk to the user, how to run a step once.
#
# The scripts that source this file have set: set -euo pipefail

shopt -s extglob

SCRIPTS=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
TREE=${SCRIPTS%/*}
CACHE=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/bufsync

# Exit statuses of scripts/vm; a guest command's own status is passed through.
# The out directory's "result" file tells the two apart when they clash.
# shellcheck disable=SC2034 # used by the scripts that source this file
EXIT_CRASH=123 EXIT_HANG=124 EXIT_RIG=125

ME=${0##*/}

# Progress goes to stderr: stdout belongs to the guest's command.
msg() { printf '%s: %s\n' "$ME" "$*" >&2; }
die() { msg "$*"; exit "$EXIT_RIG"; }

elapsed() {	# elapsed START -> seconds since START ($EPOCHREALTIME), "12.3"
	local us=$(( ${EPOCHREALTIME/[.,]/} - ${1/[.,]/} ))
	printf '%d.%d' $((us / 1000000)) $((us / 100000 % 10))
}

# A sign of life every ten seconds: what the log's last line is.
heartbeat() {	# heartbeat TEXT START LOG
	local never
	exec {never}<> <(:)
	while ! read -r -t 10 -u "$never"; do
		msg "$1: $(elapsed "$2") s ... $(tail -n 1 "$3" | tr -d '\r' | cut -c1-70)"
	done
}

# try_step TEXT COMMAND...: run COMMAND with its output in a log file, say what
# goes on and how long it took; on failure show the end of the log. COMMAND may
# be a function, which then ends with the first command that fails.
try_step() {
	local text=$1 start=$EPOCHREALTIME log beat rc=0
	shift
	mkdir -p "$CACHE/log"
	log=$CACHE/log/$(tr -cs 'A-Za-z0-9.+-' - <<<"$text" | cut -c1-60)$$.log
	msg "$text ..."
	: >"$log"
	heartbeat "$text" "$start" "$log" &
	beat=$!
	# Where this is called in a condition, errexit is off in all that it
	# calls, subshells included, but not in a process substitution.
	: > >(set -e; "$@" >"$log" 2>&1 </dev/null)
	STEP_JOB=$!
	wait "$STEP_JOB" || rc=$?
	STEP_JOB=
	kill "$beat" 2>/dev/null || true
	wait "$beat" 2>/dev/null || true
	if ((rc)); then
		msg "$text: FAILED after $(elapsed "$start") s; the log ends with:"
		tail -n 25 "$log" | sed 's/^/    /' >&2
		msg "whole log: $log"
		return "$rc"
	fi
	rm -f "$log"
	msg "$text: $(elapsed "$start") s"
}

# step TEXT COMMAND...: the same; a failure ends the script.
step() { try_step "$@" || exit "$EXIT_RIG"; }

# kill_jobs [SIGNAL]: of this shell, a running step included.
kill_jobs() {
	# shellcheck disable=SC2046,SC2086 # pids
	kill "${1:--TERM}" $(jobs -p) ${STEP_JOB-} 2>/dev/null || true
}

# at_end [VARIABLE...]: when this script ends or is told to, end its jobs, and remove what the
# VARIABLEs then name. A subshell in the background begins with "trap - EXIT".
at_end() {
	AT_END=("$@")
	trap at_end_now EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

at_end_now() {
	local rc=$? name
	trap - EXIT INT TERM HUP
	kill_jobs
	for name in "${AT_END[@]}"; do
		[[ ! ${!name-} ]] || rm -rf "${!name}"
	done
	exit "$rc"
}

# locked NAME COMMAND...: run COMMAND while holding the cache's lock NAME, so
# that two runs never make the same thing at the same time.
locked() {
	local name=$1 fd
	shift
	mkdir -p "$CACHE/lock"
	exec {fd}>"$CACHE/lock/$name"
	if ! flock --nonblock "$fd"; then
		msg "waiting for another run that prepares '$name' ..."
		flock "$fd"
	fi
	"$@"	# a failure ends the script, and that the lock
	exec {fd}>&-
}

# sweep DIR PREFIX...: remove what killed runs have left there, PREFIX.*, half a day ago: what
# is newer may belong to a run of another tree.
sweep() {
	local dir=$1 prefix
	shift
	for prefix; do
		find "$dir" -mindepth 1 -maxdepth 1 -name "$prefix.*" -mmin +720 -exec rm -rf {} +
	done
}

# tree_id: the tree's commit, with "-dirty" if it is changed; "-" in a tarball.
tree_id() { git -c safe.directory='*' -C "$TREE" describe --always --dirty --abbrev=40 2>/dev/null || echo -; }

# hash_of STRING...: a short content key.
hash_of() { printf '%s\n' "$@" | sha256sum | cut -c1-16; }

need_root() {
	((EUID == 0)) || die "must be root (mounts, chroot): run it with sudo"
}

need_space() {	# need_space MIB WHAT
	local free
	mkdir -p "$CACHE"
	free=$(($(df --output=avail -m "$CACHE" | tail -n 1)))
	((free >= $1)) ||
		die "$2 needs $1 MiB in $CACHE, only $free MiB are free;" \
		    "free some or point XDG_CACHE_HOME elsewhere"
}

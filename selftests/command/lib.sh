# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# lib.sh - tests of the command bufsync: results, and what it said. To be sourced.
# BUFSYNC is the command, if it is not one that is installed.

set -uo pipefail
export LC_ALL=C
unset NO_COLOR

BUFSYNC=$(command -v "${BUFSYNC:-bufsync}")
tmp=$(mktemp -d /tmp/bufsync-command.XXXXXX)
trap 'rm -rf "$tmp"' EXIT
tests=0 failures=0
out='' err='' rc=0

plan() {
	echo 'TAP version 13'
	if [[ ! $BUFSYNC ]]; then
		echo 'Bail out! no command bufsync: make tools, and BUFSYNC=tools/bufsync/bufsync'
		exit 2
	fi
}

# bufsync ARG...: run it; out, err and rc are what came of it.
bufsync() {
	rc=0
	out=$("$BUFSYNC" "$@" 2>"$tmp/err" </dev/null) || rc=$?
	err=$(<"$tmp/err")
}

# result NAME: of what has been noted by fail() since the last one.
noted=''
fail() { noted+="$*"$'\n'; }

result() {
	((tests += 1))
	if [[ $noted ]]; then
		((failures += 1))
		{
			printf '%s' "$noted"
			printf 'exit status %s, stdout:\n%s\nstderr:\n%s\n' "$rc" "$out" "$err"
		} | sed 's/^/# /'
		echo "not ok $tests $1"
	else
		echo "ok $tests $1"
	fi
	noted=''
}

status_is() { [[ $rc == "$1" ]] || fail "exit status is $rc, not $1"; }
says() { [[ $out == *"$1"* ]] || fail "stdout lacks: $1"; }
says_not() { [[ $out != *"$1"* ]] || fail "stdout has: $1"; }
complains() { [[ $err == *"$1"* ]] || fail "stderr lacks: $1"; }
matches() { grep -qE -- "$1" <<<"$out" || fail "no line matches: $1"; }

finish() {
	echo "1..$tests"
	((failures == 0)) || exit 1
	exit 0
}

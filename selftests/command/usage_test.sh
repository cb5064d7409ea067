#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# usage_test - options, exit statuses, and what completion and help know.
# shellcheck source=selftests/command/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"
plan

mkdir "$tmp/empty"
root=$tmp/empty

bufsync
status_is 2
[[ ! $out ]] || fail 'usage goes to stdout'
complains 'usage: bufsync'
result 'no command'

bufsync --help
status_is 0
for command in status doctor heap vfio gem syncobj; do
	says "  $command "
done
result '--help'

bufsync --version
status_is 0
matches '^bufsync [0-9]+\.[0-9]+\.[0-9]+ \([^)]+\)$'
result '--version'

for command in status doctor heap vfio gem syncobj; do
	bufsync "$command" --help
	status_is 0
	says "usage: bufsync $command"
	says '--json'
	[[ ! $err ]] || fail 'help goes to stderr'
	result "$command --help"
done

while IFS= read -r line; do
	read -ra words <<<"$line"
	bufsync "${words[@]}"
	status_is 2
	[[ ! $out ]] || fail 'something on stdout'
	[[ $err ]] || fail 'nothing said'
	result "usage: $line"
done <<'EOT'
nothing
--root /nonexistent status
status --root
status now
doctor --reports
doctor --report more
heap --watch=0
heap --watch=x
heap --count 0
heap --count
heap everything
vfio
vfio slice
vfio slices 1
vfio bind
gem
gem lists
gem list render
gem owner 1
gem owner one 2
syncobj
syncobj watch
syncobj look 1
syncobj watch self
syncobj watch 1:x
syncobj watch --count 0 1
syncobj watch --interval 0 1
syncobj watch 1 2
EOT

# Of an empty system nothing is known, and nothing is fine.
bufsync status --root "$root"
status_is 0
matches '^kernel: +unknown$'
matches '^  syncobj .* no +unknown'
says 'absent'
result 'status of an empty system'

bufsync doctor --root "$root"
matches '^unknown +kernel'
matches '^unknown +module'
matches '^unknown +cgroup'
matches '^unknown +taint'
matches '^unknown +log'
says_not 'all is fine'
result 'doctor of an empty system'

# JSON: one object a line, whatever happens. Alike before and behind the command.
for line in 'status' 'doctor' 'doctor --report' 'heap' 'heap --watch=0.01 --count 1' 'vfio list' \
	'vfio slices' 'gem list' 'vfio unbind --dry-run 00:00.0'; do
	read -ra words <<<"$line"
	bufsync "${words[@]}" --json --root "$root"
	[[ $(wc -l <<<"$out") == 1 && $out == '{'*'}' ]] || fail 'not one object in one line'
	behind=$out behind_rc=$rc
	bufsync --json --root="$root" "${words[@]}"
	[[ $out == "$behind" && $rc == "$behind_rc" ]] || fail 'another result with --json in front'
	result "JSON: $line"
done

# Colours are for terminals.
on_terminal() {	# on_terminal ENV...: sets out
	rc=0 err=
	out=$(env TERM=xterm "$@" script -qec "'$BUFSYNC' doctor --root '$root'" /dev/null </dev/null 2>&1)
}
if command -v script >/dev/null; then
	on_terminal
	says $'\e[33m'
	on_terminal NO_COLOR=1
	says_not $'\e[33m'
	on_terminal TERM=dumb
	says_not $'\e[33m'
fi
bufsync doctor --root "$root"
says_not $'\e'
result 'colours'

# What completion offers: each option and subcommand that help tells of, and no others.
completion=/usr/share/bash-completion/completions/bufsync
[[ -e $completion ]] || completion=${BASH_SOURCE[0]%/*}/../../tools/completion/bufsync.bash
for command in doctor heap 'vfio bind' 'vfio unbind' 'gem list' 'syncobj watch'; do
	read -ra words <<<"$command"
	# Another shell: completion is not for one with "set -u".
	out=$(bash --norc -c '. "$1"; shift; COMP_WORDS=(bufsync "$@" --) COMP_CWORD=$(($# + 1))
		_bufsync; printf "%s\n" "${COMPREPLY[@]}"' bash "$completion" "${words[@]}" | sort)
	case $command in
	vfio*) usage=$("$BUFSYNC" vfio --help | grep -e "bufsync $command" -e '^  -') ;;
	*) usage=$("$BUFSYNC" "${words[0]}" --help) ;;
	esac
	want=$(grep -oE -- '--[a-z][a-z-]+' <<<"$usage" | sort -u)
	[[ $out == "$want" ]] || fail "$command: offered: ${out//$'\n'/ }; in --help: ${want//$'\n'/ }"
done
result 'completion'

finish

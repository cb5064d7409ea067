#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# heap_test - bufsync heap, of a table that is made up.
# shellcheck source=selftests/command/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"
plan

root=$tmp/root
mkdir -p "$root/proc"
cat >"$root/proc/dma_heap_memcg" <<'EOT'
# cgroup bytes buffers peak local_bytes local_buffers charges denials failures throttled path
1 1610612736 7 1610612736 0 0 12 1 2 3 /
41 4096 1 8192 4096 1 2 0 0 0 /small
42 1610608640 6 1610608640 1610608640 6 10 1 2 3 /with\040a\134blank
43 0 0 999 0 0 1 0 0 0 (removed)
EOT

bufsync heap --root "$root"
status_is 0
order=$(awk '/^  .* (GiB|KiB|B) / { print $NF }' <<<"$out" | tr '\n' ' ')
[[ $order == '/ a\blank /small (removed) ' ]] || fail "order: $order"
matches '^ +1.50 GiB +7 +1.50 GiB +0 B +0 +12 +1 +2 +3 +1 +/$'
matches ' 4.00 KiB +1 +8.00 KiB '
matches ' 999 B '
says '/with a\blank'
result 'most first, human units, escapes'

bufsync heap --root "$root" --json
status_is 0
says '"bytes":1610608640,"buffers":6,"peak":1610608640,"local_bytes":1610608640,"local_buffers":6,"charges":10,"denials":1,"failures":2,"throttled":3,"cgroup":42,"path":"/with a\\blank"'
result 'JSON has the exact numbers'

bufsync heap --root "$root" --json --watch 0.05 --count 3
status_is 0
[[ $(wc -l <<<"$out") == 3 ]] || fail 'not three lines'
[[ $(sort -u <<<"$out" | wc -l) == 1 ]] || fail 'they differ'
result 'watching: a line each time'

(
	sleep 1
	echo '44 1 1 1 1 1 1 0 0 0 /new' >>"$root/proc/dma_heap_memcg"
) &
bufsync heap --root "$root" --watch=2 --count 2
wait
[[ $(grep -c '/new$' <<<"$out") == 1 ]] || fail 'what is new is not in the second one only'
says_not $'\e'
result 'watching: it is read anew'

# A name must not drive the terminal.
printf '45 9999999999999 1 1 1 1 1 0 0 0 /\033[31mred\\012x\n' >>"$root/proc/dma_heap_memcg"
bufsync heap --root "$root"
says_not $'\e'
says '/?[31mred?x'
result 'names with control characters'

rm "$root/proc/dma_heap_memcg"
bufsync heap --root "$root"
status_is 1
says 'modprobe dma_heap_memcg'
matches '^cgroups: +unknown$'
result 'the module is not loaded'

finish

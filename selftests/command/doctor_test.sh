#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# doctor_test - bufsync doctor on systems that are made of files: one in which all is
# fine, and others in each of which one thing is broken. The thing must be found, nothing
# else may be, and what fixes it must be said.
# shellcheck source=selftests/command/lib.sh
. "${BASH_SOURCE[0]%/*}/lib.sh"
plan
# shellcheck source=selftests/command/made_up.sh
. "${BASH_SOURCE[0]%/*}/made_up.sh"

K=6.12.1-made-up
MODS=lib/modules/$K

make_root "$tmp/fine" "$K"
fine=$root

# case_of [BASE]: a copy to break, $root
case_of() {
	rm -rf "$tmp/broken"
	cp -a "${1-$fine}" "$tmp/broken"
	root=$tmp/broken
}

doctor() { bufsync doctor --root "$root" "$@"; }

# problems CHECK...: the checks that report problems are exactly these; each says what
# fixes it.
problems() {
	local want have
	want=$(printf '%s\n' "$@" | sort -u)
	have=$(awk '/^problem / { print $2 }' <<<"$out" | sort -u)
	[[ $want == "$have" ]] || fail "problems are: ${have//$'\n'/ }; wanted: $*"
	awk '$1 == "problem" { if (open) bad = 1; open = 1; next }
	     $1 == "fix:" { open = 0; next }
	     open { bad = 1; open = 0 } END { exit bad || open }' <<<"$out" ||
		fail 'a problem without a fix'
}

unknowns() {
	local want have
	want=$(printf '%s\n' "$@" | sort -u)
	have=$(awk '/^unknown / { print $2 }' <<<"$out" | sort -u)
	[[ $want == "$have" ]] || fail "unknown are: ${have//$'\n'/ }; wanted: $*"
}

# broken NAME TEXT CHECK...: what doctor says of $root as it is now
broken() {
	local name=$1 text=$2
	shift 2
	doctor
	status_is 1
	problems "$@"
	says "$text"
	says_not 'all is fine'
	result "$name"
}

# not_known NAME CHECK: what cannot be read is no problem, and not fine.
not_known() {
	doctor
	status_is 0
	problems
	unknowns "$2"
	says_not 'all is fine'
	grep -qE "^ok +$2 " <<<"$out" && fail "$2 is fine as well"
	result "$1"
}

instead_a_directory() {	# FILE: it is there, and root cannot read it either
	rm -f "$root/$1"
	mkdir -p "$root/$1"
}

root=$fine
doctor
status_is 0
problems
unknowns
says 'all is fine'
matches '^ok +headers '
matches '^ok +config '
matches '^ok +symbols .* all [0-9]+ symbols'
matches '^ok +compiler '
matches '^ok +signature .*"A signer"'
matches '^ok +cgroup '
says 'syncobj: ready'
result 'a system in which all is fine'

# All sentences of the text are in the JSON, and no others.
doctor --json
status_is 0
[[ $out == '{'*'}' ]] || fail 'no JSON object'
json=$out
doctor
while read -r _ _ text; do
	[[ $json == *"\"text\":\"${text//\"/\\\"}\""* ]] || fail "not in JSON: $text"
done < <(grep -E '^(ok|note) ' <<<"$out")
[[ $(grep -o '"text":' <<<"$json" | wc -l) == $(grep -cE '^(ok|note|unknown|problem) ' <<<"$out") ]] ||
	fail 'other findings in the JSON'
result 'JSON and text say the same'

case_of
rm -rf "$root/$MODS/build"
doctor
status_is 1
problems headers
unknowns symbols
says "apt-get install linux-headers-$K"
result 'no headers'

case_of
rm -rf "$root/sys/module/syncobj" "$root/dev/syncobj"
broken 'a module is not loaded' 'fix: sudo modprobe syncobj' module

case_of
rm -rf "$root/sys/module/drm_gem_ctl" "$root/dev/drm_gem"
doctor
status_is 0
problems
matches '^note +module +drm_gem_ctl is not loaded'
result 'a module is not loaded that need not be'

case_of
rm -rf "$root/sys/module/syncobj"
broken 'a node without its module' 'somebody else' module provider

case_of
rm "$root/dev/syncobj"
broken 'a module without its node' 'although syncobj is loaded' node

case_of
chmod 600 "$root/dev/syncobj"
broken 'wrong mode on /dev/syncobj' 'fix: sudo chmod 0666 /dev/syncobj' node

case_of
chmod 666 "$root/dev/dma_heap/memcg"
broken 'wrong mode on /dev/dma_heap/memcg' 'has mode 0666, not 0660' node

case_of
put proc/cgroups 'memory	5	80	1'
put proc/self/mountinfo '30 24 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory'
broken 'cgroup v1' 'cgroup v1' cgroup

case_of
put proc/self/mountinfo '30 24 0:26 / /tmp rw - tmpfs tmpfs rw'
broken 'no cgroup2 is mounted' 'not mounted' cgroup

case_of
put proc/cgroups 'memory	0	80	0'
broken 'memory controller off on the command line' 'fix: boot without cgroup_disable=memory' cgroup

case_of
put sys/fs/cgroup/cgroup.controllers 'cpu memoryless'
broken 'no memory controller' 'no memory controller' cgroup

case_of
put sys/fs/cgroup/cgroup.subtree_control 'cpu'
broken 'memory controller off below the root' 'echo +memory' cgroup

# Secure Boot: unsigned modules, then signed ones without and with the key.
make_root "$tmp/unsigned" "$K" ''
unsigned=$root
doctor
status_is 0
problems
matches '^note +signature .*only Secure Boot minds'
result 'unsigned modules, where nobody minds'

secure_boot() {
	printf '\6\0\0\0\1' >"$root/$SECURE_BOOT"
	put sys/kernel/security/lockdown 'none [integrity] confidentiality'
}
case_of "$unsigned"
secure_boot
broken 'Secure Boot, unsigned modules, no key' \
	'dkms generate_mok; sudo dkms build --force bufsync/' signature key

case_of
secure_boot
printf 'a certificate of dkms' >"$root/var/lib/dkms/mok.pub"
printf '\6\0\0\0of shim' >"$root/$MOK_LIST"
broken 'Secure Boot, a key that is not enrolled' \
	'fix: sudo mokutil --import /var/lib/dkms/mok.pub' key

rm -rf "$root/sys/module/syncobj" "$root/dev/syncobj"
broken 'a module that the kernel refuses for its key' \
	'fix: what "key" says below, then sudo modprobe syncobj' key module

printf '\6\0\0\0a list with a certificate of dkms in it' >"$root/$MOK_LIST"
broken 'a module whose key is enrolled is not loaded' 'fix: sudo modprobe syncobj' module

put sys/module/syncobj/initstate live
put sys/module/syncobj/version "$VERSION"
put dev/syncobj ''
chmod 666 "$root/dev/syncobj"
doctor
status_is 0
problems
matches '^ok +secure_boot .* is on$'
matches '^ok +key .* is enrolled$'
says 'all is fine'
result 'Secure Boot, signed modules, the key enrolled'

case_of "$unsigned"
put sys/module/module/parameters/sig_enforce Y
broken 'signatures enforced without Secure Boot' 'does not load them' signature key

rm -rf "$root/sys/module/syncobj" "$root/dev/syncobj"
broken 'an unsigned module that the kernel refuses' \
	'fix: what "signature" and "key" say below, then sudo modprobe syncobj' signature key module

# Enrolled, which does not help
case_of
put sys/module/module/parameters/sig_enforce Y
printf 'a certificate of dkms' >"$root/var/lib/dkms/mok.pub"
printf '\6\0\0\0a list with a certificate of dkms in it' >"$root/$MOK_LIST"
broken 'a key that is not read without Secure Boot' 'fix: turn on Secure Boot, or boot without' key

# Kernels
make_root "$tmp/old" 5.10.0-made-up
broken 'a kernel that is too old' '6.1 to 7.3' kernel
make_root "$tmp/new" 7.4.1
broken 'a kernel that is too new' 'Linux 7.4.1 is not supported' kernel
make_root "$tmp/gem" 6.18.15-made-up
broken "a kernel whose own GEM ioctl is dangerous" 'fix: boot Linux 6.18.36' gem_ioctl
make_root "$tmp/mended" 6.18.36-made-up
doctor
status_is 0
problems
result 'a kernel whose own GEM ioctl is switched off'

case_of
sed -i /CONFIG_MEMCG/d "$root/boot/config-$K"
echo '# CONFIG_MEMCG is not set' >>"$root/boot/config-$K"
broken 'a kernel without memory cgroups' 'CONFIG_MEMCG' config

case_of
sed -i /drm_syncobj_free/d "$root/$MODS/build/Module.symvers"
broken 'a symbol that is not exported' 'does not export drm_syncobj_free: syncobj' symbols

case_of
rm "$root/usr/bin/gcc-made-up"
broken 'the compiler is missing' 'fix: sudo apt-get install gcc-made-up' compiler

# Modules
case_of
rm "$root/$MODS/updates/dkms/vfio_pci_dmabuf.ko"
index "$root" "$K"
broken 'a module is not on disk' 'vfio_pci_dmabuf is not there' module

case_of
mkdir -p "$root/$MODS/kernel/drivers/misc"
mv "$root/$MODS/updates/dkms/syncobj.ko" "$root/$MODS/kernel/drivers/misc"
index "$root" "$K"
broken "the kernel's own module" 'of its own' provider

case_of
ko "$root/$MODS/updates/dkms/syncobj.ko" syncobj 0.0.1 syncobj-1 old 'A signer'
broken 'an older module on disk' 'is of version 0.0.1' module

case_of
put sys/module/syncobj/version 0.0.1
broken 'an older module is loaded' 'syncobj 0.0.1 is loaded' module

case_of
put sys/module/syncobj/srcversion another
broken 'another build is loaded' 'modprobe -r syncobj' module

case_of
rm -rf "$root/sys/module/drm_gem_ctl" "$root/dev/drm_gem"
ko "$root/$MODS/updates/dkms/drm_gem_ctl.ko" drm_gem_ctl "$VERSION" x \
	'Stand-in for a module that this kernel cannot run' 'A signer'
broken 'a module that is a stand-in' 'built to refuse to load' module

# dkms
case_of
rm "$root/var/lib/dkms/bufsync/kernel-$K-x86_64"
put "var/lib/dkms/bufsync/$VERSION/build/make.log" 'src/syncobj/main.c:1:1: error: no such thing'
broken 'built but not installed by dkms' 'error: no such thing' dkms

case_of
mv "$root/var/lib/dkms/bufsync/$VERSION" "$root/var/lib/dkms/bufsync/0.0.1"
broken 'another version in dkms' 'bufsync/0.0.1' dkms

case_of
rm -r "$root/var/lib/dkms/bufsync" "$root/$MODS/updates"
index "$root" "$K"
broken 'nothing is installed' 'make install' dkms module

case_of
rm -r "$root/var/lib/dkms/bufsync"
doctor
status_is 0
problems
matches '^note +dkms '
result 'modules that came without dkms'

case_of
mkdir -p "$root/lib/modules/6.13.0-other" "$root/lib/modules/7.9-other"
touch "$root/lib/modules/6.13.0-other/modules.builtin" "$root/lib/modules/7.9-other/modules.builtin"
doctor
status_is 0
problems
matches '^note +dkms +not built for 6.13.0-other'
matches '^note +dkms +7.9-other is not supported'
result 'other kernels'

# The machine
case_of
put proc/sys/kernel/tainted 128
broken 'a kernel that has had an oops' 'taint flags D' taint

case_of
rm -r "$root/sys/kernel/iommu_groups"
doctor
status_is 0
matches '^note +iommu '
result 'no IOMMU'

case_of
put dev/kmsg '3,1,5000000,-;syncobj: this kernel lacks it; not loading'
doctor
matches '^note +log .*not loading'
result 'a module has refused to load'

# What cannot be read
for file in sys/kernel/security/lockdown:lockdown proc/sys/kernel/tainted:taint \
	sys/fs/cgroup/cgroup.controllers:cgroup dev/kmsg:log "$SECURE_BOOT:secure_boot"; do
	case_of
	instead_a_directory "${file%:*}"
	not_known "${file%:*} cannot be read" "${file##*:}"
done

case_of
rm "$root/boot/config-$K"
doctor
status_is 0
unknowns config compiler
says_not 'all is fine'
result "the kernel's configuration is not there"

case_of
rm "$root/$MODS"/modules.*
doctor
status_is 0
unknowns module
says_not 'all is fine'
result 'no list of modules'

# The report is one text with all of it.
root=$fine
doctor --report
status_is 0
[[ $out == '```'*'```' ]] || fail 'not in one block'
says 'LOADED'
says '/dev/syncobj'
says 'syncobj: ready'
# What would have to be compiled for a kernel that is made up
unknowns compat
matches '^0 problems, 1 thing unknown'
result 'the report'

finish

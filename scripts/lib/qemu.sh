# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# qemu.sh - boot one guest and wait for its end.
#
# VM_RUN is the run directory, exported read-write to the guest as /run/vm:
#   settings, argv, guest-init    in: see scripts/guest-init
#   console.log                   the kernel's console
#   up, rc, dmesg, gcov/          from the guest
#   booted                        from the guest: nothing of ours has run yet
#   ivshmem                       the memory of one of the guest's devices
#   qmp.sock                      QEMU's monitor, which the guest is connected to
#   tree                          the guest's device tree, where it is not QEMU's own
#   result                        how it ended: exit N, crash, hang, stuck, rig
# VM_TSC_KHZ comes from qemu_tsc. The other VM_* variables are the options of
# scripts/vm.

VM_CPUS=2 VM_MEM=1G VM_CMDLINE='' VM_QEMU='' VM_ICOUNT='' VM_SHARE='' VM_TIMEOUT=600
VM_MODULES='' VM_LAYERS=() VM_TSC_KHZ=''

# Longest time from QEMU's start to the command's, on a loaded machine.
VM_BOOT_TIMEOUT=${VM_BOOT_TIMEOUT:-300}

# And to the first program of the guest. An emulated processor now and then
# loses a timer early on, and its kernel waits for ever.
VM_KERNEL_TIMEOUT=${VM_KERNEL_TIMEOUT:-150}

# QEMU's threads for emulated processors, "single" or "multi". In threads of
# their own a processor's access now and then goes to the wrong device while
# another one moves BARs or turns them on and off (QEMU 10.0): registers read
# wrong, doorbells get lost and with them guests.
VM_THREADS=${VM_THREADS:-single}

# The test machine, the same for every row: an IOMMU and devices to give away.
# Four root ports: two displays in one IOMMU group, a BAR that the largest pages fit, one of
# moderate size (what a kernel with KASAN and DEBUG_OBJECTS does when a BAR is mapped for it and
# unmapped again goes by the size: seconds for a GiB), a device that can
# be reset and powered down by itself, and reports errors. (With hot-plug by ACPI the ports' links
# look dead after a reset.) A fifth, with nothing behind it, is a slot that devices come to and
# go from while the guest runs. The monitor is for the guest; the server must be
# there before its client.
QEMU_MACHINE='-nodefaults -no-reboot -display none -vga none -monitor none
	-device virtio-gpu-pci -device bochs-display -device edu
	-object memory-backend-file,id=ivshmem,size=4M,share=on,mem-path=/run/vm/ivshmem
	-device ivshmem-plain,memdev=ivshmem
	-object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-pci,rng=rng
	-device virtio-serial-pci,id=vser
	-device pcie-root-port,hotplug=off,id=port0,bus=pcie.0,addr=10.0,chassis=1
	-device bochs-display,id=bochs0,bus=port0,addr=00.0,multifunction=on,vgamem=16M
	-device bochs-display,id=bochs1,bus=port0,addr=00.1,vgamem=16M
	-device pcie-root-port,hotplug=off,id=port1,bus=pcie.0,addr=11.0,chassis=2,pref64-reserve=2G
	-object memory-backend-ram,id=big,size=1G,share=on
	-device ivshmem-plain,memdev=big,bus=port1
	-device pcie-root-port,hotplug=off,id=port4,bus=pcie.0,addr=14.0,chassis=5
	-object memory-backend-ram,id=memory,size=128M,share=on
	-device ivshmem-plain,memdev=memory,bus=port4
	-device pcie-root-port,hotplug=off,id=port2,bus=pcie.0,addr=12.0,chassis=3
	-device virtio-gpu-pci,bus=port2,id=gpu0,aer=on
	-device pcie-root-port,id=port3,bus=pcie.0,addr=13.0,chassis=4,pref64-reserve=64M
	-chardev socket,id=monitor,path=/run/vm/qmp.sock,server=on,wait=off
	-mon chardev=monitor,mode=control
	-chardev socket,id=qmp,path=/run/vm/qmp.sock'

# What goes before that, and the words for the kernel, by architecture.
QEMU_MACHINE_amd64='-machine q35,kernel-irqchip=split
	-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off
	-device intel-iommu,intremap=off,caching-mode=on'
QEMU_CMDLINE_amd64='console=ttyS0 intel_iommu=on'
QEMU_MACHINE_arm64='-machine virt,gic-version=3,iommu=smmuv3'
# Kernels before 7.3 ask the ports to keep apart what is behind them (ACS) too late, if a
# device tree describes the machine. A port would share the IOMMU group with its device: its
# own interrupts, for errors (AER), would go through what the device's user has mapped.
QEMU_CMDLINE_arm64='console=ttyAMA0 pci=config_acs=xx111x1@pci:1b36:000c'

# Warnings and worse reach the console; the whole log comes back as dmesg.
# Stall detectors get the patience that an emulated, shared processor needs.
QEMU_CMDLINE='loglevel=5 panic=-1 oops=panic mitigations=off
	random.trust_cpu=on audit=0
	rcupdate.rcu_cpu_stall_timeout=120 watchdog_thresh=60 cryptomgr.notests=1'

qemu_9p() {	# qemu_9p TAG PATH [OPTION]
	printf '%s\n' -fsdev "local,id=$1,path=$2,security_model=none,multidevs=remap$3" \
		-device "virtio-9p-pci,fsdev=$1,mount_tag=$1"
}

# qemu_argv ACCEL: one argument a line; paths are those inside the root.
qemu_argv() {
	local cmdline machine cpu program
	case $ROOT_ARCH in
	# A Zen by its numbers: Linux lets devices talk to each other across its host
	# bridge. And memory that is filled or copied in words, by page tables of four
	# levels: an emulated processor takes each byte of a "rep movsb" by itself.
	amd64)
		program=x86_64
		cpu=max,family=25,model=1,erms=off,fsrm=off,fsrs=off,fzrm=off,la57=off
		;;
	# Signing pointers by the book is what emulation would spend its time on. Not each
	# CPU can do pages of 16 KiB.
	arm64) program=aarch64 cpu=max,pauth-impdef=on ;;
	esac
	machine=QEMU_MACHINE_$ROOT_ARCH
	cmdline=QEMU_CMDLINE_$ROOT_ARCH
	cmdline="${!cmdline} $QEMU_CMDLINE"
	printf '%s\n' "qemu-system-$program"
	# shellcheck disable=SC2086 # words
	printf '%s\n' ${!machine} $QEMU_MACHINE
	if [[ $VM_ICOUNT ]]; then
		# One instruction is one nanosecond: times become path lengths.
		printf '%s\n' -accel tcg,thread=single -icount shift=0,sleep=off \
			-cpu "$([[ $ROOT_ARCH == amd64 ]] && echo qemu64 || echo "$cpu")" -smp 1
		cmdline+=' nokaslr'
	elif [[ $1 == kvm ]]; then
		printf '%s\n' -accel kvm -cpu host -smp "$VM_CPUS"
	else
		printf '%s\n' -accel "tcg,thread=$VM_THREADS" -cpu "$cpu" -smp "$VM_CPUS"
		# Nothing to compare the TSC with, nor to find its rate by, but
		# timers that lag behind: clocks forty times too fast were seen.
		[[ $ROOT_ARCH != amd64 ]] ||
			cmdline+=" tsc=reliable${VM_TSC_KHZ:+ tsc_early_khz=$VM_TSC_KHZ}"
	fi
	printf '%s\n' -m "$VM_MEM" -serial chardev:con \
		-chardev "file,id=con,path=/run/vm/console.log${VM_FIRMWARE:+,input-path=/run/firmware/keys}"
	# shellcheck disable=SC2086,SC2116 # one line
	cmdline=$(echo $cmdline $VM_CMDLINE)
	if [[ $VM_FIRMWARE ]]; then
		firmware_argv "$cmdline"
	else
		printf '%s\n' -kernel "/run/kernel/vmlinux-$KERNEL_BOOT" \
			-initrd "/run/kernel/initrd-$KERNEL_BOOT" -append "$cmdline"
	fi
	qemu_9p root /run/guest ,readonly=on
	qemu_9p vm /run/vm ''
	[[ ! $VM_SHARE ]] || qemu_9p share /run/share ''
	if [[ $VM_SHELL ]]; then
		printf '%s\n' -chardev stdio,id=tty,signal=off -device virtconsole,chardev=tty
	else
		printf '%s\n' -chardev file,id=out,path=/run/vm/out.fifo \
			-device virtserialport,chardev=out,name=out \
			-chardev file,id=err,path=/run/vm/err.fifo \
			-device virtserialport,chardev=err,name=err
	fi
	printf '%s\n' -device virtserialport,chardev=qmp,name=qmp
	# shellcheck disable=SC2086 # words, as the user gave them
	[[ ! $VM_QEMU ]] || printf '%s\n' $VM_QEMU
}

# qemu_tree: the device tree of an arm64 guest, but its PCI devices do not see the
# processors' caches. The property that says so is not enough to take away.
qemu_tree() {
	# shellcheck disable=SC2016,SC2086 # the inner shell's; words
	ns_run -l "$ROOT" -b "$VM_RUN=/run/vm" -- sh -ec '
		qemu-system-aarch64 -nodefaults -display none "$@"
		pcie=$(fdtget -l /run/vm/tree / | grep ^pcie@)
		fdtput -d /run/vm/tree "/$pcie" dma-coherent
		fdtput /run/vm/tree "/$pcie" dma-noncoherent' \
		sh $QEMU_MACHINE_arm64,dumpdtb=/run/vm/tree -cpu max -smp "$VM_CPUS" -m "$VM_MEM"
}

# qemu_run ACCEL: QEMU in the foreground.
qemu_run() {
	local layer argv opts=()
	mapfile -t argv < <(qemu_argv "$1")
	if [[ " $VM_CMDLINE " == *' bufsync.noncoherent '* ]]; then
		qemu_tree >"$VM_RUN/qemu.log" 2>&1 || return
		argv+=(-dtb /run/vm/tree)
	fi
	for layer in "${VM_LAYERS[@]}"; do
		opts+=(-g "$layer")
	done
	[[ ! $VM_SHARE ]] || opts+=(-b "$VM_SHARE=/run/share")
	[[ ! $VM_FIRMWARE ]] || opts+=(-b "$VM_FIRMWARE=/run/firmware")
	printf '%s\n' "${argv[@]}" >"$VM_RUN/qemu.args"
	ns_run "${opts[@]}" -b "$KERNEL_DIR=/run/kernel" -b "$VM_RUN=/run/vm" -l "$ROOT" -- \
		"${argv[@]}" 2>"$VM_RUN/qemu.log"
}

# qemu_slot: take one of two places a processor, so that guests that many people
# start do not starve each other into timeouts. Held by this process until it
# ends.
qemu_slot() {
	local i said='' slots=${VM_SLOTS:-$((2 * $(nproc)))}
	mkdir -p "$CACHE/lock"
	while :; do
		for ((i = 0; i < slots; i++)); do
			exec {QEMU_SLOT}>"$CACHE/lock/guest-$i"
			flock --nonblock "$QEMU_SLOT" && return
			exec {QEMU_SLOT}>&-
		done
		[[ $said ]] || msg "waiting: $slots guests are running already"
		said=1
		sleep 1
	done
}

qemu_prepare() {	# qemu_prepare MODE [COMMAND...]
	VM_TOKEN=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	VM_SHELL=''
	[[ $1 != shell ]] || VM_SHELL=1
	rm -f "$VM_RUN"/{booted,up,rc,dmesg,tainted,kmemleak,result,console.log} \
		"$VM_RUN"/{out.fifo,err.fifo,ivshmem,qmp.sock}
	rm -rf "$VM_RUN/gcov"
	truncate -s 4M "$VM_RUN/ivshmem"
	printf '%s=%q\n' mode "$1" token "$VM_TOKEN" modules "$VM_MODULES" \
		share "${VM_SHARE:+yes}" timeout "$VM_TIMEOUT" >"$VM_RUN/settings"
	[[ ! $VM_SHELL ]] || printf '%s=%q\n' TERM "${TERM:-dumb}" \
		rows "$(stty size 2>/dev/null | cut -d' ' -f1)" \
		cols "$(stty size 2>/dev/null | cut -d' ' -f2)" >>"$VM_RUN/settings"
	shift
	printf '%s\0' "$@" >"$VM_RUN/argv"
	cp "$SCRIPTS/guest-init" "$VM_RUN/guest-init"
}

# qemu_wait ACCEL: boot, pass the command's output on, and say in
# $VM_RUN/result how it ended.
qemu_wait() {
	local out err qemu limit=$((SECONDS + VM_BOOT_TIMEOUT)) up='' tick result=''
	local stuck=$((SECONDS + VM_KERNEL_TIMEOUT))
	mkfifo "$VM_RUN/out.fifo" "$VM_RUN/err.fifo"
	# Held open here, so that no relay waits for ever should QEMU not start.
	exec {out}<>"$VM_RUN/out.fifo" {err}<>"$VM_RUN/err.fifo" {tick}<> <(:)
	"$SCRIPTS/lib/relay" "$VM_TOKEN" <"$VM_RUN/out.fifo" {out}>&- {err}>&- {tick}>&- &
	VM_PIDS=$!
	"$SCRIPTS/lib/relay" "$VM_TOKEN" <"$VM_RUN/err.fifo" >&2 {out}>&- {err}>&- {tick}>&- &
	VM_PIDS+=" $!"
	qemu_run "$1" {out}>&- {err}>&- {tick}>&- </dev/null >/dev/null &
	qemu=$!
	while :; do
		if [[ ! $up && -e $VM_RUN/up ]]; then
			up=1 limit=$((SECONDS + VM_TIMEOUT))
		fi
		# shellcheck disable=SC2086 # pids
		if [[ -e $VM_RUN/rc ]] && ! kill -0 $VM_PIDS 2>/dev/null; then
			result=$(<"$VM_RUN/rc")
			[[ $result == modprobe* ]] || result="exit $result"
		elif ! kill -0 "$qemu" 2>/dev/null; then
			if [[ -s $VM_RUN/console.log ]]; then result=crash; else result=rig; fi
		elif ((SECONDS >= stuck)) && [[ ! -e $VM_RUN/booted ]]; then
			result=stuck
		elif ((SECONDS >= limit)); then
			result=hang
		fi
		[[ ! $result ]] || break
		read -r -t 0.1 -u "$tick" || true
	done
	kill -KILL "$qemu" 2>/dev/null || true
	wait "$qemu" 2>/dev/null || true
	exec {out}>&- {err}>&- {tick}>&-
	# shellcheck disable=SC2086
	wait $VM_PIDS || true
	rm -f "$VM_RUN"/{out.fifo,err.fifo,ivshmem,qmp.sock}
	printf '%s\n' "$result" >"$VM_RUN/result"
}

# qemu_tsc: sets VM_TSC_KHZ, the rate of this machine's time stamp counter, which is
# an emulated processor's too. Empty on a machine without one.
qemu_tsc() {
	local stamp
	[[ $(uname -m) == x86_64 && $ROOT_ARCH == amd64 ]] || return 0
	stamp=$CACHE/tsc-$(hash_of "$(cat /proc/sys/kernel/random/boot_id)" \
		"$(cat "$SCRIPTS/lib/tsc-khz.c")")
	[[ -e $stamp ]] || locked tsc qemu_tsc_measure "$stamp"
	VM_TSC_KHZ=$(<"$stamp")
}

qemu_tsc_measure() {	# qemu_tsc_measure STAMP
	[[ ! -e $1 ]] || return 0
	rm -f "$CACHE"/tsc-*
	ns_run -l "$ROOT" -b "$SCRIPTS/lib=/run/lib" -- \
		sh -ec 'gcc -O2 -o /tmp/tsc-khz /run/lib/tsc-khz.c; /tmp/tsc-khz' >"$1.tmp"
	mv "$1.tmp" "$1"
}

# qemu_accel: kvm only if a guest reached user space under it on this boot of
# the host; that /dev/kvm exists proves nothing.
qemu_accel() {
	local stamp
	[[ -w /dev/kvm && ! $VM_ICOUNT && ! $ROOT_CROSS ]] || { echo tcg; return; }
	stamp=$CACHE/kvm-$(hash_of "$(cat /proc/sys/kernel/random/boot_id)" \
		"$(stat -c %Y "$ROOT/usr/bin/qemu-system-x86_64")")
	[[ -e $stamp ]] || locked kvm qemu_smoke "$stamp"
	cat "$stamp"
}

qemu_smoke() {	# qemu_smoke STAMP
	[[ ! -e $1 ]] || return 0
	rm -f "$CACHE"/kvm-*
	(
		VM_RUN=$(mktemp -d "$CACHE/run/kvm.XXXXXX")
		VM_BOOT_TIMEOUT=20 VM_SHARE='' VM_MODULES='' VM_QEMU=''
		qemu_prepare run true
		qemu_wait kvm
		[[ $(<"$VM_RUN/result") == 'exit 0' ]] && kvm=kvm || kvm=tcg
		rm -rf "$VM_RUN"
		echo "$kvm" >"$1"
	) >/dev/null 2>&1
	[[ $(<"$1") == kvm ]] || msg "/dev/kvm is there but no guest comes up under it: emulating"
}

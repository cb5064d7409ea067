# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# kernel.sh - a row's kernel as a layer over the Debian root.
#
# The packages are unpacked into a layer of their own instead of being
# installed: rows then never disturb each other or the root, any number can be
# fetched beside one another, and dropping one is rm -r.
# (scripts/packaging-test installs them for real.)
#
#   linux/K/fs       the layer: /boot, /usr/lib/modules/K, /usr/src
#   linux/K/debs     the packages it was made of
#   linux/K/vmlinuz, and vmlinux-*, initrd-* made of it

# Modules that no test can need: to unpack and to index them would take longer
# than all the rest.
KERNEL_EXCLUDE=(
	sound
	drivers/{accel,accessibility,ata,atm,bluetooth,bus,cpufreq,comedi,crypto,cxl}
	drivers/{dca,dma,edac,extcon,firewire,gnss,gpio,hid,hsi,hv,hwmon,hwtracing}
	drivers/{iio,infiniband,input,isdn,leds,macintosh,mcb,md,media,memstick}
	drivers/{message,mfd,mmc,most,mtd,mux,net,nfc,ntb,parport,pcmcia,phy,pinctrl}
	drivers/{platform,power,powercap,pps,pwm,rapidio,ras,regulator,remoteproc}
	drivers/{rpmsg,rtc,scsi,siox,slimbus,soundwire,spi,ssb,staging,target,tee}
	drivers/{thermal,thunderbolt,tty,ufs,usb,w1,watchdog,xen}
	drivers/gpu/drm/{amd,i915,nouveau,radeon,xe,gma500,imagination}
	fs/{affs,afs,bcachefs,befs,bfs,btrfs,ceph,coda,cramfs,dlm,ecryptfs,efs,exfat}
	fs/{f2fs,fat,freevxfs,gfs2,hfs,hfsplus,hpfs,isofs,jffs2,jfs,lockd,minix}
	fs/{nfs,nfs_common,nfsd,nilfs2,nls,ntfs3,ocfs2,omfs,orangefs,qnx4,qnx6}
	fs/{quota,reiserfs,romfs,smb,sysv,ubifs,udf,ufs,vboxsf,xfs,zonefs}
	net/{802,8021q,6lowpan,appletalk,atm,ax25,batman-adv,bluetooth,bridge,can}
	net/{ceph,dccp,dsa,hsr,ieee802154,ipv4,ipv6,l2tp,llc,mac80211,mac802154,mpls}
	net/{mptcp,netfilter,netrom,nfc,openvswitch,phonet,psample,qrtr,rds,rose}
	net/{rxrpc,sched,sctp,smc,sunrpc,tipc,tls,wireless,x25,xdp,xfrm}
)

KERNEL_INITRD_MODULES='virtio_pci 9pnet_virtio 9p overlay virtio_console'

# kernel_closure PACKAGE...: with the linux-* packages that they depend on.
kernel_closure() {
	printf '%s\n' "$@"
	# shellcheck disable=SC2016 # awk
	root_run -- apt-cache depends --recurse --no-recommends --no-suggests \
		--no-conflicts --no-breaks --no-replaces --no-enhances "$@" |
		awk '/^linux-(headers|kbuild|binary|modules|compiler)-/ || /^linux-base-[0-9]/' |
		sed 's/:.*//'
}

# kernel_download DIR PACKAGE...
kernel_download() {
	local dir=$1
	shift
	mkdir -p "$dir"
	# shellcheck disable=SC2016 # the inner shell's
	root_run -b "$dir=/run/debs" -- sh -c 'cd /run/debs &&
		apt-get download -q -o APT::Sandbox::User=root "$@"' sh "$@"
}

# kernel_pool DIR RELEASE NAME: headers that the index no longer lists. Their
# place follows from that of the image: same version, same mirror.
kernel_pool() {
	local dir=$1 release=$2 name=$3 uri version pool pkg arch
	uri=$(root_run -- apt-get download --print-uris "linux-image-$release" |
		awk -F"'" '{ print $2; exit }')
	version=$(root_run -- apt-cache show "linux-image-$release" |
		awk '$1 == "Version:" { print $2; exit }')
	pool=${uri%/linux*/*}/linux
	mkdir -p "$dir"
	for pkg in "$name:amd64" "${name%-amd64}-common:all" "linux-kbuild-${release%-amd64}:amd64"; do
		arch=${pkg#*:} pkg=${pkg%:*}
		# shellcheck disable=SC2016
		root_run -b "$dir=/run/debs" -- sh -c 'cd /run/debs &&
			/usr/lib/apt/apt-helper -o APT::Sandbox::User=root download-file "$1" "$2"' \
			sh "$pool/${pkg}_${version}_$arch.deb" "${pkg}_${version}_$arch.deb" || {
			rm -f "$dir/${pkg}_${version}_$arch.deb"
			echo "no headers on the mirror: $pkg $version is neither in the index nor in the pool" \
				>"$dir/unavailable"
			return 1
		}
	done
}

kernel_fetch() {	# kernel_fetch DIR RELEASE PACKAGE-LIST
	local dir=$1 release=$2 pkg want=() names
	IFS=, read -ra names <<<"${3//%K/$release}"
	for pkg in "${names[@]}"; do
		case $pkg in
		pool:*) kernel_pool "$dir/debs" "$release" "${pkg#pool:}" || return ;;
		*) want+=("$pkg") ;;
		esac
	done
	# shellcheck disable=SC2046 # package names
	kernel_download "$dir/debs" $(kernel_closure "${want[@]}" | sort -u)
}

# kernel_tools DIR: what the root must have to build for these headers. Those of another
# architecture ask for its compiler.
kernel_tools() {
	local deb
	for deb in "$1"/debs/linux-{headers,kbuild,compiler}-*.deb; do
		[[ ! -e $deb ]] || dpkg-deb -f "$deb" Depends
	done | tr ',' '\n' | sed 's/|.*//; s/(.*//; s/[: ].*any//; s/ //g' |
		sed -E "${ROOT_CROSS:+s/^(gcc-[0-9]+).*/\1-${ROOT_CROSS%-}/}" |
		grep -vE '^(linux-|$)' | sort -u
}

kernel_unpack() {	# kernel_unpack DIR RELEASE
	local dir=$1 release=$2 deb path exclude
	rm -rf "$dir/fs"
	mkdir -p "$dir/fs/usr/lib"
	for deb in "$dir"/debs/*.deb; do
		# Patterns are tried on each file, and headers are many files.
		exclude=(--exclude='./usr/share')
		if [[ $deb == */linux-@(image|modules)-* ]]; then
			for path in "${KERNEL_EXCLUDE[@]}"; do
				exclude+=(--exclude="*/kernel/$path")
			done
		fi
		dpkg-deb --fsys-tarfile "$deb" |
			tar -x -C "$dir/fs" --no-same-owner "${exclude[@]}"
	done
	# A real /lib here would hide the root's symlink to usr/lib.
	if [[ -d $dir/fs/lib ]]; then
		cp -al "$dir/fs/lib/." "$dir/fs/usr/lib/"
		rm -rf "$dir/fs/lib"
	fi
	for path in "$dir/fs/boot/vmlinuz-$release" "$dir/fs/usr/lib/modules/$release"/vmlinuz*; do
		[[ ! -e $path ]] || ln -f "$path" "$dir/vmlinuz"
	done
	[[ -e $dir/vmlinuz ]] || { echo "no vmlinuz in the packages of $release"; return 1; }
}

kernel_set_up() {	# kernel_set_up ROW TMP
	local row=$1 release dir packages suite other=''
	suite=$(row_field "$row" suite)
	[[ " $ROOT_SUITES " == *" $suite "* ]] || other=1
	# A mirror without the suite has no such kernel either.
	[[ ! $other ]] || root_other_suite "$suite" "$2" || true
	if ! release=$(row_resolve "$row"); then
		[[ $other ]] || root_apt_update
		release=$(row_resolve "$row") || {
			echo "no $(row_field "$row" kernel) in $suite on this mirror" \
				>"$CACHE/rows/$row.unavailable"
			return
		}
	fi
	dir=$CACHE/linux/$release
	packages=$(row_field "$row" packages)
	rm -f "$CACHE/rows/$row.unavailable"
	# Another row's, too, which may be using it
	if [[ -e $dir/unpacked ]]; then
		printf '%s\n' "$release" >"$CACHE/rows/$row"
		return
	fi
	mkdir -p "$dir"
	if ! kernel_fetch "$dir" "$release" "$packages"; then
		if [[ -e $dir/debs/unavailable ]]; then
			mv "$dir/debs/unavailable" "$CACHE/rows/$row.unavailable"
			rm -rf "$dir"
			return
		fi
		# The index may be older than the mirror: once more with a new one.
		rm -rf "$dir"
		root_apt_update
		release=$(row_resolve "$row")
		dir=$CACHE/linux/$release
		mkdir -p "$dir"
		kernel_fetch "$dir" "$release" "$packages"
	fi
	kernel_unpack "$dir" "$release"
	printf '%s\n' "$release" >"$CACHE/rows/$row"
	# Nothing is built for a kernel out of range, and its compiler is too old for the root.
	: >"$dir/tools"
	[[ $(row_field "$row" set) == outside ]] || kernel_tools "$dir" >"$dir/tools"
	: >"$dir/unpacked"
}

# What needs the root's tools, so that unpacking can run beside the making of
# the root.
kernel_finish() {
	# shellcheck disable=SC2086 # words
	ns_run -l "$ROOT" -b "$KERNEL_DIR=/run/kernel" -b "$SCRIPTS=/run/scripts" -- \
		sh /run/scripts/lib/mk-boot "$KERNEL_RELEASE" "$KERNEL_BOOT" \
		$KERNEL_INITRD_MODULES
}

kernel_finish_locked() {	# kernel_finish_locked ROW
	[[ -e $KERNEL_DIR/vmlinux-$KERNEL_BOOT ]] ||
		step "kernel $1 ($KERNEL_RELEASE): depmod, boot files" kernel_finish
}

kernel_ensure_locked() {
	local row=$1 release tmp=$CACHE/linux/apt-$1
	if [[ $(row_field "$row" set) == own ]]; then
		"$TREE/$(row_field "$row" packages)" "$row" || die "row $row could not be made"
		return
	fi
	release=$(row_release "$row")
	if [[ -z $release || ! -e $CACHE/linux/$release/unpacked ]]; then
		rm -rf "$tmp"
		try_step "kernel $row: fetch and unpack" kernel_set_up "$row" "$tmp" || root_explain_failure
		rm -rf "$tmp"
	fi
}

# kernel_lock ROW: the same for rows that have a kernel in common.
kernel_lock() {
	local kernel
	kernel=$(row_field "$1" kernel)
	echo "kernel-${kernel//[^[:alnum:].+-]/}"
}

# kernel_unpacked ROW: fetched and unpacked; needs no more than the base root. Selects
# the row's root, and makes one that compiles for another architecture.
kernel_unpacked() {
	row_check "$1"
	root_select "$(row_arch "$1")"
	[[ ! $ROOT_CROSS ]] || root_ensure build test
	mkdir -p "$CACHE/rows" "$CACHE/linux"
	locked "$(kernel_lock "$1")" kernel_ensure_locked "$1"
}

# kernel_ensure ROW: ready to build for and to boot. Sets KERNEL_RELEASE,
# KERNEL_DIR, KERNEL_BOOT, and KERNEL_KEY, which tells builds of one release apart:
# a kernel of our own keeps its release when its configuration changes; and selects
# the row's root. Returns 1 when the row is unavailable.
kernel_ensure() {
	local tools
	kernel_unpacked "$1"
	KERNEL_RELEASE=$(row_release "$1")
	[[ $KERNEL_RELEASE ]] || return 1
	KERNEL_DIR=$CACHE/linux/$KERNEL_RELEASE
	KERNEL_KEY=$(cat "$KERNEL_DIR/key" 2>/dev/null || true)
	KERNEL_BOOT=$(cat "$SCRIPTS/initrd-init" "$SCRIPTS/lib/mk-boot" | sha256sum | cut -c1-16)
	mapfile -t tools <"$KERNEL_DIR/tools"
	locked "root${ROOT_CROSS:+-$ROOT_ARCH}" root_stage "build for $1" "${tools[@]}"
	locked "$(kernel_lock "$1")" kernel_finish_locked "$1"
}

# kernel_prefetch ROW...: fetch and unpack beside the installation of the
# root's packages, which keeps one processor busy, no more.
kernel_prefetch() {
	local row
	for row; do
		kernel_unpacked "$row"
	done &
	KERNEL_PREFETCH=$!
}

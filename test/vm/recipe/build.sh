#!/bin/bash
# build.sh OUT MIRROR: make the machine's disk, kernels and initramfs images in OUT.
#
# Runs as root (perhaps through sudo) in a mount namespace of its own (the caller unshares it), so that
# no mount survives, whatever happens here. Everything it makes follows from the
# files of this directory: their hash is the key of the cache.
set -euo pipefail

out=$1 mirror=$2
here=$(cd "$(dirname "$0")" && pwd)
root=$out/root
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset TMPDIR

step() { printf '%4ds  %s\n' "$SECONDS" "$*"; }
guest() { chroot "$root" "$@"; }

packages=(
	systemd systemd-sysv dbus dbus-user-session libpam-systemd udev kmod
	openssh-server iproute2 procps psmisc util-linux-extra login passwd cron sudo attr
	uidmap slirp4netns passt catatonit busybox-static
	auditd policycoreutils selinux-policy-default selinux-utils
)

install_system() {
	step "debootstrap bookworm from $mirror"
	mkdir -p "$out/../debs"
	(IFS=,; exec debootstrap --variant=minbase --cache-dir="$(cd "$out/../debs" && pwd)" \
		--include="${packages[*]}" bookworm "$root" "$mirror") >"$out/debootstrap.log" 2>&1 ||
		{ tail -n 20 "$out/debootstrap.log" "$root/debootstrap/debootstrap.log" >&2; return 1; }
	rm -rf "$root"/var/cache/apt/archives/*.deb
}

# install_kernel NAME SUITE unpacks the newest cloud kernel of a suite. Unpacked, not
# installed: its package would pull in initramfs-tools and build an image nobody boots.
install_kernel() {
	local name=$1 suite=$2 meta pkg release
	step "kernel $name from $suite"
	mkdir -p "$root/tmp/kernel"
	meta=$(guest apt-cache show "linux-image-cloud-amd64=$(guest apt-cache madison linux-image-cloud-amd64 |
		awk -F'|' -v s="$suite/main" '$3 ~ s { gsub(/ /, "", $2); print $2; exit }')")
	pkg=$(sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p' <<<"$meta" | head -n 1)
	guest sh -c "cd /tmp/kernel && apt-get -qq -o APT::Sandbox::User=root download $pkg/$suite"
	# Not dpkg-deb -x: it would replace the symbolic link /lib by a directory.
	guest sh -c "dpkg-deb --fsys-tarfile /tmp/kernel/$pkg*.deb | tar -C / -x --keep-directory-symlink ./boot ./lib"
	release=${pkg#linux-image-}
	release=${release%-unsigned}
	guest depmod "$release"
	mv "$root/boot/vmlinuz-$release" "$out/vmlinuz-$name"
	rm -f "$root"/boot/*
	initramfs "$release" "$out/initrd-$name"
}

# initramfs RELEASE FILE packs busybox, the modules of disk and network card, and init.
initramfs() {
	local release=$1 file=$2 tree=$root/tmp/initramfs module path
	rm -rf "$tree"
	mkdir -p "$tree"/{bin,dev,proc,sys,newroot,modules}
	cp "$root/bin/busybox" "$tree/bin/busybox"
	install -m 0755 "$here/initramfs-init" "$tree/init"
	for module in virtio_pci virtio_blk virtio_net virtio_rng ext4 crc32c_generic; do
		guest modprobe --set-version "$release" --show-depends "$module" 2>/dev/null || true
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$tree/modules.list"
	while read -r path; do
		cp "$root$path" "$tree/modules/"
	done <"$tree/modules.list"
	find "$tree/modules" -name '*.xz' -exec xz -d {} +
	sed -i 's,.*/,/modules/,; s,\.xz$,,' "$tree/modules.list"
	guest sh -c 'cd /tmp/initramfs && find . | busybox cpio -o -H newc' 2>/dev/null | gzip -1 >"$file"
	rm -rf "$tree"
}

configure() {
	step "configure"
	cp -r "$here/guest/." "$root/"
	chmod 0755 "$root"/usr/local/sbin/*
	echo vm >"$root/etc/hostname"
	echo '127.0.0.1 localhost vm' >"$root/etc/hosts"
	echo 'nameserver 10.0.2.3' >"$root/etc/resolv.conf"
	echo '/dev/vda / ext4 defaults 0 0' >"$root/etc/fstab"
	guest systemd-machine-id-setup 2>/dev/null
	guest useradd --create-home --shell /bin/bash --uid 1000 alice # has sub-IDs and lingers
	guest useradd --create-home --shell /bin/bash --uid 1001 bob   # has neither
	sed -i '/^bob:/d' "$root/etc/subuid" "$root/etc/subgid"
	mkdir -p "$root/var/lib/systemd/linger" "$root/mnt/payload"
	touch "$root/var/lib/systemd/linger/alice"
	guest ssh-keygen -q -t ed25519 -N '' -C test -f /tmp/key
	local home
	for home in root home/alice home/bob; do
		install -d -m 0700 "$root/$home/.ssh"
		install -m 0600 "$root/tmp/key.pub" "$root/$home/.ssh/authorized_keys"
	done
	guest chown -R alice:alice /home/alice/.ssh
	guest chown -R bob:bob /home/bob/.ssh
	mv "$root/tmp/key" "$out/key"
	rm "$root/tmp/key.pub"
	rm -f "$root"/etc/ssh/ssh_host_{rsa,ecdsa}_key*
	echo "vm $(cut -d' ' -f1,2 "$root/etc/ssh/ssh_host_ed25519_key.pub")" >"$out/known_hosts"
	guest systemctl -q enable ssh.service auditd.service cron.service machine-net.service machine-ready.service
	guest systemctl -q mask getty@tty1.service console-getty.service serial-getty@ttyS0.service \
		apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
		systemd-networkd.service systemd-resolved.service systemd-pstore.service systemd-journald-audit.socket
	sed -i 's/^SELINUX=.*/SELINUX=permissive/; s/^SELINUXTYPE=.*/SELINUXTYPE=default/' "$root/etc/selinux/config"
}

# label writes the SELinux contexts as plain extended attributes: setfiles needs no
# SELinux kernel for that, and the machine need not relabel itself at its first boot.
label() {
	step "label files"
	rm -rf "$root"/tmp/* "$root"/var/tmp/* "$root"/var/lib/apt/lists/* "$root"/var/log/*.log
	guest setfiles -m -F /etc/selinux/default/contexts/files/file_contexts / >"$out/setfiles.log" 2>&1 ||
		{ tail -n 5 "$out/setfiles.log" >&2; return 1; }
}

disk() {
	step "write the disk"
	umount "$root/proc" "$root/sys" "$root/dev"
	mke2fs -q -t ext4 -L root -m 0 -E lazy_itable_init=1,root_owner=0:0 -d "$root" "$out/disk.img" 4G >/dev/null
	rm -rf --one-file-system "$root"
}

mkdir -p "$root"
install_system
mount --bind /dev "$root/dev"
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
mountpoint -q "$root/sys" || mount -t sysfs -o ro sysfs "$root/sys"
printf 'deb %s bookworm-backports main\n' "$mirror" >"$root/etc/apt/sources.list.d/backports.list"
cp /etc/resolv.conf "$root/etc/resolv.conf"
step "package lists"
guest apt-get -qq -o APT::Sandbox::User=root update
install_kernel 6.1 bookworm
install_kernel 6.12 bookworm-backports
configure
label
disk
[ -z "${SUDO_UID:-}" ] || chown -R "$SUDO_UID:${SUDO_GID:?}" "$out" "$out/../debs"
step "done"

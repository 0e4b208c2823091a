#!/usr/bin/env bash
# Prepares a fair ground and measures: see bench/README.md.
#
#   bench/run.sh [-row TEXT] [-rounds N]     other arguments go to ./bench
#
# Without arguments the table in docs/performance.md is replaced.
set -euo pipefail
cd "$(dirname "$0")/.."

user=${BURROW_BENCH_USER:-burrow-bench}
ground=${BURROW_BENCH_DIR:-/var/tmp/burrow-bench}
fixtures=${BURROW_TEST_DIR:-/var/tmp/burrow-test}
small=localhost/bench-busybox:latest
big=localhost/bench-debian:latest

if [ "$(id -u)" -ne 0 ]; then
	exec sudo --preserve-env=PATH -- "$0" "$@"
fi

# A mount namespace of our own: podman and crun refuse a host where cgroup v1 is
# mounted, so cgroup v2 alone takes that place; and the user gets a disk.
if [ -z "${BURROW_BENCH_INSIDE:-}" ]; then
	exec env BURROW_BENCH_INSIDE=1 unshare --mount --propagation private sh -c '
		[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] ||
			{ umount -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; } && exec "$0" "$@"' "$0" "$@"
fi

# The clone may lie where the user cannot go: measure copies.
hack/test-user.sh "$user"
mkdir -p "$ground/bin"
chmod 0755 "$ground" "$ground/bin"
CGO_ENABLED=0 go build -o "$ground/bin/bench" ./bench
for f in bin/*; do install -m 0755 "$f" "$ground/bin/"; done

# Rows that store images measure the file system, too, and that of the host may
# be anything: ext4 without a journal, for one, takes ten times as long to make a
# file where others have just been deleted. So all of the contenders' data lies on
# ext4 as mke2fs makes it, on a loop device.
home=$(getent passwd "$user" | cut -d: -f6)
disk=$ground/home.img
stop_leftovers() { # what holds namespaces in which home is another directory
	local at file
	at=/run/user/$(id -u "$user")
	for file in "$at/burrow/anchor" "$at/libpod/tmp/pause.pid"; do
		[ ! -s "$file" ] || BURROW_USER=$user hack/as-user.sh kill "$(cut -d' ' -f1 "$file")" 2>/dev/null || true
	done
}
own_disk() {
	local dev
	if [ ! -s "$disk" ]; then
		fallocate -l 10G "$disk.new" && mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 "$disk.new" || return
		mv "$disk.new" "$disk"
	fi
	# Never a second device for the same file, and not one that is about to go.
	for _ in $(seq 50); do
		dev=$(losetup -n -O NAME -j "$disk" | head -n 1)
		[ -n "$dev" ] || break
		sleep 0.1
	done
	[ -n "$dev" ] || dev=$(losetup --find --show --direct-io=on "$disk") || return
	mount "$dev" "$home" || return
	losetup -d "$dev" # when it is not mounted any more
	chown "$user:" "$home"
}
stop_leftovers
if ! own_disk; then
	rm -f "$disk.new"
	echo "bench: no disk of its own for $home: rows that store images depend on the file system there" >&2
fi

if [ ! -d "$ground/bundle/rootfs/bin" ]; then
	mkdir -p "$ground/bundle/rootfs"
	tar -C "$ground/bundle/rootfs" -xf "$fixtures/busybox.tar"
	chown -R "$user": "$ground/bundle"
fi

cat >"$ground/inside.sh" <<INSIDE
set -euo pipefail
cd "$ground"
mkdir -p ~/.config/containers ~/tmp
export TMPDIR=~/tmp
printf '[storage]\ndriver = "overlay"\n' >~/.config/containers/storage.conf
(cd bundle && rm -f config.json && runc spec --rootless)
jq '.process.args = ["true"] | .process.terminal = false
	| .linux.namespaces = (.linux.namespaces + [{"type": "network"}] | unique)' \\
	bundle/config.json >bundle/config.json.new
mv bundle/config.json.new bundle/config.json
for pair in busybox.tar=$small debian.tar=$big; do
	tar=$fixtures/\${pair%%=*} name=\${pair#*=}
	podman image exists "\$name" || podman import -q "\$tar" "\$name" >/dev/null
	bin/burrow image exists "\$name" || bin/burrow import "\$tar" "\$name" >/dev/null
done
exec bin/bench -burrow $ground/bin/burrow -bundle $ground/bundle -tar $fixtures/debian.tar -small $small -big $big "\$@"
INSIDE

if [ $# -gt 0 ]; then
	BURROW_USER=$user hack/as-user.sh bash "$ground/inside.sh" "$@"
	exit
fi

table=$(mktemp)
trap 'rm -f "$table"' EXIT
{
	echo "Measured by \`make bench\` on $(date -u +%Y-%m-%d): Linux $(uname -r), $(nproc) CPUs,"
	echo "load average $(cut -d' ' -f1 /proc/loadavg) before it started,"
	echo "$(podman --version), $(crun --version | head -n 1), $(runc --version | head -n 1), $(bwrap --version)."
	echo
	BURROW_USER=$user hack/as-user.sh bash "$ground/inside.sh"
} >"$table"
cat "$table"
awk -v table="$table" '
	/<!-- measured: end -->/ {skip = 0}
	!skip {print}
	/<!-- measured: begin -->/ {skip = 1; while ((getline line < table) > 0) print line}
' docs/performance.md >docs/performance.md.new
mv docs/performance.md.new docs/performance.md

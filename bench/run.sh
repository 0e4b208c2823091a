#!/usr/bin/env bash
# Prepares a fair ground and measures: see bench/README.md.
#
#   bench/run.sh [-row TEXT] [-rounds N]     other arguments go to ./bench
#
# Without arguments the table in docs/performance.md is replaced.
set -euo pipefail
cd "$(dirname "$0")/.."

user=burrow-bench
ground=/var/tmp/burrow-bench
fixtures=${BURROW_TEST_DIR:-/var/tmp/burrow-test}
small=localhost/bench-busybox:latest
big=localhost/bench-debian:latest

if [ "$(id -u)" -ne 0 ]; then
	exec sudo --preserve-env=PATH -- "$0" "$@"
fi

# podman and crun refuse a host where cgroup v1 is mounted. In a mount
# namespace of our own, cgroup v2 alone takes that place.
if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ] && [ -z "${BURROW_BENCH_INSIDE:-}" ]; then
	exec env BURROW_BENCH_INSIDE=1 unshare --mount --propagation private sh -c \
		'umount -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup && exec "$0" "$@"' "$0" "$@"
fi

# The clone may lie where the user cannot go: measure copies.
hack/test-user.sh "$user"
mkdir -p "$ground/bin"
chmod 0755 "$ground" "$ground/bin"
CGO_ENABLED=0 go build -o "$ground/bin/bench" ./bench
for f in bin/*; do install -m 0755 "$f" "$ground/bin/"; done

if [ ! -d "$ground/bundle/rootfs/bin" ]; then
	mkdir -p "$ground/bundle/rootfs"
	tar -C "$ground/bundle/rootfs" -xf "$fixtures/busybox.tar"
	chown -R "$user": "$ground/bundle"
fi

cat >"$ground/inside.sh" <<INSIDE
set -euo pipefail
cd "$ground"
mkdir -p ~/.config/containers
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

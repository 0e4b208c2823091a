#!/usr/bin/env bash
# hack/compare.sh: asks containers of several engines the same questions
# (hack/compare) and puts the answers into docs/security.md.
#
# What Debian has and is not installed, it takes out of the package for the time of
# the measurement; nothing is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

user=${BURROW_USER:-burrow-test}
fixtures=${BURROW_TEST_DIR:-/var/tmp/burrow-test}
image=localhost/compare:latest

if [ "$(id -u)" -ne 0 ]; then
	exec sudo --preserve-env -- "$0" "$@"
fi

# podman refuses a host where cgroup v1 is mounted. In a mount namespace of our own,
# cgroup v2 alone takes that place.
if [ "$(stat -f -c %T /sys/fs/cgroup)" != cgroup2fs ] && [ -z "${BURROW_COMPARE_INSIDE:-}" ]; then
	exec env BURROW_COMPARE_INSIDE=1 unshare --mount --propagation private sh -c \
		'umount -l /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup && exec "$0" "$@"' "$0" "$@"
fi

hack/test-user.sh "$user"
ground=$(mktemp -d /var/tmp/burrow-compare-XXXXXX)
trap 'chmod -R u+rwX "$ground"; rm -rf "$ground"' EXIT
chmod 0755 "$ground"
mkdir -p "$ground"/{bin,rootfs,tools,tmp}
CGO_ENABLED=0 go build -o "$ground/bin/compare" ./hack/compare
install -m 0755 bin/* "$ground/bin/"
tar -C "$ground/rootfs" -xf "$fixtures/busybox.tar"
gcc -O1 -static -o "$ground/rootfs/probe" cmd/burrow/testdata/probe/probe.c
cp "$ground/rootfs/probe" "$ground/bin/probe"
tar -C "$ground/rootfs" -cf "$ground/image.tar" .
(
	cd "$ground/tools"
	for p in runsc docker.io containerd rootlesskit tini; do
		apt-get download -qq "$p" >/dev/null 2>&1 && dpkg -x "$p"_*.deb x
	done
	find x \( -path '*/bin/*' -o -path '*/sbin/*' -o -name dockerd-rootless.sh \) -type f -exec cp -t . {} +
	rm -rf x ./*.deb
) || true
chown -R "$user": "$ground"

# The login UID of whoever starts a container is unset here, as it is for a CI agent:
# then a process can write it, once.
cat >"$ground/inside.sh" <<INSIDE
set -euo pipefail
cd "$ground"
export TMPDIR=$ground/tmp
mkdir -p ~/.config/containers
[ -e ~/.config/containers/storage.conf ] || printf '[storage]\ndriver = "overlay"\n' >~/.config/containers/storage.conf
export PATH=$ground/tools:\$PATH
export DOCKER_HOST=unix://$ground/tmp/run/docker.sock
mkdir -m 0700 tmp/run tmp/home
if command -v dockerd-rootless.sh >/dev/null; then
	# Neither bridge nor firewall nor cgroups: none of the questions is about them.
	HOME=$ground/tmp/home XDG_RUNTIME_DIR=$ground/tmp/run DOCKERD_ROOTLESS_ROOTLESSKIT_NET=slirp4netns dockerd-rootless.sh \
		--storage-driver=vfs --iptables=false --bridge=none --exec-opt native.cgroupdriver=cgroupfs >docker.log 2>&1 &
	daemon=\$!
	trap 'kill \$daemon; wait \$daemon || true' EXIT
	for i in \$(seq 60); do
		if docker version >/dev/null 2>&1; then break; fi
		sleep 0.5
	done
	docker import image.tar $image >/dev/null || true
fi
podman import -q image.tar $image >/dev/null 2>podman.err || cat podman.err >&2
bin/burrow import image.tar $image >/dev/null
bin/compare -burrow $ground/bin/burrow -probe $ground/bin/probe -rootfs $ground/rootfs -image $image >table
bin/burrow rmi -f $image >/dev/null
podman rmi -f $image >/dev/null 2>&1 || true
INSIDE
BURROW_USER=$user hack/as-user.sh bash "$ground/inside.sh"

awk -v table="$ground/table" '
	/^<!-- begin: make compare -->$/ {print; print ""; while ((getline line < table) > 0) print line; print ""; skip = 1}
	/^<!-- end: make compare -->$/ {skip = 0}
	!skip && !/^<!-- begin: make compare -->$/ {print}
' docs/security.md >"$ground/security.md"
grep -q '^| version |' "$ground/security.md"
cat "$ground/security.md" >docs/security.md
cat "$ground/table"

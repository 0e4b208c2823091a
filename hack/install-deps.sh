#!/usr/bin/env bash
# Installs what a group of jobs needs and this machine lacks.
#
#   hack/install-deps.sh [-n] GROUP...     GROUP: build run demo test bench check
#
# -n only prints the command. Nothing is asked of the package manager when
# nothing is missing, so the second call costs a few milliseconds.
set -euo pipefail

die() { echo "install-deps: $*" >&2; exit 1; }

dry=
if [ "${1:-}" = -n ]; then dry=1; shift; fi
[ $# -gt 0 ] || die 'usage: hack/install-deps.sh [-n] build|run|demo|test|bench|check ...'

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo -- "$@"
	else
		die "needs root: $*"
	fi
}

debian() {
	case $1 in
	build) echo gcc libc6-dev make pkg-config libseccomp-dev ca-certificates ;;
	run) echo uidmap slirp4netns passt catatonit iproute2 ;;
	demo) echo busybox-static ;;
	test) echo busybox-static podman crun runc bubblewrap skopeo docker-registry \
		debootstrap qemu-system-x86 e2fsprogs tmux strace jq xz-utils zstd cpio kmod \
		iproute2 util-linux attr acl libcap2-bin openssh-client gnupg openssl ;;
	bench) echo busybox-static podman crun runc bubblewrap skopeo docker-registry e2fsprogs uidmap jq ;;
	check) echo shellcheck codespell ;;
	*) die "no such group: $1" ;;
	esac
}

fedora() {
	case $1 in
	build) echo gcc glibc-devel glibc-static make pkgconf-pkg-config libseccomp-devel libseccomp-static ca-certificates ;;
	run) echo shadow-utils slirp4netns passt catatonit iproute ;;
	demo) echo busybox ;;
	test) echo busybox podman crun runc bubblewrap skopeo docker-distribution \
		debootstrap qemu-system-x86-core e2fsprogs tmux strace jq xz zstd cpio kmod \
		iproute util-linux attr acl libcap openssh-clients gnupg2 openssl ;;
	bench) echo busybox podman crun runc bubblewrap skopeo docker-distribution e2fsprogs shadow-utils jq ;;
	check) echo ShellCheck codespell ;;
	*) die "no such group: $1" ;;
	esac
}

missing=()
if command -v dpkg-query >/dev/null; then
	have() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -q '^installed'; }
	names=debian
elif command -v rpm >/dev/null && command -v dnf >/dev/null; then
	have() { rpm -q --quiet "$1"; }
	names=fedora
else
	echo 'install-deps: neither apt nor dnf here; install by hand what is missing of:' >&2
	for group; do echo "  $(debian "$group")" >&2; done
	exit 0
fi
for group; do
	for p in $($names "$group"); do
		have "$p" || missing+=("$p")
	done
done

if [ ${#missing[@]} -gt 0 ]; then
	if [ "$names" = debian ]; then
		install=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends "${missing[@]}")
		refresh=(apt-get -o DPkg::Lock::Timeout=300 -qq update)
	else
		install=(dnf -q -y install "${missing[@]}")
		refresh=(true)
	fi
	if [ -n "$dry" ]; then
		echo "${install[*]}"
		exit 0
	fi
	echo "install-deps: installing ${missing[*]}"
	as_root "${refresh[@]}" >/dev/null
	as_root "${install[@]}" >/dev/null
fi
[ -z "$dry" ] || exit 0

# slirp4netns and pasta open the tun device as the user. udev makes it 0666;
# a machine without udev may have it for root only, or not at all.
case " $* " in
*" run "* | *" test "* | *" bench "*)
	if [ ! -e /dev/net/tun ]; then
		as_root sh -c 'modprobe tun 2>/dev/null; [ -e /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; }' || true
	fi
	if [ -e /dev/net/tun ] && [ "$(stat -c %a /dev/net/tun)" != 666 ]; then
		as_root chmod 0666 /dev/net/tun || true
	fi
	;;
esac

case " $* " in
*" build "*) command -v go >/dev/null || die 'Go is missing: https://go.dev/doc/install' ;;
esac

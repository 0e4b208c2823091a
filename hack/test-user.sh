#!/usr/bin/env bash
# Makes an unprivileged user who can run containers: home directory, 65,536
# sub-IDs that nobody else holds, and /run/user/UID. Changes nothing that stands.
#
#   hack/test-user.sh [NAME]     default burrow-test; needs root
set -euo pipefail

name=${1:-burrow-test}

if ! id -u "$name" >/dev/null 2>&1; then
	useradd --create-home --shell /bin/bash "$name"
fi
uid=$(id -u "$name")

# first_free FILE: the lowest start above every range of FILE, 100000 at least.
first_free() {
	awk -F: 'BEGIN {n = 100000} $2 + $3 > n {n = $2 + $3} END {print n}' "$1" 2>/dev/null || echo 100000
}
grep -q "^$name:" /etc/subuid 2>/dev/null || {
	n=$(first_free /etc/subuid)
	usermod --add-subuids "$n-$((n + 65535))" "$name"
}
grep -q "^$name:" /etc/subgid 2>/dev/null || {
	n=$(first_free /etc/subgid)
	usermod --add-subgids "$n-$((n + 65535))" "$name"
}

# systemd-logind makes it at login; without logind nobody does.
if [ ! -d "/run/user/$uid" ]; then
	install -d -m 0755 /run/user
	install -d -m 0700 -o "$name" -g "$name" "/run/user/$uid"
fi

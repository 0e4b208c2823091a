#!/usr/bin/env bash
# Runs a command as an unprivileged user, from root, for `go test -exec`:
#
#   BURROW_USER=NAME hack/as-user.sh COMMAND [ARG...]     default burrow-test
#
# Where the user cannot reach the working directory (a clone under /root), the
# tree is bound to a place he can reach, in a mount namespace of this command. So
# is BURROW_MODULES, if it is set: the module cache, for who runs go itself.
set -euo pipefail

name=${BURROW_USER:-burrow-test}
uid=$(id -u "$name")
home=$(getent passwd "$name" | cut -d: -f6)
tree=$(cd "$(dirname "$0")/.." && pwd)

drop=(setpriv --reuid "$uid" --regid "$(id -g "$name")" --init-groups --inh-caps=-all
	env -u GOCACHE -u GOMODCACHE -u GOPATH -u GOTMPDIR -u TMPDIR -u DBUS_SESSION_BUS_ADDRESS
	-u XDG_CONFIG_HOME -u XDG_DATA_HOME -u XDG_STATE_HOME -u XDG_CACHE_HOME
	HOME="$home" USER="$name" LOGNAME="$name" XDG_RUNTIME_DIR="/run/user/$uid")

reach() { setpriv --reuid "$uid" --regid "$(id -g "$name")" --init-groups test -x "$1" -a -r "$1"; }

# go test builds into a directory of root's own.
clean() { [ -z "${copy:-}" ] || rm -f "$copy"; }
if [ -f "$1" ] && ! reach "$1"; then
	copy=$(mktemp "/var/tmp/$(basename "$1").XXXXXX")
	trap clean EXIT
	install -m 0755 "$1" "$copy"
	shift
	set -- "$copy" "$@"
fi

at=/var/tmp/burrow-test
dir=$PWD
bind=() # what, and where to
if ! reach "$PWD"; then
	bind+=("$tree" "$at/tree")
	dir=$at/tree/${dir#"$tree"}
fi
if [ -n "${BURROW_MODULES:-}" ]; then
	modules=$BURROW_MODULES
	if ! reach "$modules"; then
		bind+=("$modules" "$at/modules")
		modules=$at/modules
	fi
	drop+=(GOMODCACHE="$modules")
fi

if [ ${#bind[@]} -eq 0 ]; then
	"${drop[@]}" "$@"
else
	unshare --mount --propagation slave bash -ec '
		while [ "$1" != -- ]; do
			mkdir -p "$2"
			mount --bind "$1" "$2"
			shift 2
		done
		cd "$2"
		shift 2
		exec "$@"' bash "${bind[@]}" -- "$dir" "${drop[@]}" "$@"
fi

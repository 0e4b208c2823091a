#!/usr/bin/env bash
# hack/install.sh install|uninstall DESTDIR PREFIX
#
# One list, `files`, says what goes where; both verbs follow it. Files of /etc
# are installed for the whole system, so only where DESTDIR or root allows.
set -euo pipefail
cd "$(dirname "$0")/.."

verb=${1:?} dest=${2?} prefix=${3:?}

# files calls "$1" MODE SOURCE TARGET for every file that exists here.
files() {
	local do=$1 f
	"$do" 0755 bin/burrow "$prefix/bin/burrow"
	for f in bin/burrow-*; do
		[ ! -f "$f" ] || "$do" 0755 "$f" "$prefix/libexec/burrow/${f#bin/}"
	done
	for f in .cache/man/*.1; do
		[ ! -f "$f" ] || "$do" 0644 "$f" "$prefix/share/man/man1/${f##*/}"
	done
	optional "$do" .cache/completion/burrow "$prefix/share/bash-completion/completions/burrow"
	optional "$do" .cache/completion/_burrow "$prefix/share/zsh/site-functions/_burrow"
	optional "$do" .cache/completion/burrow.fish "$prefix/share/fish/vendor_completions.d/burrow.fish"
	for f in contrib/systemd/user/*; do
		optional "$do" "$f" "$prefix/lib/systemd/user/${f##*/}"
	done
	# Audit rules are a site's own decision: they lie ready, not active.
	for f in security/selinux/*.cil contrib/*.rules; do
		optional "$do" "$f" "$prefix/share/burrow/${f##*/}"
	done
	optional "$do" LICENSE "$prefix/share/doc/burrow/LICENSE"
	for f in contrib/apparmor/*; do
		system "$do" "$f" "/etc/apparmor.d/${f##*/}"
	done
}

optional() { [ ! -f "$2" ] || "$1" 0644 "$2" "$3"; }

system() {
	[ -f "$2" ] || return 0
	if [ -n "$dest" ] || [ "$(id -u)" -eq 0 ]; then
		"$1" 0644 "$2" "$3"
	else
		echo "left out, needs root: $3"
	fi
}

put() {
	install -D -m "$1" "$2" "$dest$3"
	# These name the executables that they are for.
	case $3 in
	*/systemd/user/*) sed -i "s#@BINDIR@#${prefix%/}/bin#" "$dest$3" ;;
	/etc/apparmor.d/*) sed -i "s#/usr{/local,}/#${prefix%/}/#" "$dest$3" ;;
	esac
}

remove() {
	rm -f "$dest$3"
	# Directories that are ours alone go with their last file.
	case $3 in
	*/burrow/*) rmdir --ignore-fail-on-non-empty "$dest${3%/*}" 2>/dev/null || true ;;
	esac
}

case $verb in
install)
	files put
	echo "installed under $dest$prefix"
	if [ -z "$dest" ] && [ -f /etc/apparmor.d/burrow ] && [ -d /sys/module/apparmor ]; then
		echo 'to load the AppArmor profile: apparmor_parser -r /etc/apparmor.d/burrow'
	fi
	;;
uninstall)
	files remove
	;;
*)
	echo 'usage: hack/install.sh install|uninstall DESTDIR PREFIX' >&2
	exit 2
	;;
esac

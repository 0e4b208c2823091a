#!/usr/bin/env bash
# hack/vuln.sh GOVULNCHECK TAGS: fails on a known vulnerability that our code
# reaches, and says so, without failing, when the database cannot be asked.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

out=$("$1" -tags "$2" ./... 2>&1)
status=$?
if [ $status -ne 0 ] && grep -qE 'dial tcp|no such host|fetching vulnerabilities|i/o timeout|connection refused' <<<"$out"; then
	echo 'vuln: the vulnerability database is out of reach; nothing was checked'
	exit 0
fi
printf '%s\n' "$out"
exit $status

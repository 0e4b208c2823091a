# What the comparison asks, from inside, of every engine: NAME ANSWER on each line.
# /probe is cmd/burrow/testdata/probe/probe.c. Descriptor 3 is a directory of the
# host if the engine has let it in.
say() { echo "$1 $2"; }
status() { sed -n "s/^$1:[[:space:]]*//p" /proc/self/status; }
for f in CapEff CapBnd NoNewPrivs Seccomp; do say $f "$(status $f)"; done
say kernel "$(uname -r)"
say processes "$(ls /proc | grep -c '^[0-9]')"
say devices "$(find /dev ! -type d ! -type l 2>/dev/null | grep -cv '/pts/\|/mqueue/\|/shm/')"
say environment "${BURROW_COMPARE_CANARY:-kept out}"
[ -e /proc/self/fd/7 ] && say descriptor inherited || say descriptor closed
cat /proc/self/fd/3/etc/passwd >/dev/null 2>&1 && say leak "leads to the host's files" || say leak "leads nowhere"
(echo 5 >/proc/self/loginuid) 2>/dev/null && say loginuid "can be forged" || say loginuid "cannot be changed"
n=0
for f in /proc/kcore /proc/keys /proc/interrupts /proc/timer_list /proc/sched_debug /proc/scsi/scsi /proc/acpi/wakeup \
	/proc/latency_stats /proc/timer_stats; do
	[ -n "$(head -c 1 $f 2>/dev/null | tr '\0' x)" ] && n=$((n + 1))
done
for d in /sys/firmware /sys/devices/virtual/powercap; do [ -n "$(ls $d 2>/dev/null)" ] && n=$((n + 1)); done
say readable $n
(: >>/proc/sys/kernel/core_pattern) 2>/dev/null && say sysctl "can be opened for writing" || say sysctl "cannot be written"
for q in syscalls abis sockets netlinks personalities; do
	echo "== $q"
	/probe $q
done

package main_test

import (
	"maps"

	"github.com/burrow-run/burrow/engine/posture"
)

// What is expected of each kind of process, complete: a fact that is not here
// fails, and one that is here and not seen fails too. In lists, "[?]" is before
// what depends on the host.

const (
	noCaps  = "0000000000000000"
	allCaps = "000001ffffffffff" // over the anchor: the user's own sub-IDs
)

// but is f with other values for some facts.
func (f facts) but(other facts) facts {
	out := maps.Clone(f)
	maps.Copy(out, other)
	return out
}

// everybody is what all processes have in common.
var everybody = facts{
	"Umask": "0022", "CapInh": noCaps, "CapAmb": noCaps,
	"uid": "user", "gid": "user", "groups": "user", "loginuid": "user",
	"threads": "alike", "personality": "00000000", "oom_score_adj": "as the caller's",
	"cgroup": "as the caller's", "label": "as the caller's", "ns time": "host of host",
	"to a container": "nothing",
}

// payload is what runs in a default container.
var payload = everybody.but(facts{
	"CapPrm": podmansEleven, "CapEff": podmansEleven, "CapBnd": podmansEleven,
	"NoNewPrivs": "1", "Seccomp": "2", "Seccomp_filters": "1",
	"gid": "user", "groups": "user",
	"owners": "user user", "ns user": "container of anchor",
	"ns mnt": "container of container", "ns pid": "container of container", "ns pid_for_children": "container of container",
	"ns ipc": "container of container", "ns uts": "container of container", "ns cgroup": "container of container",
	"ns net": "container of anchor", // so that container root cannot change it
	"exe":    "/usr/bin/sleep", "cwd": "/", "root": "/",
	"environment":          "HOME HOSTNAME PATH container",
	"descriptors":          "0 /dev/null, 1 /dev/null, 2 pipe", // those of the test
	"limit core file size": "0:0",
})

// engine is what processes of Burrow's own have in common. They are in the host's
// namespaces but for user and mount namespace, with capabilities over the
// user's sub-IDs alone.
var engine = everybody.but(facts{
	"CapPrm": allCaps, "CapEff": allCaps, "CapBnd": allCaps,
	"NoNewPrivs": "0", "Seccomp": "0", "Seccomp_filters": "0",
	"uid map": "0:0:65537", "gid map": "0:0:65537",
	"owners": "user", "ns user": "anchor of host", "ns mnt": "own of anchor",
	"ns pid": "host of host", "ns pid_for_children": "host of host", "ns net": "host of host",
	"ns ipc": "host of host", "ns uts": "host of host", "ns cgroup": "host of host",
	"exe": "$BIN/burrow", "cwd": "$WORK", "root": "/",
	"environment": "BURROW_NETWORK CONTAINERS_CONF HOME LANG LOGNAME PATH SHELL TERM USER XDG_CACHE_HOME XDG_DATA_HOME XDG_RUNTIME_DIR XDG_STATE_HOME",
})

// anchor does nothing and holds nothing.
var anchor = engine.but(facts{
	"CapPrm": noCaps, "CapEff": noCaps, "ns mnt": "anchor of anchor",
	"cwd": "/", "environment": "", "descriptors": "",
})

// waiting is `burrow run` while its container runs.
var waiting = engine.but(facts{
	"NoNewPrivs": "1", "Seccomp": "2", "Seccomp_filters": "1", "limit core file size": "0:0",
	"descriptors": "0 /dev/null, 1 /dev/null, 2 pipe, [?]/dev/null, " + held,
	"to its user": posture.Hidden,
})

// held is what the parent of a container has open: its directory, its sub-IDs,
// roots and namespaces that are to live as long, pidfds, sockets. libcontainer has a
// /proc of its own open until memory is collected: its name is "/".
const held = "$STATE/burrow/containers/ID, $STATE/burrow/ids/holds, [?]/, /boot/sysfs, [?]/sys/fs/cgroup, " +
	"anon_inode:[eventfd], anon_inode:[eventpoll], anon_inode:[pidfd], net, [?]pipe, [?]socket"

// supervisor is the same for a container in the background.
var supervisor = waiting.but(facts{
	"descriptors": "0 /null, 1 /null, 2 /null, $STATE/burrow/containers/ID/ctr.log, " + held,
	"environment": "BURROW_NETWORK BURROW_STAGE CONTAINERS_CONF GOMAXPROCS HOME LANG LOGNAME MALLOC_ARENA_MAX PATH SHELL TERM USER XDG_CACHE_HOME XDG_DATA_HOME XDG_RUNTIME_DIR XDG_STATE_HOME",
	"to its user": "",
})

// settledSupervisor is one that has executed its own program anew once the payload ran: nothing of
// the start is open any more.
var settledSupervisor = supervisor.but(facts{
	"descriptors": "0 /null, 1 /null, 2 /null, $STATE/burrow/containers/ID/ctr.log, $STATE/burrow/containers/ID, $STATE/burrow/ids/holds, " +
		"[?]/sys/fs/cgroup, anon_inode:[eventfd], anon_inode:[eventpoll], anon_inode:[pidfd], pipe, socket",
})

// restarting is a supervisor that executes itself again: it goes without the filter, and
// without no_new_privs, which would be the next container's too.
var restarting = supervisor.but(facts{"NoNewPrivs": "0", "Seccomp": "0", "Seccomp_filters": "0"})

// starting starts health checks for a supervisor that can start nothing itself.
var starting = restarting.but(facts{
	"descriptors": "0 socket, 1 /dev/null, 2 /dev/null",
})

// hearing runs one check and keeps what it prints.
var hearing = restarting.but(facts{
	"descriptors": "0 pipe, 1 pipe, 2 /dev/null, [?]/dev/null, /, [?]/sys/fs/cgroup, anon_inode:[eventfd], anon_inode:[eventpoll], anon_inode:[pidfd], pipe",
})

// execCommand is `burrow exec` while its process runs: no more than you are.
var execCommand = engine.but(facts{
	"descriptors": "0 /dev/null, 1 /dev/null, 2 /dev/null, [?]/dev/null, /, [?]/sys/fs/cgroup, " +
		"anon_inode:[eventfd], anon_inode:[eventpoll], anon_inode:[pidfd], [?]socket",
})

// slirp4netns keeps the right to listen below 1024 in the network of the container.
var slirp4netns = engine.but(facts{
	"CapInh": "0000000000000400", "CapPrm": "0000000000000400", "CapEff": "0000000000000400", "CapBnd": "0000000000000400",
	"NoNewPrivs": "1", "Seccomp": "2", "Seccomp_filters": "1",
	"exe": "/usr/bin/slirp4netns", "cwd": "/", "environment": "LC_ALL PATH",
	"descriptors": "0 /dev/null, 1 pipe, 2 pipe, /dev/net/tun, [?]/dev/null, net, pipe, socket",
})

// pasta keeps CAP_SYS_ADMIN too, to change between two network namespaces.
var pasta = engine.but(facts{
	"CapPrm": "0000000000200400", "CapEff": "0000000000200400",
	"NoNewPrivs": "1", "Seccomp": "2", "Seccomp_filters": "1", "groups": "",
	"ns ipc": "own of anchor", "ns uts": "own of anchor",
	"exe": "*", "cwd": "/", "environment": "LC_ALL PATH",
	"descriptors": "0 /dev/null, 1 pipe, 2 pipe, /dev/net/tun, [?]/dev/null, /run/netns, anon_inode:[eventpoll], pipe, socket",
})

// staging is where an image's layer grows until it is whole.
const staging = "$DATA/burrow/storage/overlay/staging/N/dir"

// unpacker reads what strangers have written. It may give files away and make
// their capabilities, below the directory that is its root.
var unpacker = engine.but(facts{
	"CapPrm": "000000008800001b", "CapEff": "000000008800001b", // chown dac_override fowner fsetid mknod setfcap
	"Umask":      "0000", // modes are those of the archive, below a directory that nobody else enters
	"NoNewPrivs": "1", "Seccomp": "2", "Seccomp_filters": "1", "ns mnt": "anchor of anchor",
	"limit core file size": "0:0", "limit data size": "1073741824:1073741824",
	"exe": "$BIN/burrow-image", "cwd": staging, "root": staging, "environment": "",
	"descriptors": "0 pipe, 1 /dev/null, 2 pipe, " + staging + ", $DATA/burrow/storage/tmp/p-N/split-N, [?]/dev/null, anon_inode:[eventfd], anon_inode:[eventpoll], pipe",
})

// imageTool starts it and never looks into an archive itself.
var imageTool = engine.but(facts{
	"ns mnt": "anchor of anchor", "exe": "$BIN/burrow-image",
	"environment": "BURROW_NETWORK BURROW_RUN_DIR CONTAINERS_CONF HOME LANG LOGNAME PATH SHELL TERM USER XDG_CACHE_HOME XDG_DATA_HOME XDG_RUNTIME_DIR XDG_STATE_HOME",
	"descriptors": "0 pipe, 1 /dev/null, 2 /dev/null, " + staging + ", $DATA/burrow/storage/overlay/staging/N/staging.lock, $DATA/burrow/storage/tmp/p-N, " +
		"$DATA/burrow/storage/tmp/p-N/split-N, [?]/dev/null, [?]/sys/fs/cgroup/cpu/cpu.cfs_period_us, [?]/sys/fs/cgroup/cpu/cpu.cfs_quota_us, " +
		"anon_inode:[eventfd], anon_inode:[eventpoll], anon_inode:[pidfd], pipe",
})

// containerFiles are the mounts of a default container, less those that mask what
// this host has, and its devices.
var containerFiles = facts{
	"mount /":                  "overlay rw,nodev private",
	"mount /proc":              "proc rw,nosuid,nodev,noexec private",
	"mount /sys":               "sysfs ro,nosuid,nodev,noexec private",
	"mount /dev":               "tmpfs rw,nosuid,noexec private",
	"mount /dev/pts":           "devpts rw,nosuid,noexec private",
	"mount /dev/shm":           "tmpfs rw,nosuid,nodev,noexec private",
	"mount /dev/mqueue":        "mqueue rw,nosuid,nodev,noexec private",
	"mount /dev/null":          "devtmpfs /null rw private",
	"mount /dev/zero":          "devtmpfs /zero rw private",
	"mount /dev/full":          "devtmpfs /full rw private",
	"mount /dev/random":        "devtmpfs /random rw private",
	"mount /dev/urandom":       "devtmpfs /urandom rw private",
	"mount /dev/tty":           "devtmpfs /tty rw private",
	"mount /etc/hosts":         "tmpfs /files/hosts rw,nosuid,nodev,noexec private",
	"mount /etc/hostname":      "tmpfs /files/hostname rw,nosuid,nodev,noexec private",
	"mount /etc/resolv.conf":   "tmpfs /files/resolv.conf rw,nosuid,nodev,noexec private",
	"mount /run/.containerenv": "tmpfs /files/containerenv rw,nosuid,nodev,noexec private",
	"devices": "fd -> /proc/self/fd, full 1:7, mqueue, null 1:3, ptmx -> pts/ptmx, pts, random 1:8, shm, stderr -> /proc/self/fd/2, " +
		"stdin -> /proc/self/fd/0, stdout -> /proc/self/fd/1, tty 5:0, urandom 1:9, zero 1:5",
}

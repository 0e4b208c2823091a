package main_test

import (
	"testing"

	"github.com/burrow-run/burrow/internal/testbed"
)

// hosts are machines that lack something; the script of the same name in
// testdata/hostile says what burrow does about it: one clear line and a hint,
// the right exit code, and nothing left.
var hosts = map[string]testbed.Host{
	"no-subuid-line":      testbed.SubIDs(`/^$USER_:/d`),
	"overlapping-subuid":  testbed.SubIDs(`s/^$USER_:\([0-9]*\):.*/&\ndaemon:\1:65536/`),
	"malformed-subuid":    testbed.SubIDs(`s/^$USER_:.*/$USER_:abc:1/`),
	"subuid-missing":      {Setup: "mount -t tmpfs none $SCRATCH; cp -a /etc $SCRATCH/etc; rm $SCRATCH/etc/subuid $SCRATCH/etc/subgid; mount --bind $SCRATCH/etc /etc\n"},
	"subuid-empty":        testbed.SubIDs(`d`),
	"subuid-by-number":    testbed.SubIDs(`s/^$USER_:/$UID_:/`),
	"subuid-in-pieces":    testbed.SubIDs(`s/^$USER_:\([0-9]*\):.*/# in pieces\n\n$USER_:\1:1000\n$UID_:2000000000:70000/`),
	"subuid-of-account":   {Setup: testbed.SubIDs(`s/^$USER_:.*/$USER_:1990000000:65536/`).Setup + accountAt("1990000007")},
	"newuidmap-fails":     {Setup: "printf '#!/bin/sh\\nexit 1\\n' >$SCRATCH/x; chmod 755 $SCRATCH/x; mount --bind $SCRATCH/x /usr/bin/newuidmap\n"},
	"newuidmap-nosuid":    {Setup: "mount --bind /usr/bin /usr/bin; mount -o remount,bind,nosuid /usr/bin\n"},
	"newuidmap-plain":     testbed.PlainNewuidmap(),
	"newuidmap-missing":   testbed.Without("newuidmap", "newgidmap"),
	"newuidmap-hangs":     {Setup: "printf '#!/bin/sh\\nsleep 1000\\n' >$SCRATCH/x; chmod 755 $SCRATCH/x; mount --bind $SCRATCH/x /usr/bin/newuidmap\n"},
	"userns-forbidden":    testbed.Sysctl("user/max_user_namespaces", "0"),
	"no-tun":              {Setup: "mount -t tmpfs none /dev/net\n"},
	"no-slirp4netns":      testbed.Without("slirp4netns"),
	"no-network-helper":   testbed.Without("slirp4netns", "pasta", "passt", "pasta.avx2", "passt.avx2"),
	"home-read-only":      {Setup: "mount --bind $HOME_ $HOME_; mount -o remount,bind,ro $HOME_\n"},
	"disk-full":           {Setup: "install -d -o $UID_ -g $GID_ $HOME_/full; mount -t tmpfs -o size=8m,nr_inodes=700,mode=0700,uid=$UID_,gid=$GID_ full $HOME_/full\n"},
	"disk-full-lives":     {Setup: "install -d -o $UID_ -g $GID_ $HOME_/full; mount -t tmpfs -o size=8m,nr_inodes=700,mode=0700,uid=$UID_,gid=$GID_ full $HOME_/full\n"},
	"remounted-read-only": remounted(),
	"hidepid":             {Setup: "mount -t proc -o hidepid=2 proc /proc\n"},
	"runtime-dir-missing": {Setup: ":"},
	"runtime-dir-foreign": {Setup: "install -d -m 0777 $HOME_/foreign; mount -t tmpfs -o mode=0777,uid=0 foreign $HOME_/foreign\n"},
}

// remounted has a file system of its own on $HOME_/disk that becomes read-only, as
// the kernel makes it after an error of the device, when there is a file asked/remount
// beside it.
func remounted() testbed.Host {
	return testbed.Host{Needs: "loop", Setup: `truncate -s 24M $SCRATCH/disk; mke2fs -q -t ext4 $SCRATCH/disk
mkdir -p $HOME_/disk; mount -o loop $SCRATCH/disk $HOME_/disk; chown $UID_:$GID_ $HOME_/disk
rm -rf $HOME_/asked; install -d -o $UID_ -g $GID_ $HOME_/asked
( i=0; until [ -e $HOME_/asked/remount ] || [ $i -gt 1200 ]; do sleep 0.05; i=$((i+1)); done
mount -o remount,abort $HOME_/disk; touch $HOME_/asked/done ) >/dev/null 2>&1 &
`}
}

// accountAt adds an account of that UID.
func accountAt(uid string) string {
	return "cp /etc/passwd $SCRATCH/passwd; echo squatter:x:" + uid + ":100::/:/bin/false >>$SCRATCH/passwd; chmod 644 $SCRATCH/passwd; mount --bind $SCRATCH/passwd /etc/passwd\n"
}

func TestHostile(t *testing.T) {
	if !testbed.Root() {
		t.Skip("only root can make a host worse")
	}
	for name, host := range hosts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if host.Needs != "" {
				if _, err := testbed.Lacking(host.Needs); err != nil {
					t.Skip(err)
				}
			}
			runAsUser(t, "testdata/hostile/"+name+".txtar", host)
		})
	}
}

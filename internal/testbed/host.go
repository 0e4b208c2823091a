package testbed

import (
	"strings"
	"time"
)

// Host is a machine that is worse than this one. Setup is shell run by root in a
// mount namespace of its own, so the machine itself stays as it is; $USER_,
// $UID_, $GID_ and $HOME_ are the user's, $SCRATCH is an empty directory.
type Host struct {
	Setup string
	// Needs is a condition without which the host cannot be made, "" for none.
	Needs string
	// OwnUserNamespace gives the host limits of its own (sysctl user.*): a user
	// namespace that maps every ID to itself.
	OwnUserNamespace bool
}

// Without hides files of /usr/bin.
func Without(programs ...string) Host {
	var hide strings.Builder
	for _, p := range programs {
		hide.WriteString("mknod $SCRATCH/upper/" + p + " c 0 0\n") // overlay's whiteout
	}
	return overUsrBin(hide.String())
}

// PlainNewuidmap takes the privilege from newuidmap and newgidmap.
func PlainNewuidmap() Host {
	return overUsrBin("for p in newuidmap newgidmap; do cp /usr/bin/$p $SCRATCH/upper/; chmod 0755 $SCRATCH/upper/$p; done\n")
}

// overUsrBin mounts an overlay over /usr/bin whose upper directory setup fills.
// Upper and work directory must be on one file system that is no overlay.
func overUsrBin(setup string) Host {
	return Host{Setup: `mount -t tmpfs scratch $SCRATCH
mkdir $SCRATCH/upper $SCRATCH/work
` + setup + `mount -t overlay -o lowerdir=/usr/bin,upperdir=$SCRATCH/upper,workdir=$SCRATCH/work overlay /usr/bin
`}
}

// SubIDs replaces /etc/subuid and /etc/subgid by what sed makes of them.
func SubIDs(sed string) Host {
	return Host{Setup: `for f in subuid subgid; do
	sed "` + sed + `" /etc/$f >$SCRATCH/$f
	chmod 0644 $SCRATCH/$f
	mount --bind $SCRATCH/$f /etc/$f
done
`}
}

// Sysctl sets a sysctl of user.* for this host alone.
func Sysctl(path, value string) Host {
	return Host{Setup: "echo " + value + " >/proc/sys/" + path + "\n", OwnUserNamespace: true}
}

// untilShortlyBefore leaves a child time to report before its parent is stopped.
func untilShortlyBefore(d time.Time) time.Duration {
	return max(time.Until(d)-2*time.Second, time.Second).Round(time.Second)
}

#ifndef BURROW_TRIAL_H
#define BURROW_TRIAL_H

enum trial_step {
	TRIAL_DONE,
	TRIAL_FORK,     // no child could be made
	TRIAL_UNSHARE,  // the namespaces
	TRIAL_MAP,      // mapping our own ID into the user namespace
	TRIAL_CAPS,     // using a capability in it
	TRIAL_PRIVATE,  // taking the mounts out of propagation
	TRIAL_OVERLAY,  // mounting overlay
	TRIAL_CREATE,   // making a file through it
	TRIAL_WHITEOUT, // removing a lower file through it
	TRIAL_PROC,     // mounting proc for a new pid namespace
	TRIAL_TIMEOUT,  // the child did not answer
};

struct trial {
	int flags;           // for unshare(2); CLONE_NEWUSER among them
	unsigned uid, gid;   // our own, to be 0 inside
	const char *overlay; // mount options, or NULL
	const char *merged;  // where to mount it; holds a file "old" then
	int proc;            // mount proc over /proc
	int timeout_ms;
};

struct trial_result {
	int step;
	int err;
};

struct trial_result burrow_trial(const struct trial *t);

#endif

/*
 * Entering the anchor. See doc.go for the four things this constructor may do.
 *
 * Theory of operation: the anchor's pidfile names a pid and its start time.
 * /proc/PID is opened once and everything else is opened relative to it, so a
 * pid that is used again between two steps cannot be mistaken for the anchor.
 * The user namespace must be owned by our own UID: joining somebody else's
 * would put our files into their hands.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <limits.h>

#include "enter.h"

#ifndef NS_GET_OWNER_UID
#define NS_GET_OWNER_UID _IO(0xb7, 0x4)
#endif

int burrow_joined;
int burrow_as_root;
int burrow_join_step;
int burrow_join_errno;
int burrow_loginuid_errno;
char burrow_loginuid[32];
int burrow_cwd_lost;
const char *burrow_run_dir = "";

/* Verbs that work inside the anchor; Go re-executes for any other that does. */
static const char *const in_anchor[] = {
	"run", "create", "start", "stop", "restart", "kill", "exec", "attach", "wait", "logs", "rm", "ps", "inspect", "pull", "push",
	"load", "import", "images", "image", "rmi", "tag", "untag", "save", "history", "search", NULL,
};

/* Verbs that mount: they get a mount namespace that dies with them. */
static const char *const own_mounts[] = { "run", "exec", NULL };

static int listed(const char *const *list, const char *word)
{
	for (; *list; list++)
		if (strcmp(*list, word) == 0)
			return 1;
	return 0;
}

long burrow_read_at(int dirfd, const char *name, char *buf, size_t len)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, buf, len - 1);
	int saved = errno;
	close(fd);
	errno = saved;
	if (n < 0)
		return -1;
	buf[n] = '\0';
	return n;
}

/*
 * An unset login UID can be set by any process, once; also by one in a
 * container, which would thereby forge the audit trail of the host. Setting it
 * first closes that door. It must not change one that is set: su and sudo keep
 * the UID that logged in.
 */
static void fix_loginuid(void)
{
	char buf[32];

	if (burrow_read_at(AT_FDCWD, "/proc/self/loginuid", buf, sizeof(buf)) < 0)
		return; /* a kernel without audit has nothing to forge */
	if (strcmp(buf, "4294967295") != 0)
		return;
	int fd = open("/proc/self/loginuid", O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		burrow_loginuid_errno = errno;
		return;
	}
	int n = snprintf(buf, sizeof(buf), "%u", getuid());
	if (write(fd, buf, n) != n)
		burrow_loginuid_errno = errno ? errno : EIO;
	close(fd);
}

/*
 * A login UID other than our own, as after su or sudo, has no number in the anchor:
 * there it reads as unset. So it is remembered; whoever is started in the anchor is told.
 */
static void remember_loginuid(void)
{
	char own[16];

	snprintf(own, sizeof(own), "%u", getuid());
	if (burrow_read_at(AT_FDCWD, "/proc/self/loginuid", burrow_loginuid, sizeof(burrow_loginuid)) < 0 ||
	    strcmp(burrow_loginuid, own) == 0 || strcmp(burrow_loginuid, "4294967295") == 0)
		burrow_loginuid[0] = '\0';
}

/* Opens the run directory if it is ours and nobody else can write it. */
static int open_run_dir(const char *path)
{
	struct stat st;
	int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 022)) {
		close(fd);
		return -1;
	}
	return fd;
}

/*
 * Root of the host, not of some user namespace: the only one whose map is
 * everything onto itself (user_namespaces(7)). outer, if not NULL, is who we
 * are outside of our user namespace.
 */
static int is_host_root(unsigned int *outer)
{
	unsigned int inside, outside, count;
	char buf[128];

	if (geteuid() != 0 || burrow_read_at(AT_FDCWD, "/proc/self/uid_map", buf, sizeof(buf)) < 0)
		return 0;
	if (sscanf(buf, "%u %u %u", &inside, &outside, &count) != 3 || inside != 0)
		return 0;
	if (outer)
		*outer = outside;
	return outside == 0 && count == UINT_MAX;
}

/* Only root can make entries in /run, so whoever owns this one, root wanted it so. */
static int root_run_dir(void)
{
	return open("/run/burrow", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/*
 * The start time is field 22 of /proc/PID/stat; comm, field 2, may hold anything.
 * A zombie, field 3, has no namespaces any more: it counts as never started.
 */
static unsigned long long start_time(int procfd)
{
	char buf[1024];

	if (burrow_read_at(procfd, "stat", buf, sizeof(buf)) < 0)
		return 0;
	char *p = strrchr(buf, ')');
	if (p && (strncmp(p, ") Z", 3) == 0 || strncmp(p, ") X", 3) == 0))
		return 0;
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p + 1, NULL, 10) : 0;
}

/* Returns an fd on the /proc directory of the anchor that run, which is closed, names, or -1. */
static int anchor_in(int run)
{
	char buf[64], path[64];

	if (run < 0)
		return -1;
	long n = burrow_read_at(run, "anchor", buf, sizeof(buf));
	close(run);
	int pid = 0;
	unsigned long long started = 0;
	if (n <= 0 || sscanf(buf, "%d %llu", &pid, &started) != 2 || pid <= 1)
		return -1;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	int proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return -1;
	if (started == 0 || start_time(proc) != started) {
		close(proc);
		return -1;
	}
	return proc;
}

static int own_dir(const char *path)
{
	struct stat st;

	return path && path[0] == '/' && stat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

/*
 * The directories that uid's anchor may be noted in, the one that a new anchor goes to
 * first. Who has set a runtime directory of his own choice uses that one only. In
 * systemd's, and without one, sessions that have none are looked for too, and from
 * these the others: cron's containers must be within reach of those who log in.
 */
static int run_dirs(uid_t uid, char dirs[2][PATH_MAX])
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	char systemds[64];
	size_t len = xdg ? strlen(xdg) : 0;

	while (len > 1 && xdg[len - 1] == '/')
		len--;
	snprintf(systemds, sizeof(systemds), "/run/user/%u", uid);
	int own = own_dir(xdg) && len < PATH_MAX - sizeof("/burrow");
	int usual = own && len == strlen(systemds) && strncmp(xdg, systemds, len) == 0;
	if (own)
		snprintf(dirs[0], PATH_MAX, "%.*s/burrow", (int)len, xdg);
	if (own && !usual)
		return 1;
	snprintf(dirs[own], PATH_MAX, "/tmp/burrow-run-%u", uid);
	if (!own)
		snprintf(dirs[1], PATH_MAX, "%s/burrow", systemds);
	return 2;
}

/*
 * Returns an fd on the /proc directory of uid's anchor, or -1 where there is none, and
 * chooses the run directory: where the anchor is, or is to be.
 */
static int find_anchor(uid_t uid)
{
	static char dirs[2][PATH_MAX];

	if (uid == 0)
		return anchor_in(root_run_dir());
	int count = run_dirs(uid, dirs);
	burrow_run_dir = dirs[0];
	for (int i = 0; i < count; i++) {
		int proc = anchor_in(open_run_dir(dirs[i]));
		if (proc >= 0) {
			burrow_run_dir = dirs[i];
			return proc;
		}
	}
	return -1;
}

static void fail(enum join_step step)
{
	burrow_join_step = step;
	burrow_join_errno = errno;
}

/*
 * The anchor of root does not map root: anchor ID 0 is root's first sub-ID, so
 * that nothing in any container is host root. The capabilities that joining
 * gave stay, because the new ID is the namespace's root (capabilities(7)).
 */
static int become_first_sub_id(void)
{
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return -1;
	burrow_as_root = 1;
	/* The change made us undumpable, and with that /proc/self somebody else's. */
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/*
 * Nothing mounted for one run may travel to the anchor; what the host mounts
 * may still arrive.
 */
static int own_mount_namespace(void)
{
	if (unshare(CLONE_NEWNS) < 0) {
		fail(STEP_UNSHARE_MNT);
		return -1;
	}
	if (mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0) {
		fail(STEP_PRIVATE);
		return -1;
	}
	return 0;
}

/* The working directory by name, and what it is. */
struct place {
	char path[PATH_MAX];
	struct stat st;
	int known;
};

static void remember(struct place *p)
{
	p->known = getcwd(p->path, sizeof(p->path)) != NULL && stat(".", &p->st) == 0;
}

/*
 * setns to a mount namespace moves us to its root directory. The name must lead
 * to the same directory there: what was mounted after the anchor was made may be
 * missing, and then relative paths would mean something else.
 */
static void return_to(const struct place *p)
{
	struct stat st;

	if (p->known && chdir(p->path) == 0 && stat(".", &st) == 0 && st.st_dev == p->st.st_dev &&
	    st.st_ino == p->st.st_ino)
		return;
	burrow_cwd_lost = 1;
	if (chdir("/") < 0)
		fail(STEP_CHDIR);
}

/*
 * A process that ends loses its namespaces some time before it is a zombie: such
 * an anchor is a dead one. userns/anchor.go has the same rule.
 */
static void fail_unless_ended(enum join_step step)
{
	if (errno != ENOENT && errno != ESRCH)
		fail(step);
}

static void join(int proc, int mounts)
{
	struct place cwd;
	uid_t owner = (uid_t)-1;
	int user = openat(proc, "ns/user", O_RDONLY | O_CLOEXEC);

	if (user < 0)
		return fail_unless_ended(STEP_OPEN_USER);
	int mnt = openat(proc, "ns/mnt", O_RDONLY | O_CLOEXEC);
	if (mnt < 0)
		return fail_unless_ended(STEP_OPEN_MNT);
	if (ioctl(user, NS_GET_OWNER_UID, &owner) < 0)
		return fail(STEP_OWNER);
	if (owner != geteuid()) {
		errno = EPERM;
		return fail(STEP_OWNER);
	}
	remember(&cwd);
	if (setns(user, CLONE_NEWUSER) < 0)
		return fail(STEP_ENTER_USER);
	if (setns(mnt, CLONE_NEWNS) < 0)
		return fail(STEP_ENTER_MNT);
	close(user);
	close(mnt);
	if (owner == 0 && become_first_sub_id() < 0)
		return fail(STEP_BECOME);
	if (mounts && own_mount_namespace() < 0)
		return;
	return_to(&cwd);
	burrow_joined = 1;
}

/* Whether we are in the user namespace of uid's anchor. */
static int in_anchor_of(uid_t uid)
{
	struct stat its, ours;
	int proc = find_anchor(uid);

	if (proc < 0)
		return 0;
	int same = fstatat(proc, "ns/user", &its, 0) == 0 && stat("/proc/self/ns/user", &ours) == 0 &&
		   its.st_dev == ours.st_dev && its.st_ino == ours.st_ino;
	close(proc);
	return same;
}

/*
 * Root of a user namespace. In the anchor that is a supervisor, a check, or a command that
 * somebody gives in the shell of `burrow unshare`: none shares mounts with others.
 */
static void inside_already(unsigned int outer)
{
	const char *as = getenv("BURROW_STAGE");

	int ours = in_anchor_of(outer);

	if (as && strncmp(as, "settled", 7) == 0)
		return; /* its mounts are there already */
	if (as && (strncmp(as, "supervisor", 10) == 0 || strncmp(as, "check", 5) == 0)) {
		own_mount_namespace();
		return;
	}
	if (!ours) {
		if (!in_anchor_of(0))
			return;
		burrow_as_root = 1;
	}
	if (own_mount_namespace() == 0)
		burrow_joined = 1;
}

void burrow_enter(int argc, char **argv)
{
	if (argc < 1)
		return;
	if (strcmp(argv[0], "burrow-anchor") == 0)
		burrow_anchor(argc, argv);
	if (strcmp(argv[0], "burrow-checks") == 0)
		burrow_checks(argc, argv);
	if (argc == 2 && strcmp(argv[0], "/proc/self/exe") == 0 && strncmp(argv[1], "gate:", 5) == 0)
		burrow_gate(argv);
	const char *initpipe = getenv("_LIBCONTAINER_INITPIPE");
	if (initpipe) {
		/* libcontainer's init: it inherits our namespaces */
		burrow_find_cgroup(initpipe);
		return;
	}

	unsigned int outer = UINT_MAX;
	burrow_check_limits();
	fix_loginuid();
	if (geteuid() == 0 && !is_host_root(&outer)) {
		const char *told = getenv("BURROW_LOGINUID");

		if (told)
			snprintf(burrow_loginuid, sizeof(burrow_loginuid), "%s", told);
		return inside_already(outer);
	}
	remember_loginuid();
	const char *stage = getenv("BURROW_STAGE");
	int wanted = (argc >= 2 && listed(in_anchor, argv[1])) ||
		     (stage && strncmp(stage, "joined", 6) == 0);
	int proc = find_anchor(geteuid());
	if (proc < 0)
		return;
	if (!wanted) {
		close(proc);
		return;
	}
	join(proc, (argc >= 2 && listed(own_mounts, argv[1])) ||
		   (stage && strcmp(stage, "joined:mounts") == 0));
	close(proc);
}

/* Asks the kernel from inside a container what it allows. Each line of output
 * is a question and the errno that answered it, "ok" if the call worked.
 *
 * It must not do harm where a question is answered with yes: arguments are
 * such that a call which is let through fails by itself (EFAULT, EBADF, EINVAL)
 * or changes nothing, and that errno then differs from what a filter gives. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static void say(const char *what, long r)
{
	printf("%s %s\n", what, r < 0 ? strerrorname_np(errno) : "ok");
	fflush(stdout);
}

struct call { const char *name; long nr; long a[5]; };
#define BAD 0x10L /* no address */

static const struct call calls[] = {
	/* namespaces and the mount API */
	{"unshare-user", SYS_unshare, {CLONE_NEWUSER}},
	{"unshare-mount", SYS_unshare, {CLONE_NEWNS}},
	{"unshare-net", SYS_unshare, {CLONE_NEWNET}},
	{"unshare-pid", SYS_unshare, {CLONE_NEWPID}},
	{"unshare-ipc", SYS_unshare, {CLONE_NEWIPC}},
	{"unshare-uts", SYS_unshare, {CLONE_NEWUTS}},
	{"unshare-cgroup", SYS_unshare, {CLONE_NEWCGROUP}},
	{"unshare-time", SYS_unshare, {0x80}},
	{"clone-user", SYS_clone, {CLONE_NEWUSER | SIGCHLD}},
	{"clone-net", SYS_clone, {CLONE_NEWNET | SIGCHLD}},
	{"clone3", SYS_clone3, {BAD, 0}},
	{"setns", SYS_setns, {-1, 0}},
	{"mount", SYS_mount, {BAD, BAD, BAD, 0, 0}},
	{"umount2", SYS_umount2, {BAD, 0}},
	{"pivot_root", SYS_pivot_root, {BAD, BAD}},
	{"open_tree", SYS_open_tree, {-1, BAD, 1}},
	{"fsopen", SYS_fsopen, {BAD, 0}},
	{"fsmount", SYS_fsmount, {-1, 0, 0}},
	{"fspick", SYS_fspick, {-1, BAD, 0}},
	{"fsconfig", SYS_fsconfig, {-1, 0, 0, 0, 0}},
	{"move_mount", SYS_move_mount, {-1, BAD, -1, BAD, 0}},
	{"mount_setattr", SYS_mount_setattr, {-1, BAD, 0, BAD, 0}},
	{"unknown", 999, {0}},
	/* what is not namespaced */
	{"keyctl", SYS_keyctl, {0, -3, 0}},
	{"add_key", SYS_add_key, {BAD, BAD, BAD, 1, -3}},
	{"request_key", SYS_request_key, {BAD, BAD, 0, 0}},
	{"bpf", SYS_bpf, {0, BAD, 0}},
	{"perf_event_open", SYS_perf_event_open, {BAD, 0, -1, -1, 0}},
	{"userfaultfd", SYS_userfaultfd, {-1}},
	{"io_uring_setup", SYS_io_uring_setup, {1, BAD}},
	{"io_uring_enter", SYS_io_uring_enter, {-1, 0, 0, 0, 0}},
	{"io_uring_register", SYS_io_uring_register, {-1, 0, 0, 0}},
	{"fanotify_init", SYS_fanotify_init, {-1, 0}},
	{"kexec_load", SYS_kexec_load, {0, -1, BAD, 0}},
	{"kexec_file_load", SYS_kexec_file_load, {-1, -1, 0, 0, 0}},
	{"init_module", SYS_init_module, {BAD, 0, BAD}},
	{"finit_module", SYS_finit_module, {-1, BAD, 0}},
	{"delete_module", SYS_delete_module, {BAD, 0}},
	{"reboot", SYS_reboot, {0, 0, 0}},
	{"swapon", SYS_swapon, {BAD, 0}},
	{"swapoff", SYS_swapoff, {BAD}},
	{"acct", SYS_acct, {BAD}},
	{"settimeofday", SYS_settimeofday, {BAD, 0}},
	{"clock_settime", SYS_clock_settime, {0, BAD}},
	{"iopl", SYS_iopl, {3}},
	{"ioperm", SYS_ioperm, {0, 1, 1}},
	{"syslog", SYS_syslog, {10, 0, 0}},
	{"quotactl", SYS_quotactl, {-1, BAD, 0, BAD}},
	{"open_by_handle_at", SYS_open_by_handle_at, {-1, BAD, 0}},
	{"kcmp", SYS_kcmp, {1, 1, 1, 0, 0}},
	{"pidfd_getfd", SYS_pidfd_getfd, {-1, -1, 0}},
	{"lookup_dcookie", 212, {0, BAD, 1}},
	{"vhangup", SYS_vhangup, {0}},
	{"mbind", SYS_mbind, {0, 0, 99, 0, 0}},
	{"nfsservctl", 180, {0}},
	{"sethostname", SYS_sethostname, {BAD, 1}},
	{"setdomainname", SYS_setdomainname, {BAD, 1}},
	{0},
};

static void syscalls(void)
{
	for (const struct call *c = calls; c->name; c++) {
		pid_t child = fork(); /* a filter may kill */
		if (child == 0) {
			long r = syscall(c->nr, c->a[0], c->a[1], c->a[2], c->a[3], c->a[4]);
			if (c->nr == SYS_clone && r == 0)
				_exit(0);
			say(c->name, r);
			_exit(0);
		}
		int st;
		waitpid(child, &st, 0);
		if (WIFSIGNALED(st))
			printf("%s killed\n", c->name), fflush(stdout);
	}
}

#ifdef __x86_64__
static long int80(long nr, long a, long b, long c)
{
	long r;
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
	return r;
}
#endif

/* Each ABI in a child, which a filter for the native one alone kills. */
static void abis(void)
{
#ifdef __x86_64__
	static const struct { const char *name; int kind; } t[] = {
		{"i386-getpid", 0}, {"i386-socketcall-alg", 1}, {"i386-unshare-user", 2}, {"x32-getpid", 3}, {"x32-unshare-user", 4}, {0},
	};
	for (int i = 0; t[i].name; i++) {
		pid_t child = fork();
		if (child == 0) {
			long r = -1;
			uint32_t *args = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
			args[0] = 38, args[1] = SOCK_SEQPACKET, args[2] = 0; /* AF_ALG, CVE-2026-31431 */
			switch (t[i].kind) {
			case 0: r = int80(20, 0, 0, 0); break;
			case 1: r = int80(102, 1, (long)args, 0); break;
			case 2: r = int80(310, CLONE_NEWUSER, 0, 0); break;
			case 3: r = syscall(0x40000000 | SYS_getpid); break;
			case 4: r = syscall(0x40000000 | SYS_unshare, CLONE_NEWUSER); break;
			}
			if (t[i].kind < 3 && r < 0)
				errno = -r;
			say(t[i].name, r);
			_exit(0);
		}
		int st;
		waitpid(child, &st, 0);
		if (WIFSIGNALED(st))
			printf("%s killed\n", t[i].name), fflush(stdout);
	}
#endif
}

static void sockets(void)
{
	static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET};
	for (int f = 0; f <= 46; f++) {
		int best = EPERM; /* the answer that says most */
		for (unsigned i = 0; i < sizeof types / sizeof *types; i++) {
			int fd = socket(f, types[i], 0);
			if (fd >= 0) {
				best = 0;
				close(fd);
			} else if (best && errno != EPERM) {
				best = errno;
			}
		}
		errno = best;
		char name[32];
		snprintf(name, sizeof name, "family-%d", f);
		say(name, best ? -1 : 0);
	}
}

static void netlinks(void)
{
	for (int p = 0; p <= 23; p++) {
		char name[32];
		snprintf(name, sizeof name, "netlink-%d", p);
		int fd = socket(AF_NETLINK, SOCK_RAW, p);
		say(name, fd);
		if (fd >= 0)
			close(fd);
	}
}

static void fds(void)
{
	for (int i = 0; i < 4096; i++)
		if (fcntl(i, F_GETFD) >= 0)
			printf("%d\n", i);
}

static void personalities(void)
{
	static const unsigned long p[] = {0, 8, 0x20000, 0x20008, 0xffffffff, ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC, PER_BSD};
	for (unsigned i = 0; i < sizeof p / sizeof *p; i++) {
		char name[32];
		snprintf(name, sizeof name, "personality-%lx", p[i]);
		say(name, syscall(SYS_personality, p[i]));
		syscall(SYS_personality, 0);
	}
}

static void clocks(void)
{
	struct timespec now;
	struct timex t = {.modes = ADJ_TICK, .tick = 10000};
	clock_gettime(CLOCK_REALTIME, &now);
	say("clock_settime", syscall(SYS_clock_settime, CLOCK_REALTIME, &now));
	say("adjtimex-set", syscall(SYS_adjtimex, &t));
	say("clock_adjtime-set", syscall(SYS_clock_adjtime, CLOCK_REALTIME, &t));
	t.modes = 0;
	say("adjtimex-read", syscall(SYS_adjtimex, &t));
}

static void terminal(void)
{
	char c = 'x', paste[4] = {2};
	say("session-leader", getsid(0) == getpid() ? 0 : -1);
	say("isatty", isatty(0) ? 0 : -1);
	say("TIOCSTI", ioctl(0, TIOCSTI, &c));
	say("TIOCLINUX", ioctl(0, TIOCLINUX, paste));
}

/* Which processes can be seen, and which signalled? */
static void reach(void)
{
	int max = 4194304, seen = 0;
	for (int pid = 1; pid <= max; pid++)
		if (kill(pid, 0) == 0 || errno == EPERM)
			seen++, printf("%d\n", pid);
	printf("%d processes\n", seen);
}

static void abstract(const char *name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	strncpy(a.sun_path + 1, name, sizeof a.sun_path - 2);
	say("abstract", connect(s, (struct sockaddr *)&a, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)));
}

/* A file capability that the container's bounding set has: CAP_CHOWN, effective. */
static void filecap(const char *path)
{
	uint32_t cap[5] = {0x02000001, 1, 0, 0, 0};
	say("setxattr", setxattr(path, "security.capability", cap, sizeof cap, 0));
}

/* Tells the service manager, COUNT times and without waiting; with a descriptor
 * that it is to keep if there is a further argument. */
static int notify(int argc, char **argv)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(int))]; } c;
	const char *at = getenv("NOTIFY_SOCKET");
	int s = socket(AF_UNIX, SOCK_DGRAM, 0), sent = 0, full = 0;
	if (!at || argc < 4)
		return 2;
	strncpy(a.sun_path, at, sizeof a.sun_path - 1);
	struct iovec v = {argv[2], strlen(argv[2])};
	struct msghdr m = {.msg_name = &a, .msg_namelen = sizeof a, .msg_iov = &v, .msg_iovlen = 1};
	if (argc > 4) {
		m.msg_control = &c;
		m.msg_controllen = sizeof c.room;
		c.h.cmsg_level = SOL_SOCKET;
		c.h.cmsg_type = SCM_RIGHTS;
		c.h.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&c.h), &(int){0}, sizeof(int));
	}
	for (int i = atoi(argv[3]); i > 0; i--) {
		if (sendmsg(s, &m, MSG_DONTWAIT) >= 0)
			sent++;
		else if (errno == EAGAIN)
			full++;
		else
			return say("sendmsg", -1), 1;
	}
	printf("sent %d full %d\n", sent, full);
	return 0;
}

/* Answers one connection to the first socket that it is activated by. */
static int serve(void)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");
	if (!pid || !n || atoi(pid) != getpid())
		return fprintf(stderr, "LISTEN_PID=%s LISTEN_FDS=%s, and I am %d\n", pid, n, getpid()), 2;
	int c = accept(3, NULL, NULL);
	if (c < 0)
		return say("accept", -1), 1;
	dprintf(c, "%s sockets, %s\n", n, names ? names : "without names");
	return 0;
}

/* What of process pid can be had: descriptors beyond the standard streams, by
 * name or by tracing it and looking again while it cannot go on. */
static int grasp(int pid)
{
	char path[64], name[320], link[512];
	int found = 0, sockets = 0;
	snprintf(path, sizeof path, "/proc/%d/fd", pid);
	DIR *d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));) {
		if (e->d_name[0] == '.' || atoi(e->d_name) <= 2)
			continue;
		snprintf(name, sizeof name, "%s/%s", path, e->d_name);
		ssize_t n = readlink(name, link, sizeof link - 1);
		if (n < 0)
			continue;
		link[n] = 0;
		printf("fd %s%s\n", !strncmp(link, "socket:", 7) && sockets++ ? "another " : "", link);
		found++;
	}
	if (d)
		closedir(d);
	return found;
}

/* Lies in wait for processes that come into the container (CVE-2016-9962). */
static void ambush(const char *seconds)
{
	time_t end = time(0) + atoi(seconds);
	int seen = 0, last = 0, self = getpid();
	for (setvbuf(stdout, 0, _IOLBF, 0); time(0) < end;) {
		DIR *d = opendir("/proc");
		for (struct dirent *e; d && (e = readdir(d));) {
			int pid = atoi(e->d_name);
			if (pid <= 1 || pid == self)
				continue;
			if (pid != last)
				last = pid, seen++;
			if (grasp(pid) > 0 || ptrace(PTRACE_SEIZE, pid, 0, 0) < 0)
				continue;
			ptrace(PTRACE_INTERRUPT, pid, 0, 0);
			waitpid(pid, 0, __WALL);
			grasp(pid);
			ptrace(PTRACE_DETACH, pid, 0, 0);
		}
		if (d)
			closedir(d);
	}
	printf("seen %d\n", seen);
}

/* Changes two names for one another for as long as it may run. */
static void exchange(const char *a, const char *b)
{
	while (syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2 /* RENAME_EXCHANGE */) == 0)
		;
	say("exchange", -1);
}

/* Makes directories in one another, deeper than a path can be long. */
static void deepen(const char *levels)
{
	for (int i = atoi(levels); i > 0; i--)
		if (mkdir("deep-in-deep", 0755) < 0 || chdir("deep-in-deep") < 0)
			say("deepen", -1);
	printf("deep\n");
}

/* Has so many groups that they are the longest line of /proc/PID/status. */
static void crowd(const char *count)
{
	int n = atoi(count);
	gid_t *list = calloc(n, sizeof(*list));
	for (int i = 0; list && i < n; i++)
		list[i] = 1000;
	setvbuf(stdout, 0, _IOLBF, 0);
	say("setgroups", list ? setgroups(n, list) : -1);
	pause();
}

/* As many processes as that have the same command line, of 2 MB nearly. */
static void wordy(const char *count, char *self)
{
	static char word[100001];
	char *args[22] = { self, "wordily", (char *)count };
	memset(word, 'x', sizeof(word) - 1);
	for (int i = 3; i < 21; i++)
		args[i] = word;
	execv(self, args);
	say("wordy", -1);
}

static void wordily(const char *count)
{
	for (int i = atoi(count); i > 1; i--)
		if (fork() == 0)
			break;
	pause();
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "", *arg = argc > 2 ? argv[2] : "";
	if (!strcmp(what, "syscalls")) syscalls();
	else if (!strcmp(what, "abis")) abis();
	else if (!strcmp(what, "sockets")) sockets();
	else if (!strcmp(what, "netlinks")) netlinks();
	else if (!strcmp(what, "fds")) fds();
	else if (!strcmp(what, "personalities")) personalities();
	else if (!strcmp(what, "clocks")) clocks();
	else if (!strcmp(what, "terminal")) terminal();
	else if (!strcmp(what, "reach")) reach();
	else if (!strcmp(what, "abstract")) abstract(arg);
	else if (!strcmp(what, "filecap")) filecap(arg);
	else if (!strcmp(what, "notify")) return notify(argc, argv);
	else if (!strcmp(what, "serve")) return serve();
	else if (!strcmp(what, "ambush")) ambush(arg);
	else if (!strcmp(what, "deepen")) deepen(arg);
	else if (!strcmp(what, "crowd")) crowd(arg);
	else if (!strcmp(what, "wordy")) wordy(arg, argv[0]);
	else if (!strcmp(what, "wordily")) wordily(arg);
	else if (!strcmp(what, "exchange")) exchange(arg, argc > 3 ? argv[3] : "");
	else return 2;
	return 0;
}

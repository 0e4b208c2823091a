/* Asks what holds a container's process that has got out of some of its layers.
 *
 *	breakout PID LAYERS QUESTION=ARGUMENT...
 *
 * It becomes what the root of the container with first process PID is, but only in
 * the LAYERS that are named, separated by commas: user, mnt, pid, net, ipc, uts,
 * cgroup, landlock. With "user" come the container's root as user, its capabilities
 * and no_new_privs. Each line of output is a question and its answer: "ok" if
 * nothing held it, or else the errno.
 *
 * It is started by the user whose container that is, outside of it: so that it gets
 * in is no attack. No question changes anything that stays. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define ELEVEN 0x800405fbUL /* the capabilities of a container's root */

static int must(const char *what, int r)
{
	if (r < 0) {
		perror(what);
		exit(2);
	}
	return r;
}

static int wants(const char *layers, const char *name)
{
	size_t n = strlen(name);
	for (const char *p = layers; (p = strstr(p, name)); p += n)
		if ((p == layers || p[-1] == ',') && (p[n] == 0 || p[n] == ','))
			return 1;
	return 0;
}

static int ns(const char *pid, const char *kind)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%s/ns/%s", pid, kind);
	return must(path, open(path, O_RDONLY | O_CLOEXEC));
}

/* The domain that the gate makes: all rights below the container's root, none
 * elsewhere, and no scope left out. */
static void landlock(int root)
{
	struct { uint64_t fs, net, scoped; } a = {0};
	struct landlock_path_beneath_attr rule = {.parent_fd = root};
	int abi = must("landlock ABI", syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION));

	a.fs = abi < 2 ? 0x1fff : abi < 3 ? 0x3fff : abi < 5 ? 0x7fff : 0xffff;
	a.scoped = abi < 6 ? 0 : 3;
	rule.allowed_access = a.fs;
	int set = must("landlock ruleset", syscall(SYS_landlock_create_ruleset, &a, abi < 4 ? 8 : abi < 6 ? 16 : 24, 0));
	must("landlock rule", syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &rule, 0));
	must("landlock", syscall(SYS_landlock_restrict_self, set, 0));
	close(set);
	close(root);
}

static void become_root(void)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2] = {{ELEVEN, ELEVEN, 0}, {0, 0, 0}};

	must("setgroups", syscall(SYS_setgroups, 0, NULL));
	must("setgid", syscall(SYS_setresgid, 0, 0, 0));
	must("setuid", syscall(SYS_setresuid, 0, 0, 0));
	for (int c = 0; c < 64; c++)
		if (!(ELEVEN >> c & 1))
			prctl(PR_CAPBSET_DROP, c, 0, 0, 0); /* EINVAL beyond the last */
	must("capset", syscall(SYS_capset, &h, d));
	must("no_new_privs", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static void enter(const char *pid, const char *layers)
{
	static const char *kinds[] = {"ipc", "uts", "cgroup", "pid", "mnt", NULL};
	int fds[8], user = ns(pid, "user"), net = ns(pid, "net");
	char path[64];

	for (int i = 0; kinds[i]; i++)
		fds[i] = ns(pid, kinds[i]);
	snprintf(path, sizeof path, "/proc/%s/root", pid);
	int root = must(path, open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));

	if (wants(layers, "user")) {
		/* The network belongs to the namespace above. */
		int above = ioctl(user, NS_GET_PARENT);
		if (above >= 0 && setns(above, CLONE_NEWUSER) == 0 && wants(layers, "net"))
			must("net", setns(net, CLONE_NEWNET));
		must("user", setns(user, CLONE_NEWUSER));
		for (int i = 0; kinds[i]; i++)
			if (wants(layers, kinds[i]))
				must(kinds[i], setns(fds[i], 0));
		become_root();
	}
	if (wants(layers, "landlock"))
		landlock(root);
}

/* An answer; a question that could not be asked as meant ends all. */
static void say(const char *what, long r)
{
	printf("%s %s\n", what, r < 0 ? strerrorname_np(errno) : "ok");
	fflush(stdout);
}

static long reads(const char *path)
{
	char c;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	long r = fd < 0 ? -1 : read(fd, &c, 1);
	return r == 0 ? (errno = ENODATA, -1) : r;
}

static long creates(const char *dir)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/breakout", dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static long connects(const char *name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	strncpy(a.sun_path + 1, name, sizeof a.sun_path - 2);
	return connect(s, (struct sockaddr *)&a, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}

static void ask(char *question)
{
	char path[64], *arg = strchr(question, '=');
	if (!arg)
		exit(2);
	*arg++ = 0;
	const char *kind = strrchr(question, ':'); /* NAME:KIND */
	if (!kind)
		exit(2);
	*strrchr(question, ':') = 0, kind++;
	if (!strcmp(kind, "read")) {
		say(question, reads(arg));
	} else if (!strcmp(kind, "create")) {
		say(question, creates(arg));
	} else if (!strcmp(kind, "environ")) {
		snprintf(path, sizeof path, "/proc/%s/environ", arg);
		say(question, reads(path));
	} else if (!strcmp(kind, "signal")) {
		say(question, kill(atoi(arg), 0));
	} else if (!strcmp(kind, "trace")) {
		say(question, ptrace(PTRACE_SEIZE, atoi(arg), 0, 0)); /* ends with this process */
	} else if (!strcmp(kind, "abstract")) {
		say(question, connects(arg));
	} else {
		exit(2);
	}
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	if (strcmp(argv[2], "none"))
		enter(argv[1], argv[2]);
	pid_t child = must("fork", fork()); /* a pid namespace is for children */
	if (child == 0) {
		for (int i = 3; i < argc; i++)
			ask(argv[i]);
		_exit(0);
	}
	int st;
	waitpid(child, &st, 0);
	return WIFEXITED(st) ? WEXITSTATUS(st) : 2;
}

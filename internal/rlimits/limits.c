/*
 * Limits that the Go runtime does not survive. Where it cannot reserve its address
 * space or make a thread it prints its stacks, and aborts: nobody finds the
 * cause in that. So what it needs is tried before it starts, and threads are watched after.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "limits.h"

#define EXIT_ENGINE 125 /* as cmd/burrow/voice.go has it */

static void say_and_end(const char *error, const char *hint)
{
	char buf[512];
	int n = snprintf(buf, sizeof(buf), "burrow: error: %s\nhint: %s\n", error, hint);

	while (n > 0 && write(STDERR_FILENO, buf, n) < 0 && errno == EINTR)
		;
	_exit(EXIT_ENGINE);
}

/*
 * Measured by lowering the limit until commands failed: they take 0.98 GiB of addresses, most of
 * it reserved only, and 140 MiB that can be written, stacks of threads above all.
 */
#define NEEDED_ADDRESSES (1UL << 30)
#define NEEDED_DATA (112UL << 20)

static int fits(int resource, size_t size, int protection)
{
	struct rlimit r;

	if (getrlimit(resource, &r) < 0 || r.rlim_cur == RLIM_INFINITY)
		return 1;
	void *at = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return 0;
	munmap(at, size);
	return 1;
}

void burrow_check_limits(void)
{
	if (!fits(RLIMIT_AS, NEEDED_ADDRESSES, PROT_NONE))
		say_and_end("the limit of a process's addresses is too low: burrow needs 1.1 GiB of them, though little memory",
			    "ulimit -v unlimited; limits.conf(5), \"as\", says who may");
	if (!fits(RLIMIT_DATA, NEEDED_DATA, PROT_READ | PROT_WRITE))
		say_and_end("the limit of a process's data is too low: burrow needs 150 MiB",
			    "ulimit -d unlimited; limits.conf(5), \"data\", says who may");
}

/* How often in a row runtime/cgo asks for a thread before it aborts (gcc_util.c). */
#define PATIENCE 20

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);

/* All threads of Go come by here. Those who ask wait longer each time: this may be over soon. */
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	static int refused;
	struct rlimit r;
	int err = __real_pthread_create(thread, attr, start, arg);

	if (err == 0)
		__atomic_store_n(&refused, 0, __ATOMIC_RELAXED);
	if (err != EAGAIN || __atomic_add_fetch(&refused, 1, __ATOMIC_RELAXED) < PATIENCE)
		return err;
	if (getrlimit(RLIMIT_NPROC, &r) == 0 && r.rlim_cur != RLIM_INFINITY && fits(RLIMIT_AS, 16 << 20, PROT_NONE) &&
	    fits(RLIMIT_DATA, 16 << 20, PROT_READ | PROT_WRITE))
		say_and_end("no further thread can be made: you have as many processes and threads as you may",
			    "ulimit -u says how many; end some, or see limits.conf(5), \"nproc\", and pids.max of your cgroup");
	say_and_end("no further thread can be made", "ulimit -a shows what processes may take; or pids.max of your cgroup is reached");
	return err;
}

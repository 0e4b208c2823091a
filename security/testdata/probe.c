// probe loads a seccomp filter and says what system calls then answer.
//
//	probe FILTER < lines of "ABI NUMBER ARG0 ... ARG5" > one line each:
//	"ok VALUE", "errno N" or "signal N"
//
// ABI is native, i386 (int $0x80) or x32 (bit 30 of the number). Each call is
// made in a process of its own, as the filter may kill it. FILTER "-" loads
// none: the control.
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sock_filter program[4096];

static void load(const char *path) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = read(fd, program, sizeof program);
  struct sock_fprog prog = {.len = n / sizeof *program, .filter = program};
  if (fd < 0 || n <= 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog)) {
    perror("load filter");
    exit(2);
  }
}

static long call(const char *abi, long nr, const long *a) {
  if (!strcmp(abi, "x32"))
    nr |= 0x40000000;
#ifdef __x86_64__
  if (!strcmp(abi, "i386")) {
    long ret;
    // ebp is the sixth argument; none of the probes needs it.
    asm volatile("int $0x80"
                 : "=a"(ret)
                 : "a"(nr), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
                 : "memory", "r8", "r9", "r10", "r11");
    return (int)ret;
  }
#endif
  long ret = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
  return ret == -1 ? -errno : ret;
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 2;
  setvbuf(stdout, NULL, _IONBF, 0);
  if (strcmp(argv[1], "-"))
    load(argv[1]);
  char abi[16], line[512];
  long nr, a[6];
  while (fgets(line, sizeof line, stdin)) {
    if (sscanf(line, "%15s %ld %li %li %li %li %li %li", abi, &nr, a, a + 1, a + 2, a + 3, a + 4, a + 5) != 8)
      return 2;
    pid_t pid = fork();
    if (pid == 0) {
      int self = getpid();
      long ret = call(abi, nr, a);
      if (getpid() != self) // it forked
        _exit(0);
      if (ret < 0 && ret >= -4095)
        printf("errno %ld\n", -ret);
      else
        printf("ok %ld\n", ret);
      _exit(0);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status))
      printf("signal %d\n", WTERMSIG(status));
  }
  return 0;
}

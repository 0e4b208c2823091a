// Package sys wraps the system calls that change the state of this process or
// of a file system, one small function each: EINTR is retried, descriptors are
// close-on-exec, errors are *os.PathError or *os.SyscallError.
//
// It decides nothing and checks nothing; what is dangerous says so in its name.
package sys

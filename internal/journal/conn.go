package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

// Socket is where journald listens.
const Socket = "/run/systemd/journal/socket"

// Conn is a connection to journald. It is not safe for concurrent use.
type Conn struct {
	path    string
	timeout time.Duration
	fd      int
}

// Dial connects to journald at path. A message that journald does not take
// within timeout is given up; 0: never. Errors are *os.PathError.
func Dial(path string, timeout time.Duration) (*Conn, error) {
	c := &Conn{path: path, timeout: timeout, fd: -1}
	return c, c.connect()
}

// connect makes a blocking socket that has its peer: the runtime's poller is
// never told that an unconnected one can be written to again (unix_dgram_poll).
func (c *Conn) connect() error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	if c.timeout > 0 {
		tv := unix.NsecToTimeval(c.timeout.Nanoseconds())
		err = os.NewSyscallError("setsockopt", unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv))
	}
	if err == nil {
		if e := unix.Connect(fd, &unix.SockaddrUnix{Name: c.path}); e != nil {
			err = &os.PathError{Op: "connect", Path: c.path, Err: e}
		}
	}
	if err != nil {
		unix.Close(fd)
		return err
	}
	if c.fd >= 0 {
		unix.Close(c.fd)
	}
	c.fd = fd
	return nil
}

// Close closes the connection.
func (c *Conn) Close() error { return os.NewSyscallError("close", unix.Close(c.fd)) }

// Field is one field of an entry. Names are capitals, digits and underscores,
// and begin with a letter; values are any bytes.
type Field struct {
	Name  string
	Value []byte
}

// Text is a field of a string.
func Text(name, value string) Field { return Field{name, []byte(value)} }

// Send writes one entry and returns when journald has it in its queue.
func (c *Conn) Send(fields ...Field) error {
	var b bytes.Buffer
	for _, f := range fields {
		if err := appendField(&b, f); err != nil {
			return err
		}
	}
	err := c.write(b.Bytes())
	// journald was started anew, and its socket with it.
	if errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.ENOTCONN) {
		if err = c.connect(); err == nil {
			err = c.write(b.Bytes())
		}
	}
	return err
}

func appendField(b *bytes.Buffer, f Field) error {
	if f.Name == "" || f.Name[0] < 'A' || f.Name[0] > 'Z' || strings.Trim(f.Name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		return fmt.Errorf("bug: %q names no field of the journal", f.Name)
	}
	b.WriteString(f.Name)
	if bytes.IndexByte(f.Value, '\n') < 0 {
		b.WriteByte('=')
	} else { // the name alone, then the length: 64 bits, little endian
		b.WriteByte('\n')
		_ = binary.Write(b, binary.LittleEndian, uint64(len(f.Value)))
	}
	b.Write(f.Value)
	b.WriteByte('\n')
	return nil
}

// write sends one datagram; one that is too long for the socket goes as a file
// in memory that nobody can change any more.
func (c *Conn) write(p []byte) error {
	err := c.sendmsg(p, nil)
	if !errors.Is(err, unix.EMSGSIZE) && !errors.Is(err, unix.ENOBUFS) {
		return err
	}
	fd, err := unix.MemfdCreate("journal-entry", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "journal-entry")
	defer f.Close()
	if _, err := f.Write(p); err != nil {
		return err
	}
	if err := sys.Seal(f); err != nil {
		return err
	}
	return c.sendmsg(nil, unix.UnixRights(fd))
}

func (c *Conn) sendmsg(p, oob []byte) error {
	for {
		err := unix.Sendmsg(c.fd, p, oob, nil, 0)
		if !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("sendmsg", err)
		}
	}
}

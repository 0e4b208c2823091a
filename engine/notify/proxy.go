package notify

import (
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// How much a payload may say: more than any program does that reports its
// progress, and less than a service manager would notice. Who says more waits
// for the socket's queue, whose length is the kernel's (net.unix.max_dgram_qlen).
const (
	burst = 64
	pause = 20 * time.Millisecond // per message, once the burst is used up
)

// Proxy is the socket that a payload speaks to.
type Proxy struct {
	conn    *net.UnixConn
	mainPID int
	send    func(state string) error
	done    chan struct{} // closed when serve has ended; nil before Start
}

// Listen makes the socket at path, which must be free. Everybody who can reach
// the path may write to it: the directory decides who that is.
func Listen(path string) (*Proxy, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("notify socket: %w", err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		conn.Close()
		return nil, err
	}
	return &Proxy{conn: conn}, nil
}

// Start begins to pass on what the payload says. mainPID is as Filter's.
func (p *Proxy) Start(mainPID int, send func(state string) error) {
	p.mainPID, p.send, p.done = mainPID, send, make(chan struct{})
	go p.serve()
}

func (p *Proxy) serve() {
	defer close(p.done)
	buf := make([]byte, MaxDatagram+1) // one more, to see what is too long
	left, since := float64(burst), time.Now()
	for {
		// A read without room for control data: the kernel closes descriptors that
		// come along (FDSTORE), which also lets those go on who wait for that (BARRIER).
		n, err := p.conn.Read(buf)
		if err != nil {
			return
		}
		p.pass(buf[:n])
		now := time.Now()
		left = min(burst, left+float64(now.Sub(since))/float64(pause)) - 1
		since = now
		if left < 0 {
			time.Sleep(pause)
		}
	}
}

func (p *Proxy) pass(datagram []byte) {
	if state := Filter(datagram, p.mainPID); state != "" {
		_ = p.send(state) // a manager that is gone is no reason to end the payload
	}
}

// Close passes on what the payload has said before its end, and removes the
// socket's name.
func (p *Proxy) Close() {
	defer p.conn.Close()
	if p.done == nil || p.conn.SetReadDeadline(time.Now()) != nil {
		return
	}
	<-p.done
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { // Read would only say that the time is over
		buf := make([]byte, MaxDatagram+1)
		for range burst {
			n, _, err := unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT)
			if err != nil {
				return
			}
			p.pass(buf[:n])
		}
	})
}

package notify

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// ErrAddress means that a NOTIFY_SOCKET is none that this package can reach.
var ErrAddress = errors.New("neither an absolute path nor an abstract socket")

// patience bounds how long a manager that does not read is waited for.
const patience = 5 * time.Second

// Manager is whoever listens for the state of this process.
type Manager struct{ address string }

// NewManager takes the value of NOTIFY_SOCKET. Errors are ErrAddress.
func NewManager(address string) (*Manager, error) {
	if !strings.HasPrefix(address, "/") && (!strings.HasPrefix(address, "@") || len(address) < 2) {
		return nil, fmt.Errorf("NOTIFY_SOCKET=%.108q: %w", address, ErrAddress)
	}
	return &Manager{address: address}, nil
}

// Send tells the manager, in lines of KEY=VALUE.
func (m *Manager) Send(state string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.address, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}

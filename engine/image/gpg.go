package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"go.podman.io/image/v5/signature"

	"github.com/burrow-run/burrow/internal/hint"
)

// gpg signs with GnuPG's program. The image library signs with GnuPG's C library
// only, which needs the same program to run; it verifies without either.
type gpg struct {
	signature.SigningMechanism // verifies

	ctx        context.Context //nolint:containedctx // the interface has no place for it
	uid        int             // the user's outside this namespace
	key        string
	passphrase []byte
}

// newGPG finds the program and the key, so that nothing is written anywhere if
// there is none.
func newGPG(ctx context.Context, key string, passphrase []byte, uid int) (*gpg, error) {
	if strings.ContainsRune(string(passphrase), '\n') {
		return nil, errors.New("a passphrase cannot have a line break")
	}
	g := &gpg{ctx: ctx, uid: uid, key: key, passphrase: passphrase}
	if _, err := exec.LookPath("gpg"); err != nil {
		return nil, hint.New(fmt.Errorf("sign with GPG key %q: %w", key, err), "install GnuPG (Debian: gnupg)")
	}
	if _, err := g.run(ctx, nil, nil, "--list-secret-keys", "--", key); err != nil {
		return nil, hint.New(fmt.Errorf("sign with GPG key %q: %w", key, err), "gpg --list-secret-keys")
	}
	return g, nil
}

func (*gpg) Close() error           { return nil }
func (*gpg) SupportsSigning() error { return nil }

// Sign makes a signature that has input in it.
func (g *gpg) Sign(input []byte, key string) ([]byte, error) {
	args := []string{"--sign", "--output", "-", "--local-user=" + key}
	if g.passphrase != nil {
		args = append([]string{"--pinentry-mode", "loopback", "--passphrase-fd", "3"}, args...)
	}
	out, err := g.run(g.ctx, input, g.passphrase, args...)
	if err != nil {
		return nil, hint.New(fmt.Errorf("sign with GPG key %q: %w", key, err), "give the passphrase with --sign-passphrase-file FILE")
	}
	return out, nil
}

// run starts gpg in a user namespace where the user has his own UID, so that it
// finds the agent that he has running. One that it starts is ended again: it
// would keep this command's mounts.
func (g *gpg) run(ctx context.Context, stdin, passphrase []byte, args ...string) ([]byte, error) {
	ask := exec.CommandContext(ctx, "gpg-connect-agent", "--no-autostart", "GETINFO pid", "/bye")
	g.own(ask)
	if answer, err := ask.Output(); err != nil || !bytes.Contains(answer, []byte("OK")) {
		defer func() {
			kill := exec.CommandContext(context.WithoutCancel(ctx), "gpgconf", "--kill", "gpg-agent")
			g.own(kill)
			_ = kill.Run()
		}()
	}
	cmd := exec.CommandContext(ctx, "gpg", append([]string{"--batch", "--no-tty", "--yes"}, args...)...)
	g.own(cmd)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &errs
	if passphrase != nil {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		defer r.Close()
		cmd.ExtraFiles = []*os.File{r}
		_, err = io.WriteString(w, string(passphrase)+"\n") // fits into a pipe
		if err = errors.Join(err, w.Close()); err != nil {
			return nil, err
		}
	}
	if err := cmd.Run(); err != nil {
		if said := strings.TrimSpace(errs.String()); said != "" {
			lines := strings.Split(said, "\n")
			return nil, errors.New(strings.TrimSpace(lines[len(lines)-1]))
		}
		return nil, err
	}
	return out.Bytes(), nil
}

func (g *gpg) own(cmd *exec.Cmd) {
	if g.uid == os.Geteuid() {
		return
	}
	self := []syscall.SysProcIDMap{{ContainerID: g.uid, HostID: os.Geteuid(), Size: 1}}
	group := []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: self, GidMappings: group}
}

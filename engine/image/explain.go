package image

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"

	"go.podman.io/image/v5/docker"

	"github.com/burrow-run/burrow/internal/hint"
)

// plain says what an error of the image library says, without the names of the
// stages it passed through, which repeat the image's name.
type plain struct {
	text string
	err  error
}

func (p *plain) Error() string { return p.text }
func (p *plain) Unwrap() error { return p.err }

var (
	stages = regexp.MustCompile(`^(?:initializing (?:source|destination) \S+|(?:fetching|reading) manifest \S+ in \S+|pinging container registry \S+|` +
		`determining manifest MIME type for \S+|copying system image from manifest list|writing blob|committing the finished image|` +
		`writing manifest|uploading manifest \S+ to \S+|initiating layer upload to \S+ in \S+|checking whether a blob \S+ exists in \S+|` +
		`fetching tags list|getting repository tags|couldn't search registry \S+|reading blob \S+|trying to reuse blob \S+ at destination|read layer|happened during read): `)
	configStage = "parsing image configuration: "
)

func simplify(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for {
		cut := stages.ReplaceAllString(text, "")
		if cut == text {
			break
		}
		text = cut
	}
	if rest, ok := strings.CutPrefix(text, configStage); ok {
		if transient(err) || errors.Is(err, ErrInvalid) {
			return &plain{rest, err}
		}
		return &plain{ErrInvalid.Error() + " config: " + rest, errors.Join(ErrInvalid, err)}
	}
	return &plain{text, err}
}

// expired is a refusal on the way, after the same credentials were good enough:
// a token has come to its end. A new client gets a new one.
type expired struct{ error }

func (e *expired) Unwrap() error { return e.error }

// midway marks refusals that came after something had moved. Those before are
// final: a wrong password is not tried twice.
func midway(err error, moved bool) error {
	if moved && err != nil && refused(err) {
		return &expired{err}
	}
	return err
}

// refused says that the registry does not know who is asking, or not let him.
func refused(err error) bool {
	var unauthorized docker.ErrUnauthorizedForCredentials
	text := err.Error()
	return errors.As(err, &unauthorized) || strings.Contains(text, "authentication required") || strings.Contains(text, "unauthorized") || code(text, "denied") ||
		strings.Contains(text, "requested access to the resource is denied")
}

// transient says whether trying again may help.
func transient(err error) bool {
	var status docker.UnexpectedHTTPStatusError
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, ErrInvalid):
		return false
	case errors.As(err, &status):
		return status.StatusCode == http.StatusTooManyRequests || status.StatusCode >= 500
	case errors.Is(err, errSilent), errors.Is(err, docker.ErrTooManyRequests):
		return true
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ETIMEDOUT):
		return true
	}
	return errors.As(err, &timeout) && timeout.Timeout()
}

// explain adds what was done to the name, and the way out where there is one.
func explain(verb, name, registry string, err error) error {
	text, refusal := err.Error(), refused(err)
	err = fmt.Errorf("%s %s: %w", verb, name, err)
	switch {
	case strings.Contains(text, "server gave HTTP response to HTTPS client"):
		return hint.New(err, "the registry speaks plain HTTP; if that is intended: --tls-verify=false")
	case strings.Contains(text, "x509: "):
		return hint.New(err, "give the registry's CA with --cert-dir DIR (DIR/ca.crt)")
	case refusal:
		return hint.New(err, "burrow login "+registry)
	case verb == "push" && code(text, "name unknown"):
		return hint.New(err, "this registry makes no repositories on its own: make it there first")
	}
	return err
}

// code says whether the text tells that error code of a registry.
func code(text, name string) bool {
	for part := range strings.SplitSeq(text, ": ") {
		if part == name {
			return true
		}
	}
	return false
}

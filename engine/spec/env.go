package spec

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Env says how the payload's environment is made from the image's.
type Env struct {
	Set      []string // KEY=VALUE in order of appearance; a later one wins
	Unset    []string // keys of the image that are dropped
	UnsetAll bool     // drop all of the image's
	Host     []string // KEY=VALUE of the caller, weaker than Set (--env-host, --http-proxy)
	Merge    []string // KEY=TEXT where $NAME and ${NAME} stand for the image's values
}

// ProxyVariables are the variables that --http-proxy hands in.
func ProxyVariables() []string {
	return []string{
		"http_proxy", "https_proxy", "ftp_proxy", "no_proxy",
		"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY",
	}
}

// Apply returns the environment for an image that comes with the variables
// base. Weakest first: base less what is unset, the caller's, merged, set.
func (e Env) Apply(base []string) []string {
	list := envList{at: map[string]int{}}
	if !e.UnsetAll {
		drop := map[string]bool{}
		for _, k := range e.Unset {
			drop[k] = true
		}
		for _, kv := range base {
			if k, _, _ := strings.Cut(kv, "="); !drop[k] {
				list.set(kv)
			}
		}
	}
	list.setAll(e.Host)
	values := mapOf(base)
	for _, kv := range e.Merge {
		k, text, _ := strings.Cut(kv, "=")
		list.set(k + "=" + os.Expand(text, func(name string) string { return values[name] }))
	}
	list.setAll(e.Set)
	return list.vars
}

// envList keeps the place of a variable's first appearance and its last value.
type envList struct {
	vars []string
	at   map[string]int
}

func (l *envList) set(kv string) {
	k, _, _ := strings.Cut(kv, "=")
	if i, ok := l.at[k]; ok {
		l.vars[i] = kv
		return
	}
	l.at[k] = len(l.vars)
	l.vars = append(l.vars, kv)
}

func (l *envList) setAll(vars []string) {
	for _, kv := range vars {
		l.set(kv)
	}
}

func mapOf(vars []string) map[string]string {
	m := make(map[string]string, len(vars))
	for _, kv := range vars {
		if k, v, ok := strings.Cut(kv, "="); ok {
			m[k] = v
		}
	}
	return m
}

// ParseEnv reads one --env value: KEY=VALUE, KEY for the caller's value (none
// if the caller has none), or PREFIX* for all of the caller's variables that
// begin so. environ is the caller's environment.
func ParseEnv(value string, environ []string) ([]string, error) {
	key, _, assigned := strings.Cut(value, "=")
	if assigned {
		if err := CheckEnv(value); err != nil {
			return nil, err
		}
		return []string{value}, nil
	}
	if err := checkEnvName(key); err != nil {
		return nil, badErr(value, err)
	}
	prefix, glob := strings.CutSuffix(key, "*")
	var found []string
	for _, kv := range environ {
		k, _, ok := strings.Cut(kv, "=")
		if !ok || k == "" || (glob && !strings.HasPrefix(k, prefix)) || (!glob && k != key) {
			continue
		}
		if err := CheckEnv(kv); err != nil {
			return nil, err
		}
		found = append(found, kv)
	}
	return found, nil
}

// CheckEnv refuses a variable that cannot be one, or that would break a file
// made from it. Its value is otherwise kept byte for byte: newlines are allowed
// (keys and certificates are handed in so) except in the variables that end up
// as fields of passwd (CVE-2022-4318). The value is never part of the error.
func CheckEnv(kv string) error {
	key, val, ok := strings.Cut(kv, "=")
	if !ok {
		return bad(kv, "has no '='")
	}
	if err := checkEnvName(key); err != nil {
		return badErr(key, err)
	}
	if strings.IndexByte(val, 0) >= 0 {
		return bad(key, "value contains a NUL byte")
	}
	switch key {
	case "HOME", "USER", "LOGNAME", "SHELL":
		if err := checkText(val); err != nil {
			return badErr(key, fmt.Errorf("value %w", err))
		}
		if strings.Contains(val, ":") {
			return bad(key, "value contains a ':'")
		}
	}
	return nil
}

func checkEnvName(key string) error {
	if key == "" {
		return errors.New("variable has no name")
	}
	if err := checkText(key); err != nil {
		return fmt.Errorf("variable name %w", err)
	}
	return nil
}

// maxLine bounds one line of an env or label file. The kernel refuses a
// variable of more than 128 KiB; the bound only keeps a wrong file out of memory.
const maxLine = 16 << 20

// ParseEnvFile reads an --env-file: a KEY=VALUE, KEY or PREFIX* per line, taken
// literally, without quotes; blank lines and lines beginning with # are skipped.
func ParseEnvFile(r io.Reader, environ []string) ([]string, error) {
	var vars []string
	err := eachLine(r, func(line string) error {
		key, _, _ := strings.Cut(line, "=")
		if strings.ContainsAny(key, " \t") {
			return bad(key, "variable name contains white space")
		}
		found, err := ParseEnv(line, environ)
		vars = append(vars, found...)
		return err
	})
	return vars, err
}

// eachLine hands fn the lines that hold something, without leading white space.
func eachLine(r io.Reader, fn func(string) error) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, maxLine)
	n := 1
	for ; sc.Scan(); n++ {
		raw := sc.Bytes()
		if n == 1 {
			raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
		}
		line := strings.TrimLeft(string(raw), " \t\v\f\r")
		if line == "" || line[0] == '#' {
			continue
		}
		if err := fn(line); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if errors.Is(sc.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("line %d: longer than %d bytes", n, maxLine)
	}
	return sc.Err()
}

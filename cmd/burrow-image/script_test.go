package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/bcrypt"

	"github.com/burrow-run/burrow/internal/testbed"
)

// TestScript runs testdata/script, each script named after the promise that it
// shows, with a store of its own.
func TestScript(t *testing.T) {
	if _, child := testbed.Child(); child {
		testscript.Run(t, params(filepath.Join(ground.Scripts, os.Getenv("BURROW_TEST_SCRIPT"))))
		return
	}
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	if !testbed.Root() {
		testscript.Run(t, params(files...))
		return
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			runAsUser(t, file)
		})
	}
}

func runAsUser(t *testing.T, file string) {
	t.Helper()
	if _, err := ground.Add(file, "script", 0o644); err != nil {
		t.Fatal(err)
	}
	u, err := testbed.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer u.Give()
	ground.Run(t, u, testbed.Host{}, "^TestScript$", "BURROW_TEST_SCRIPT="+filepath.Base(file))
}

func params(files ...string) testscript.Params {
	return testscript.Params{
		Files: files, Setup: setup, RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": cmdCode, "fails": cmdFails, "needs": cmdNeeds, "registry": cmdRegistry, "killed": cmdKilled,
			"sent": cmdSent, "served": cmdServed, "oddtar": cmdOddTar,
			"tokens": cmdTokens, "counted": cmdCounted, "daemon": cmdDaemon,
			"searchable": cmdSearchable, "sigstorekey": cmdSigstoreKey, "accepted": cmdAccepted,
		},
	}
}

// setup gives a script directories and an anchor of its own.
func setup(env *testscript.Env) error {
	runtime, err := os.MkdirTemp("", "burrow-image-")
	if err != nil {
		return err
	}
	home := filepath.Join(env.WorkDir, "home")
	env.Vars = append(env.Vars,
		"HOME="+home, "XDG_RUNTIME_DIR="+runtime, "XDG_DATA_HOME="+filepath.Join(home, "data"),
		"XDG_STATE_HOME="+filepath.Join(home, "state"), "XDG_CACHE_HOME="+filepath.Join(home, "cache"),
		"PATH="+ground.Bin+":"+os.Getenv("PATH"), "FIXTURES="+testbed.Dir, "LANG=C.UTF-8",
	)
	env.Values[tKey{}] = env.T()
	env.Defer(func() {
		for _, args := range [][]string{{"unshare", "rm", "-rf", home}, {"system", "migrate"}} {
			cmd := exec.CommandContext(context.Background(), filepath.Join(ground.Bin, "burrow"), args...)
			cmd.Env = env.Vars
			if out, err := cmd.CombinedOutput(); err != nil {
				env.T().Log("burrow ", args, ": ", err, string(out))
			}
		}
		_ = os.RemoveAll(runtime)
	})
	return os.MkdirAll(home, 0o700)
}

// code N PROG ARG...: PROG ends with exit code N.
func cmdCode(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

var voice = regexp.MustCompile(`^burrow: error: [^\n]+\n(hint: [^\n]+\n)?$`)

// fails N PROG ARG...: the same, with nothing on stdout, one error line and at
// most one hint.
func cmdFails(ts *testscript.TestScript, neg bool, args []string) {
	cmdCode(ts, neg, args)
	if ts.ReadFile("stdout") != "" || !voice.MatchString(ts.ReadFile("stderr")) {
		ts.Fatalf("not one error line and a hint")
	}
}

// needs PROG...: skip, with the reason, without these programs or testbed
// conditions.
func cmdNeeds(ts *testscript.TestScript, _ bool, args []string) {
	for _, a := range args {
		known, reason := testbed.Lacking(a)
		if !known {
			_, reason = exec.LookPath(a)
		}
		if reason != nil {
			t, ok := ts.Value(tKey{}).(testscript.T)
			if !ok {
				ts.Fatalf("bug: no test")
			}
			t.Skip(a + ": " + reason.Error())
		}
	}
}

type tKey struct{}

// registry VAR [OPTION...]: starts docker-registry and puts its address in VAR.
// tls gives it a certificate of the CA certs/ca.crt; auth lets user:secret in.
func cmdRegistry(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	ts.Check(err)
	addr := l.Addr().String()
	ts.Check(l.Close())
	dir := ts.MkAbs("registry-" + args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	conf := fmt.Sprintf("version: 0.1\nlog: {level: info}\nstorage: {filesystem: {rootdirectory: %s/data}, delete: {enabled: true}}\n", dir)
	if slices.Contains(args[1:], "auth") {
		hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
		ts.Check(err)
		ts.Check(os.WriteFile(dir+"/htpasswd", []byte("user:"+string(hash)+"\n"), 0o600))
		conf += "auth: {htpasswd: {realm: test, path: " + dir + "/htpasswd}}\n"
	}
	conf += "http:\n  addr: " + addr + "\n"
	if slices.Contains(args[1:], "tls") {
		makeCertificate(ts, ts.MkAbs("certs"), dir)
		conf += "  tls: {certificate: " + dir + "/cert.pem, key: " + dir + "/key.pem}\n"
	}
	ts.Check(os.WriteFile(dir+"/config.yml", []byte(conf), 0o600))
	log, err := os.Create(dir + "/log")
	ts.Check(err)
	defer log.Close()
	cmd := exec.CommandContext(ctx, "docker-registry", "serve", dir+"/config.yml")
	cmd.Stderr, cmd.Stdout = log, log
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 100 {
		if c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr); err == nil {
			_ = c.Close()
			ts.Setenv(args[0], addr)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("docker-registry does not answer")
}

// killed MILLISECONDS PROG ARG...: PROG and all it started are killed after a
// while, if they have not ended by then.
func cmdKilled(ts *testscript.TestScript, _ bool, args []string) {
	ms, err := strconv.Atoi(args[0])
	ts.Check(err)
	// timeout kills itself too.
	_ = ts.Exec("timeout", append([]string{"-s", "KILL", fmt.Sprintf("%d.%03d", ms/1000, ms%1000), "sh", "-c", `"$@" >/dev/null 2>&1 || :`, "sh"}, args[1:]...)...)
}

// makeCertificate writes ca/ca.crt and the key and certificate of a server on
// the loopback to dir.
func makeCertificate(ts *testscript.TestScript, ca, dir string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	ts.Check(err)
	kder, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	ts.Check(os.MkdirAll(ca, 0o755))
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	ts.Check(os.WriteFile(filepath.Join(ca, "ca.crt"), cert, 0o600))
	ts.Check(os.WriteFile(filepath.Join(dir, "cert.pem"), cert, 0o600))
	ts.Check(os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: kder}), 0o600))
}

package main_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/burrow-run/burrow/internal/testbed"
)

// TestPrograms runs what people run, on an image that has it: a web server, a
// database, compilers, a package manager, a language's own test suite.
func TestPrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("needs an image that takes minutes to make, once")
	}
	if err := testbed.HasImage("programs"); err != nil {
		t.Fatal(err)
	}
	asUser(t, func(t *testing.T, sh *shell) {
		store, err := sh.user.Store(t.Context(), ground.Bin, "programs")
		if err != nil {
			t.Fatal(err)
		}
		for i, kv := range sh.env {
			if strings.HasPrefix(kv, "XDG_DATA_HOME=") {
				sh.env[i] = "XDG_DATA_HOME=" + store
			}
		}
		for _, c := range []struct {
			name string
			test func(t *testing.T, sh *shell)
		}{
			{"Python", pythonsOwnTests},
			{"nginx", serveWeb},
			{"PostgreSQL", runDatabase},
			{"C", compileC},
			{"Go", compileGo},
			{"apt-get", installPackage},
		} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel() // Python's tests sleep for half a minute
				c.test(t, sh.with(t))
			})
		}
	})
}

// serveWeb publishes nginx, whose workers run as www-data, and asks it from the
// host: it answers, and its log has the client's own address.
func serveWeb(t *testing.T, sh *shell) {
	for _, helper := range []string{"slirp4netns", "pasta"} {
		cond := map[string]string{"slirp4netns": "net", "pasta": "pasta"}[helper]
		if _, err := testbed.Lacking(cond); err != nil {
			t.Log(err)
			continue
		}
		site := filepath.Join(sh.work, "site-"+helper)
		if err := os.MkdirAll(site, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(site, "index.html"), []byte("hello from "+helper), 0o644); err != nil {
			t.Fatal(err)
		}
		port := freePort(t)
		pid := sh.start("web-"+helper, "--network="+helper, "-p", port+":80", "-v", site+":/var/www/html:ro",
			"programs", "nginx", "-g", "daemon off;")
		url := "http://" + net.JoinHostPort(ownAddress(t), port) + "/"
		var body string
		waitFor(t, func() bool {
			body = get(url)
			return body != ""
		})
		if body != "hello from "+helper {
			t.Errorf("%s: %q", helper, body)
		}
		log := sh.run("burrow", "unshare", "cat", fmt.Sprintf("/proc/%d/root/var/log/nginx/access.log", pid))
		if !strings.HasPrefix(log, ownAddress(t)+" ") {
			t.Errorf("%s: the log has another client: %s", helper, log)
		}
	}
}

func get(url string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return ""
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return string(b)
}

func freePort(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// ownAddress is the host's address that is not loopback.
func ownAddress(t *testing.T) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() != nil && !ip.IP.IsLoopback() {
			return ip.IP.String()
		}
	}
	t.Skip("this host has no address but loopback")
	return ""
}

// runDatabase makes a cluster on a volume as the image's postgres user, and
// finds the data again in further containers, also in one with other IDs.
func runDatabase(t *testing.T, sh *shell) {
	volume := "pg" + filepath.Base(sh.work)
	t.Cleanup(func() { sh.try("burrow", "volume", "rm", "-f", volume) })
	const start = `set -e; export PATH=$(echo /usr/lib/postgresql/*/bin):$PATH; cd /data
		run() { su postgres -c "PATH=$PATH $*"; }
		`
	const stop = `run "pg_ctl -D /data/db -m fast -w stop >/dev/null"`
	script := func(userns, s string) []string {
		return []string{"burrow", "run", "--rm", "--user=0", "--userns=" + userns, "-v", volume + ":/data", "programs", "sh", "-c", start + s + "\n" + stop}
	}
	out := sh.run(script("unique", `chown postgres /data; run "initdb -D /data/db >/dev/null"
		run "pg_ctl -D /data/db -w -l /tmp/log start >/dev/null" || { cat /tmp/log; exit 1; }
		run "psql -qAtc 'create table t as select generate_series(1,1000) as n'"
		run "psql -Atc 'select sum(n) from t'"; ps -o user= -C postgres | sort -u`)...)
	if out != "500500\npostgres\n" {
		t.Errorf("first container: %q", out)
	}
	for _, userns := range []string{"unique", "auto", "keep-id", "unique"} {
		out = sh.run(script(userns, `run "pg_ctl -D /data/db -w -l /tmp/log start >/dev/null" || { cat /tmp/log; exit 1; }
			run "psql -Atc 'select count(*) from t'"`)...)
		if out != "1000\n" {
			t.Errorf("then with --userns=%s: %q", userns, out)
		}
	}
}

// compileC builds a project of several files with make and runs it.
func compileC(t *testing.T, sh *shell) {
	dir := project(t, sh, "c", map[string]string{
		"Makefile": "CFLAGS = -O2 -Wall -pthread\nsum: main.o sum.o\n\t$(CC) $(CFLAGS) -o $@ $^\n",
		"main.c":   "#include <stdio.h>\nlong sum(long);\nint main(void) { printf(\"%ld\\n\", sum(1000)); return 0; }\n",
		"sum.c": "#include <pthread.h>\nstatic long r;\nstatic void *f(void *n) { for (long i = 1; i <= *(long *)n; i++) r += i; return 0; }\n" +
			"long sum(long n) { pthread_t t; pthread_create(&t, 0, f, &n); pthread_join(t, 0); return r; }\n",
	})
	out := sh.run("burrow", "run", "--rm", "-v", dir+":/src", "-w", "/src", "programs", "sh", "-c", "make -sj4 && ./sum")
	if out != "500500\n" {
		t.Errorf("%q", out)
	}
	if _, err := os.Stat(filepath.Join(dir, "sum")); err != nil {
		t.Error(err)
	}
}

// compileGo builds and tests a module with this machine's Go, cgo included.
func compileGo(t *testing.T, sh *shell) {
	root, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	goroot := strings.TrimSpace(string(root))
	if err != nil || goroot == "" {
		goroot = "/usr/local/go"
	}
	if _, err := os.ReadDir(filepath.Join(goroot, "src")); err != nil {
		t.Skipf("the user cannot read this machine's Go: %v", err)
	}
	dir := project(t, sh, "go", map[string]string{
		"go.mod":      "module example.org/sum\n\ngo 1.21\n",
		"main.go":     "package main\n\nimport (\n\t\"fmt\"\n\t\"os/user\"\n)\n\nfunc main() {\n\tu, err := user.Current()\n\tfmt.Println(Sum(1000), u.Username, err)\n}\n",
		"sum.go":      "package main\n\n// #include <stdlib.h>\nimport \"C\"\n\nfunc Sum(n int) (s int) {\n\tfor i := 1; i <= n; i++ {\n\t\ts += int(C.labs(C.long(-i)))\n\t}\n\treturn s\n}\n",
		"sum_test.go": "package main\n\nimport \"testing\"\n\nfunc TestSum(t *testing.T) {\n\tif Sum(3) != 6 {\n\t\tt.Fatal(Sum(3))\n\t}\n}\n",
	})
	out := sh.run("burrow", "run", "--rm", "-v", goroot+":/usr/local/go:ro", "-v", dir+":/src", "-w", "/src",
		"-e", "PATH=/usr/local/go/bin:/usr/bin:/bin", "-e", "GOFLAGS=-buildvcs=false", "-e", "GOTOOLCHAIN=local",
		"programs", "sh", "-c", "go test -vet=off . >&2 && go build -o sum . && ./sum")
	if out != "500500 root <nil>\n" {
		t.Errorf("%q", out)
	}
}

func project(t *testing.T, sh *shell, name string, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(sh.work, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for f, content := range files {
		if err := os.WriteFile(filepath.Join(dir, f), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// installPackage uses the mirror over the container's own network.
func installPackage(t *testing.T, sh *shell) {
	if _, err := testbed.Lacking("net"); err != nil {
		t.Skip(err)
	}
	mirror, err := testbed.Mirror()
	if err != nil {
		t.Skip(err)
	}
	if get(mirror+"/dists/bookworm/Release") == "" {
		t.Skipf("the mirror %s cannot be reached from the host", mirror)
	}
	out := sh.run("burrow", "run", "--rm", "--network=slirp4netns", "programs", "sh", "-c",
		"echo 'deb "+mirror+" bookworm main' >/etc/apt/sources.list; apt-get -q update >&2 && "+
			"DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends hello file >&2 && hello && file -b /bin/sh")
	if !strings.HasPrefix(out, "Hello, world!\n") {
		t.Errorf("%q", out)
	}
}

// pythonsOwnTests are those that lean on the kernel. Some want a signal to arrive
// within their time, which a busy machine does not promise: what fails is tried once more.
func pythonsOwnTests(t *testing.T, sh *shell) {
	r := sh.try("burrow", "run", "--rm", "programs", "python3", "-m", "test", "-j2", "-w",
		"test_tempfile", "test_shutil", "test_subprocess", "test_fcntl", "test_signal", "test_mmap", "test_select", "test_epoll", "test_pty", "test_resource", "test_grp", "test_pwd")
	if r.code != 0 {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.err)
	}
}

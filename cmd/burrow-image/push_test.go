package main

import (
	"archive/tar"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/directory"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/signature/sigstore"
	"go.podman.io/image/v5/types"
)

// sent VAR N: since it was asked last, N blobs have been sent to the registry
// that VAR names; * is any number.
func cmdSent(ts *testscript.TestScript, _ bool, args []string) {
	log := ts.MkAbs("registry-"+args[0]) + "/log"
	text, err := os.ReadFile(log)
	ts.Check(err)
	n := 0
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "http.request.method=PUT") && strings.Contains(line, "/blobs/uploads/") {
			n++
		}
	}
	seen, _ := strconv.Atoi(ts.Getenv("SENT_" + args[0]))
	ts.Setenv("SENT_"+args[0], strconv.Itoa(n))
	if args[1] != "*" && args[1] != strconv.Itoa(n-seen) {
		ts.Fatalf("%d blobs were sent, want %s", n-seen, args[1])
	}
}

// served VAR LEAST MOST: since it was asked last, the registry that VAR names has sent
// so many KiB of blobs.
func cmdServed(ts *testscript.TestScript, _ bool, args []string) {
	text, err := os.ReadFile(ts.MkAbs("registry-"+args[0]) + "/log")
	ts.Check(err)
	total := 0
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, "http.request.method=GET") || !strings.Contains(line, "/blobs/") {
			continue
		}
		if _, rest, ok := strings.Cut(line, "http.response.written="); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			ts.Check(err)
			total += n
		}
	}
	seen, _ := strconv.Atoi(ts.Getenv("SERVED_" + args[0]))
	ts.Setenv("SERVED_"+args[0], strconv.Itoa(total))
	least, err := strconv.Atoi(args[1])
	ts.Check(err)
	most, err := strconv.Atoi(args[2])
	ts.Check(err)
	if got := (total - seen) / 1024; got < least || got > most {
		ts.Fatalf("%d KiB were served, want %d to %d", got, least, most)
	}
}

// oddtar FILE: writes the tar of a root file system with busybox and files that
// are easily lost on the way.
func cmdOddTar(ts *testscript.TestScript, _ bool, args []string) {
	busybox, err := os.ReadFile("/bin/busybox")
	ts.Check(err)
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	w := tar.NewWriter(f)
	for _, h := range []tar.Header{
		{Name: "bin/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "bin/busybox", Mode: 0o755, Size: int64(len(busybox))},
		{Name: "bin/set", Mode: 0o6755, Uid: 7, Gid: 8},
		{Name: "bin/cap", Mode: 0o755, PAXRecords: map[string]string{
			// VFS_CAP_REVISION_2, effective: CAP_NET_RAW
			"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		}},
		{Name: "data/", Typeflag: tar.TypeDir, Mode: 0o1777, Uid: 1000, Gid: 1000},
		{Name: "data/one", Mode: 0o644, Size: 4, Uid: 1, Gid: 2},
		{Name: "data/two", Typeflag: tar.TypeLink, Linkname: "data/one", Mode: 0o644, Uid: 1, Gid: 2},
		{Name: "data/link", Typeflag: tar.TypeSymlink, Linkname: "/no/where", Uid: 3, Gid: 4},
		{Name: "data/gone", Mode: 0o644, Size: 4},
		{Name: "data/dir/", Typeflag: tar.TypeDir, Mode: 0o750, Gid: 65534},
		{Name: "data/dir/old", Mode: 0o600, Size: 4, Uid: 65534},
		{Name: "data/pipe", Typeflag: tar.TypeFifo, Mode: 0o600},
		{Name: "data/n\u00e4me with blank", Mode: 0o400, Size: 4},
	} {
		h.ModTime, h.Format = time.Unix(1e9, 0), tar.FormatPAX
		ts.Check(w.WriteHeader(&h))
		content := busybox
		if h.Size <= 4 {
			content = []byte("text")[:h.Size]
		}
		_, err = w.Write(content)
		ts.Check(err)
	}
	ts.Check(w.Close())
	ts.Check(f.Close())
}

// searchable VAR: starts a registry that can do nothing but search, and puts
// its address in VAR.
func cmdSearchable(ts *testscript.TestScript, _ bool, args []string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v2/":
		case "/v1/search":
			fmt.Fprint(w, `{"results":[
				{"name":"good","description":"What is it good for? Absolutely everything, somebody said.","star_count":7,"is_official":true},
				{"name":"bad","description":"two lines\n\u001b[31mred","is_automated":true}]}`)
		default:
			http.NotFound(w, r)
		}
	}))
	ts.Defer(server.Close)
	ts.Setenv(args[0], strings.TrimPrefix(server.URL, "http://"))
}

// sigstorekey NAME PASSPHRASE: makes NAME.key and NAME.pub, and NAME.json, a
// policy that wants everything to be signed with the key.
func cmdSigstoreKey(ts *testscript.TestScript, _ bool, args []string) {
	pair, err := sigstore.GenerateKeyPair([]byte(args[1]))
	ts.Check(err)
	name := ts.MkAbs(args[0])
	policy := `{"default":[{"type":"sigstoreSigned","keyPath":"` + name + `.pub","signedIdentity":{"type":"matchRepository"}}]}`
	for suffix, text := range map[string][]byte{".key": pair.PrivateKey, ".pub": pair.PublicKey, ".json": []byte(policy)} {
		ts.Check(os.WriteFile(name+suffix, text, 0o600))
	}
}

// accepted POLICY NAME: the image library lets the image at a registry pass.
func cmdAccepted(ts *testscript.TestScript, neg bool, args []string) {
	policy, err := signature.NewPolicyFromFile(ts.MkAbs(args[0]))
	ts.Check(err)
	pc, err := signature.NewPolicyContext(policy)
	ts.Check(err)
	named, err := reference.ParseNormalizedNamed(args[1])
	ts.Check(err)
	from, err := docker.NewReference(reference.TagNameOnly(named))
	ts.Check(err)
	to, err := directory.NewReference(ts.MkAbs("accepted"))
	ts.Check(err)
	sys := &types.SystemContext{
		RegistriesDirPath: ts.MkAbs("home/.config/containers/registries.d"), BlobInfoCacheDir: ts.MkAbs("cache"),
		DockerInsecureSkipTLSVerify: types.OptionalBoolTrue,
	}
	_, err = copy.Image(context.Background(), pc, to, from, &copy.Options{SourceCtx: sys, RemoveSignatures: true})
	ts.Logf("%v", err)
	rejected := err != nil && strings.Contains(err.Error(), "Source image rejected")
	if neg != rejected || !neg && err != nil {
		ts.Fatalf("not as expected")
	}
}

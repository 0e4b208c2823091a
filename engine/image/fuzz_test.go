package image

import (
	"encoding/json"
	"strings"
	"testing"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
)

// unambiguous fails for JSON in which two keys of one object are the same to
// readers that do not mind case, as Go's is, and different to others: such a
// document is two (CVE-2021-41190).
func unambiguous(t *testing.T, data []byte, free bool) {
	t.Helper()
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &object) == nil {
		seen := map[string]bool{}
		for key, value := range object {
			if folded := strings.ToLower(key); !free && seen[folded] {
				t.Errorf("%q is there twice, in other letters: %.200s", key, data)
			} else {
				seen[folded] = true
			}
			unambiguous(t, value, free || isDictionary(key))
		}
	}
	var list []json.RawMessage
	if json.Unmarshal(data, &list) == nil {
		for _, value := range list {
			unambiguous(t, value, free)
		}
	}
}

// FuzzIndex: whatever list a registry sends, it is refused or can be shown,
// written in both kinds and read again as the same.
func FuzzIndex(f *testing.F) {
	sum := "sha256:" + strings.Repeat("0", 64)
	for _, s := range []string{
		`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` + sum + `","size":1,"platform":{"os":"linux","architecture":"arm","variant":"v7"},"annotations":{"a":"b"}}]}`,
		`{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[{"digest":"` + sum + `","platform":{"features":["x"]}},{"digest":"` + sum + `"}]}`,
		`{"manifests":[{"digest":"sha256:../.."}]}`, `{"manifests":[null]}`, `{"manifests":{}}`, `{"subject":{"digest":""}}`, `null`, ``,
	} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, docker bool) {
		mime := imgspec.MediaTypeImageIndex
		if docker {
			mime = manifest.DockerV2ListMediaType
		}
		if checkManifest(data, mime) != nil {
			return
		}
		x, err := parseIndex(data, mime)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b\x00") || len(err.Error()) > 2000 {
				t.Errorf("not a clear line: %q", err)
			}
			return
		}
		if _, err := x.shown(); err != nil {
			t.Error(err)
		}
		_, _ = x.asDocker()
		big, err := x.bigData()
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseIndex(big[1].Data, imgspec.MediaTypeImageIndex)
		if err != nil || len(again.Index.Manifests) != len(x.Index.Manifests) {
			t.Errorf("read again: %v", err)
		}
		for _, m := range x.Index.Manifests {
			if strings.ContainsAny(m.Digest.Encoded(), "/.") {
				t.Errorf("digest %q", m.Digest)
			}
			x.remove(m.Digest)
		}
	})
}

func FuzzConfig(f *testing.F) {
	for _, s := range []string{
		`{"os":"linux","architecture":"amd64","config":{"Env":["A=b"],"Labels":{"a":"1","A":"2"},"Volumes":{"/x":{}}},"rootfs":{"type":"layers","diff_ids":["sha256:` + strings.Repeat("0", 64) + `"]}}`,
		`{"os":"linux","OS":"windows"}`,
		`{"os":"linux","config":{"User":"0","user":"1000"}}`,
		`{"config":{"Healthcheck":{"Test":["CMD"],"Interval":-1}}}`,
		`{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`,
		`{} {}`, `null`, ``, "{\"os\":\"\xff\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseConfig(data)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b\x00") || len(err.Error()) > 2000 {
				t.Errorf("not a clear line: %q", err)
			}
			return
		}
		unambiguous(t, data, false)
		c.planConfig(nil)
		for _, d := range c.RootFS.DiffIDs {
			if strings.ContainsAny(d.Encoded(), "/.") {
				t.Errorf("diff ID %q", d)
			}
		}
	})
}

func FuzzManifest(f *testing.F) {
	const plain = `"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json"`
	for _, s := range []string{
		`{` + plain + `,"config":{},"layers":[],"annotations":{"a":"1","A":"2"}}`,
		`{` + plain + `,"config":{},"layers":[],"manifests":[]}`,
		`{` + plain + `,"layers":[],"Manifests":[]}`,
		`{` + plain + `,"layers":[{"digest":"sha256:0","Digest":"sha256:1"}]}`,
		`{"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`,
	} {
		f.Add([]byte(s), "application/vnd.oci.image.manifest.v1+json")
	}
	f.Add([]byte(`{}`), "text/html; x")
	f.Fuzz(func(t *testing.T, data []byte, mime string) {
		if err := checkManifest(data, mime); err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b\x00") || len(err.Error()) > 2000 {
				t.Errorf("not a clear line: %q", err)
			}
			return
		}
		unambiguous(t, data, false)
		var m map[string]json.RawMessage
		if json.Unmarshal(data, &m) != nil {
			return
		}
		has := func(key string) bool {
			for k, v := range m {
				if strings.EqualFold(k, key) && string(v) != "null" {
					return true
				}
			}
			return false
		}
		if has("manifests") && (has("layers") || has("fsLayers") || has("config")) {
			t.Errorf("a list and an image: %.200s", data)
		}
	})
}

func FuzzPlace(f *testing.F) {
	for _, s := range []string{
		"docker://localhost:5000/a/b:c", "docker://a@sha256:" + strings.Repeat("0", 64), "dir:/tmp/x", "oci:a:b", "oci-archive:a:b", "docker-archive:a:b:c",
		"docker-archive:a:@1", "docker-daemon:a:b", "containers-storage:[overlay@/x]a", "containers-storage:@abc", "burrow-storage:@abc", "burrow-storage:", "sif:x", "box", ":", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePlace(text)
		if err != nil {
			return
		}
		if !HasTransport(text) {
			t.Errorf("%q is read as %s", text, p.transport)
		}
		if p.ImageReference == nil && p.stored == "" && p.other == "" {
			t.Errorf("%q is nowhere", text)
		}
		if p.name != nil && reference.IsNameOnly(p.name) {
			t.Errorf("%q has neither tag nor digest", text)
		}
	})
}

func FuzzSyncFile(f *testing.F) {
	for _, s := range []string{
		"a.example:\n  images:\n    b: [c]\n  images-by-tag-regex:\n    d: ^e\n  credentials: {username: f, password: g}\n  tls-verify: false\n  cert-dir: /h\n",
		"a: &a [*a]", "a: {images-by-semver: {b: c}}", "a: {tags: 1}", "null", "",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := parseSyncFile(data)
		if err != nil {
			return
		}
		for _, r := range out {
			if len(r.BySemver) > 0 {
				t.Error("what is not supported was accepted")
			}
		}
	})
}

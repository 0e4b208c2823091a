package image

import (
	"encoding/json"
	"strings"
	"testing"
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

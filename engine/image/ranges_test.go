package image

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/types"

	"github.com/burrow-run/burrow/engine/image/chunked"
)

// TestOddRegistries: whatever a registry makes of requests for parts, the image
// is right, and not much more is sent than it has.
func TestOddRegistries(t *testing.T) {
	ranged := func(q *http.Request) string { return q.Header.Get("Range") }
	many := func(q *http.Request) bool { return strings.Contains(ranged(q), ",") }
	status := func(code int) func(*sending) func(http.ResponseWriter, *http.Request) bool {
		return func(*sending) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, q *http.Request) bool {
				if ranged(q) != "" {
					w.WriteHeader(code)
				}
				return ranged(q) != ""
			}
		}
	}
	// after lets the requests pass by which the registry is tried out.
	after := func(n int64, fn func(w http.ResponseWriter, q *http.Request)) func(*sending) func(http.ResponseWriter, *http.Request) bool {
		return func(s *sending) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, q *http.Request) bool {
				if ranged(q) == "" || s.asked.Load() <= n {
					return false
				}
				fn(w, q)
				return true
			}
		}
	}
	partial := func(w http.ResponseWriter, length int, body string) {
		w.Header().Set("Content-Length", fmt.Sprint(length))
		w.WriteHeader(http.StatusPartialContent)
		_, _ = io.WriteString(w, body)
	}
	const probe, tables = 1, 2
	s, log := partsStore(t)
	sound(t, s, sendingRegistry(t, newOCIDir(t).chunkedLayer(release(t, "1"))), "1")
	for name, tt := range map[string]struct {
		answer func(*sending) func(http.ResponseWriter, *http.Request) bool
		said   string
		most   float64 // of the blob's size
	}{
		"one part at a time": {func(*sending) func(http.ResponseWriter, *http.Request) bool {
			return func(_ http.ResponseWriter, q *http.Request) bool {
				if many(q) {
					q.Header.Del("Range")
				}
				return false
			}
		}, saidParts, 1.2}, // once a whole is sent, until it is hung up on
		"several parts are refused": {func(*sending) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, q *http.Request) bool {
				if many(q) {
					w.WriteHeader(http.StatusBadRequest)
				}
				return many(q)
			}
		}, saidParts, 0.1},
		"no parts": {func(*sending) func(http.ResponseWriter, *http.Request) bool {
			return func(_ http.ResponseWriter, q *http.Request) bool {
				q.Header.Del("Range")
				return false
			}
		}, saidWhole, 3.1}, // likewise, twice
		"400": {status(400), saidWhole, 1.1},
		"416": {status(416), saidWhole, 1.1},
		"500": {status(500), saidWhole, 1.1},
		"reset": {func(*sending) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, q *http.Request) bool {
				return ranged(q) != "" && reset(w)
			}
		}, saidWhole, 1.1},
		"tables are cut":     {after(probe, func(w http.ResponseWriter, _ *http.Request) { partial(w, 100, "short") }), saidWhole, 1.1},
		"tables are others":  {after(probe, func(w http.ResponseWriter, _ *http.Request) { partial(w, 1<<20, noise(7, 1<<20)) }), saidWhole, 1.6},
		"no answer any more": {after(tables, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }), saidAgain, 1.1},
		"parts are cut":      {after(tables, func(w http.ResponseWriter, _ *http.Request) { partial(w, 30<<10, "short") }), saidAgain, 1.1},
		"parts are others":   {after(tables, func(w http.ResponseWriter, _ *http.Request) { partial(w, 40<<10, noise(7, 40<<10)) }), saidAgain, 1.2},
		"parts are reset":    {after(tables, func(w http.ResponseWriter, _ *http.Request) { reset(w) }), saidAgain, 1.1},
		"whole in the middle": {func(s *sending) func(http.ResponseWriter, *http.Request) bool {
			return func(_ http.ResponseWriter, q *http.Request) bool {
				if s.asked.Load() > tables {
					q.Header.Del("Range") // which the library makes parts of
				}
				return false
			}
		}, saidParts, 1.1},
	} {
		t.Run(name, func(t *testing.T) {
			log.since()
			l := newOCIDir(t).chunkedLayer(release(t, "2"))
			r := sendingRegistry(t, l)
			r.answer = tt.answer(r)
			sound(t, s, r, "2")
			n := float64(r.bytes.Load()) / float64(l.layers[0].Size)
			if !log.said(tt.said) || n > tt.most {
				t.Errorf("%.2f of the blob sent; %s", n, log.b.String())
			}
			if asked := r.asked.Load(); name == "no parts" && asked != 3 {
				t.Errorf("%d times was asked, though nothing but wholes came", asked)
			}
			if tt.said == saidParts && log.said(saidAgain) {
				t.Error(log.b.String())
			}
			if _, err := s.Remove(t.Context(), r.image(), RemoveOptions{}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestLibrarySendsParts fails if the image library has changed what is called by
// reflection.
func TestLibrarySendsParts(t *testing.T) {
	r := newRegistry(t, newOCIDir(t).layer(tarOf(t, ent{name: "f"})))
	ref, err := docker.ParseReference("//" + r.image())
	if err != nil {
		t.Fatal(err)
	}
	src, err := ref.NewImageSource(t.Context(), &types.SystemContext{DockerInsecureSkipTLSVerify: types.OptionalBoolTrue})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	got := newRanger(src)
	if got == nil {
		t.Fatal("it has no GetBlobAt any more, or another")
	}
	info := types.BlobInfo{Digest: r.manifest, Size: -1}
	raw, err := os.ReadFile(filepath.Join(r.dir, "blobs/sha256", r.manifest.Encoded()))
	if err != nil {
		t.Fatal(err)
	}
	text, wrapped, err := got.sample(t.Context(), info, []chunked.Range{{From: 3, To: 9}})
	if err != nil || wrapped || text != string(raw[3:9]) {
		t.Error(text, wrapped, err)
	}
	r.hook = func(_ http.ResponseWriter, q *http.Request) bool { q.Header.Del("Range"); return false }
	text, wrapped, err = got.sample(t.Context(), info, []chunked.Range{{From: 3, To: 9}})
	if err != nil || !wrapped || text != string(raw[3:9]) {
		t.Error("a whole blob cannot be told from a part:", text, wrapped, err)
	}
	for _, other := range []types.ImageSource{nil, odd{}, oddMethod{}, oddPart{}} {
		if newRanger(other) != nil {
			t.Errorf("%T passes", other)
		}
	}
}

type odd struct{ types.ImageSource }

func (odd) SupportsGetBlobAt() bool { return true }

type oddMethod struct{ odd }

func (oddMethod) GetBlobAt(context.Context, types.BlobInfo, []string) (io.ReadCloser, error) {
	return nil, nil //nolint:nilnil // never called
}

type oddPart struct{ odd }

func (oddPart) GetBlobAt(context.Context, types.BlobInfo, []struct{ Begin, End uint64 }) (chan io.ReadCloser, chan error, error) {
	return nil, nil, nil
}

package image

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestListsFromStrangers: what a registry calls a list is checked before it
// goes into one.
func TestListsFromStrangers(t *testing.T) {
	l := newOCIDir(t).layer(tarOf(t, ent{name: "f"}))
	l.write()
	good := l.manifestDigest.String()
	entry := func(mime, d string) string {
		return fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":1,"platform":{"os":"linux","architecture":"amd64"}}]}`,
			imgspec.MediaTypeImageIndex, mime, d)
	}
	for name, list := range map[string]string{
		"list in a list": entry(imgspec.MediaTypeImageIndex, good),
		"no digest":      entry(imgspec.MediaTypeImageManifest, "sha256:../../etc"),
		"other digest":   entry(imgspec.MediaTypeImageManifest, digest.SHA512.FromString("x").String()),
		"two things":     `{"schemaVersion":2,"manifests":[],"layers":[]}`,
		"twice":          `{"schemaVersion":2,"manifests":[],"Manifests":[]}`,
		"cut off":        entry(imgspec.MediaTypeImageManifest, good)[:80],
		"huge":           strings.Replace(entry(imgspec.MediaTypeImageManifest, good), "{", `{"annotations":{"a":"`+strings.Repeat("x", maxManifest)+`"},`, 1),
		"not there":      entry(imgspec.MediaTypeImageManifest, digest.FromString("x").String()),
		"other size":     entry(imgspec.MediaTypeImageManifest, good),
		"other type":     strings.Replace(entry("application/x", good), `"size":1`, fmt.Sprintf(`"size":%d`, len(l.manifestRaw)), 1),
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, Options{})
			r := newRegistry(t, nil)
			r.dir = l.dir
			r.hook = func(w http.ResponseWriter, q *http.Request) bool {
				if !strings.HasSuffix(q.URL.Path, "/manifests/latest") {
					return false
				}
				w.Header().Set("Content-Type", imgspec.MediaTypeImageIndex)
				_, _ = w.Write([]byte(list))
				return true
			}
			skip := true
			_, err := s.CreateIndex(t.Context(), "list", []string{"docker://" + r.image()}, CreateOptions{AddOptions: AddOptions{All: true, Remote: Remote{SkipVerify: &skip}}})
			if err == nil || strings.Contains(err.Error(), "\n") {
				t.Error(err)
			}
			t.Log(err)
			empty(t, s)
		})
	}
}

// TestListsTakeWhatWasJudged: the manifest that goes into a list is the one that
// policy.json was asked about, even if a registry sends another each time.
func TestListsTakeWhatWasJudged(t *testing.T) {
	s := openStore(t, Options{})
	l := newOCIDir(t).layer(tarOf(t, ent{name: "f"}))
	r := newRegistry(t, l)
	var asked atomic.Int64
	r.hook = func(w http.ResponseWriter, q *http.Request) bool {
		if !strings.HasSuffix(q.URL.Path, "/manifests/latest") {
			return false
		}
		w.Header().Set("Content-Type", imgspec.MediaTypeImageManifest)
		_, _ = w.Write(append([]byte(strings.Repeat(" ", int(asked.Add(1)))), l.manifestRaw...))
		return true
	}
	skip := true
	_, err := s.CreateIndex(t.Context(), "list", []string{"docker://" + r.image()}, CreateOptions{AddOptions: AddOptions{Remote: Remote{SkipVerify: &skip}}})
	if err != nil || asked.Load() != 1 {
		t.Error(asked.Load(), err)
	}
}

// TestCredentialsStayWithTheDestination: those given for where a list is pushed
// to are not told to where its images are.
func TestCredentialsStayWithTheDestination(t *testing.T) {
	s := openStore(t, Options{})
	source := newRegistry(t, newOCIDir(t).layer(tarOf(t, ent{name: "f"})))
	skip := true
	remote := Remote{SkipVerify: &skip}
	if _, err := s.CreateIndex(t.Context(), "list", []string{"docker://" + source.image()}, CreateOptions{AddOptions: AddOptions{Remote: remote}}); err != nil {
		t.Fatal(err)
	}
	var asked, told atomic.Int64
	source.hook = func(w http.ResponseWriter, q *http.Request) bool {
		asked.Add(1)
		if user, password, _ := q.BasicAuth(); user+password != "" {
			told.Add(1)
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	destination := newRegistry(t, nil)
	remote.Creds = &Credentials{"user", "secret"}
	if _, err := s.PushIndex(t.Context(), "list", destination.image(), PushOptions{Remote: remote}); err == nil {
		t.Error("the source was not asked")
	}
	if asked.Load() == 0 || told.Load() > 0 {
		t.Errorf("asked %d times, told the credentials %d times", asked.Load(), told.Load())
	}
}

// TestListsAreWrittenWhole: however far changing a list got, what it says and
// where its images are belong together.
func TestListsAreWrittenWhole(t *testing.T) {
	s := openStore(t, Options{})
	a := load(t, s, newOCIDir(t).layer(tarOf(t, ent{name: "a"})))
	b := load(t, s, newOCIDir(t).layer(tarOf(t, ent{name: "b"})))
	id, err := s.CreateIndex(t.Context(), "list", []string{a}, CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before, err := s.index("list")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddToIndex(t.Context(), "list", []string{b}, AddOptions{}); err != nil {
		t.Fatal(err)
	}
	// Killed after the first write of a change back.
	big, err := before.bigData()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.store.SetImageBigData(id, big[0].Key, big[0].Data, nil); err != nil {
		t.Fatal(err)
	}
	x, err := s.index("list")
	if err != nil || len(x.Index.Manifests) != 1 || len(x.From) != 1 {
		t.Fatal(x, err)
	}
	if _, err := s.Repair(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := s.AddToIndex(t.Context(), "list", []string{b}, AddOptions{}); err != nil {
		t.Error(err)
	}
	if got, err := s.List(); err != nil || len(got) != 3 {
		t.Error(got, err)
	}
}

// TestListsAtOnce: what is added to a list at the same time is all there after.
func TestListsAtOnce(t *testing.T) {
	s := openStore(t, Options{})
	if _, err := s.CreateIndex(t.Context(), "list", nil, CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, name := range []string{"a", "b", "c", "d"} {
		ids = append(ids, load(t, s, newOCIDir(t).layer(tarOf(t, ent{name: name}))))
	}
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() {
			if _, err := s.AddToIndex(t.Context(), "list", []string{id}, AddOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	x, err := s.index("list")
	if err != nil || len(x.Index.Manifests) != len(ids) {
		t.Error(x, err)
	}
}

package image

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestEndlessAnswers: lists that a registry does not let end are given up before they fill
// the memory. The control is a list of the same kind that ends.
func TestEndlessAnswers(t *testing.T) {
	page := `{"name":"test","tags":["` + strings.Repeat(strings.Repeat("a", 100)+`","`, 10_000) + `a"]}`
	write := func(w http.ResponseWriter, begin, more string) {
		_, err := w.Write([]byte(begin))
		for block := strings.Repeat(more, 1000); err == nil; {
			_, err = w.Write([]byte(block))
		}
	}
	isTags := func(q *http.Request) bool { return strings.HasSuffix(q.URL.Path, "/tags/list") }
	for name, hook := range map[string]func(w http.ResponseWriter, q *http.Request) bool{
		"list": func(w http.ResponseWriter, q *http.Request) bool {
			if isTags(q) {
				write(w, `{"tags":["a"`, `,"`+strings.Repeat("a", 100)+`"`)
			}
			return isTags(q)
		},
		"tag": func(w http.ResponseWriter, q *http.Request) bool {
			if isTags(q) {
				write(w, `{"tags":["a`, "aaaaaaaaaa")
			}
			return isTags(q)
		},
		"pages": func(w http.ResponseWriter, q *http.Request) bool {
			if isTags(q) {
				w.Header().Set("Link", fmt.Sprintf("<%s?last=x>; rel=next", q.URL.Path))
				_, _ = w.Write([]byte(page))
			}
			return isTags(q)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, Options{Stall: 30 * time.Second})
			r := newRegistry(t, newOCIDir(t).layer(tarOf(t, ent{name: "f"})))
			r.hook = hook
			if _, _, err := s.RemoteTags(t.Context(), r.host()+"/test", insecure().Remote); err == nil || !strings.Contains(err.Error(), errEndless.Error()) {
				t.Errorf("tags: %v", err)
			}
			_, err := s.InspectRemote(t.Context(), "docker://"+r.image(), LookOptions{Remote: insecure().Remote})
			if err == nil || !strings.Contains(err.Error(), errEndless.Error()) {
				t.Errorf("inspect: %v", err)
			}
		})
	}
	t.Run("search", func(t *testing.T) {
		s := openStore(t, Options{Stall: 30 * time.Second})
		r := newRegistry(t, nil)
		r.hook = func(w http.ResponseWriter, q *http.Request) bool {
			if strings.HasSuffix(q.URL.Path, "/_catalog") {
				write(w, `{"repositories":["a"`, `,"`+strings.Repeat("a", 100)+`"`)
			}
			return strings.HasSuffix(q.URL.Path, "/_catalog")
		}
		if _, err := s.Search(t.Context(), r.host()+"/x", 10, insecure().Remote); err == nil || !strings.Contains(err.Error(), errEndless.Error()) {
			t.Errorf("%v", err)
		}
	})
	t.Run("control", func(t *testing.T) {
		s := openStore(t, Options{Stall: 30 * time.Second})
		r := newRegistry(t, nil)
		r.hook = func(w http.ResponseWriter, q *http.Request) bool {
			if isTags(q) {
				_, _ = w.Write([]byte(page))
			}
			return isTags(q)
		}
		if _, tags, err := s.RemoteTags(t.Context(), r.host()+"/test", insecure().Remote); err != nil || len(tags) != 10_001 {
			t.Errorf("%d tags, %v", len(tags), err)
		}
	})
}

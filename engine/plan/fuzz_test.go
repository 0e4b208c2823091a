package plan

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzDecode: a plan that is taken names no layer but by its path, no entry
// beyond the layers, and is the plan that was asked for.
func FuzzDecode(f *testing.F) {
	id := strings.Repeat("a", 64)
	plan := fmt.Sprintf(`{"version":%d,"id":%q`, Version, id)
	f.Add([]byte(plan + `,"layers":["/x"],"shift":[{"layer":0,"path":"/etc/shadow","hard":"/x"}]}`))
	f.Add([]byte(plan + `,"layers":["x"]}`))
	f.Add([]byte(plan + `,"shift":[{"layer":-1,"path":"/../x"}]}`))
	f.Add([]byte(`{"version":18446744073709551615}`))
	root := `,"additional":{"root":"/s","images":{},"layers":[{}]},"layers":[`
	f.Add([]byte(plan + root + `"/s/overlay/` + id + `/diff"]}`))
	f.Add([]byte(plan + root + `"/s/overlay/../../` + id + `/diff"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := decode(id, data)
		if err != nil {
			return
		}
		if p.ID != id {
			t.Errorf("the plan of %q", p.ID)
		}
		for _, l := range p.Layers {
			if !filepath.IsAbs(l) {
				t.Errorf("layer %q", l)
			}
			if a := p.Additional; a != nil && (filepath.Clean(l) != l || !strings.HasPrefix(l, strings.TrimSuffix(a.Root, "/")+"/overlay/")) {
				t.Errorf("layer %q of %q", l, a.Root)
			}
		}
		for _, e := range p.Shift {
			out := func(path string) bool { return !filepath.IsAbs(path) || strings.Contains(path+"/", "/../") }
			if e.Layer < 0 || e.Layer >= len(p.Layers) || out(e.Path) || e.Hard != "" && out(e.Hard) {
				t.Errorf("entry %+v", e)
			}
		}
	})
}

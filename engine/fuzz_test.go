package engine

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// FuzzAccounts: account files of an image, read for a user it has, or has not.
func FuzzAccounts(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/var/www:/bin/sh\n", "www:x:33:web\nmore:x:44:web,root\n", "web", "more")
	f.Add("a:x:4294967295:-1::/:\n", "g:x:99999999999:a\n", "a:g", "g")
	f.Add(strings.Repeat(":", 70)+"\n\x00\xff\n", "\r\n", "4294967295", "-1")
	f.Add("x:x:0:0::relative/../home\x1b:/sh", "", "x", "")
	f.Fuzz(func(t *testing.T, passwd, group, user, extra string) {
		root := t.TempDir()
		must(t, os.Mkdir(filepath.Join(root, "etc"), 0o755))
		must(t, os.WriteFile(filepath.Join(root, "etc/passwd"), []byte(passwd), 0o644))
		must(t, os.WriteFile(filepath.Join(root, "etc/group"), []byte(group), 0o644))
		var more []string
		if extra != "" {
			more = []string{extra}
		}
		id, err := lookupIdentity(root, user, more)
		if err != nil {
			return
		}
		if !slices.Contains(id.groups, id.gid) || len(id.groups) > maxGroups || id.home == "" {
			t.Errorf("%+v", id)
		}
		if id.uid == 1<<32-1 || id.gid == 1<<32-1 {
			t.Errorf("-1 as an ID, which means no change to the kernel: %+v", id)
		}
	})
}

// FuzzRecord: a record that was damaged is said to be, and never that of another
// container.
func FuzzRecord(f *testing.F) {
	id := strings.Repeat("a", 64)
	f.Add([]byte(`{"id":"`+id+`","name":"x","pid":1}`), []byte(`{}`))
	f.Add([]byte(`{"id":"`+id+`","version":99}`), []byte(`{}`))
	f.Add([]byte(`{"id":"../../x"}`), []byte(`null`))
	f.Add([]byte(`[`), []byte{0xff})
	f.Fuzz(func(t *testing.T, record, more []byte) {
		dir := filepath.Join(t.TempDir(), id)
		must(t, os.Mkdir(dir, 0o755))
		must(t, os.WriteFile(filepath.Join(dir, recordFile), record, 0o644))
		must(t, os.WriteFile(filepath.Join(dir, detailsFile), more, 0o644))
		rec, err := LoadRecord(dir)
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("not said to be damaged: %v", err)
		}
		if rec.ID != id {
			t.Errorf("it is the record of %q", rec.ID)
		}
		if err == nil {
			_ = rec.Running()
			_ = rec.refreshed()
		}
	})
}

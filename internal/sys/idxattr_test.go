package sys

import (
	"bytes"
	"testing"
)

// The forms are those of linux/capability.h and linux/posix_acl_xattr.h.
func TestRenumber(t *testing.T) {
	r := Renumber{UID: func(id uint32) uint32 { return id + 1000 }, GID: func(id uint32) uint32 { return id + 2000 }}
	caps3 := func(root byte) []byte {
		return []byte{1, 0, 0, 3, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, root, 0x10, 0, 0}
	}
	acl := func(id ...byte) []byte {
		return append([]byte{2, 0, 0, 0}, id...)
	}
	for name, c := range map[string]struct {
		attr     string
		in, want []byte
	}{
		"capabilities of a namespace": {attrCaps, caps3(0x18), append(caps3(0)[:20], 0x00, 0x14, 0, 0)},
		"capabilities of all":         {attrCaps, []byte{1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, nil},
		"cut off":                     {attrCaps, caps3(1)[:23], nil},
		"named user and group": {
			attrACL,
			acl(1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 6, 0, 5, 0, 0, 0, 8, 0, 4, 0, 7, 0, 0, 0),
			acl(1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 6, 0, 0xed, 3, 0, 0, 8, 0, 4, 0, 0xd7, 7, 0, 0),
		},
		"owner and mask only": {attrDefaultACL, acl(1, 0, 6, 0, 255, 255, 255, 255, 0x10, 0, 4, 0, 255, 255, 255, 255), nil},
		"another version":     {attrACL, []byte{1, 0, 0, 0, 2, 0, 6, 0, 5, 0, 0, 0}, nil},
		"half an entry":       {attrACL, acl(2, 0, 6, 0, 5, 0), nil},
		"something else":      {"user.x", acl(2, 0, 6, 0, 5, 0, 0, 0), nil},
		"nothing":             {attrACL, nil, nil},
	} {
		got, changed := r.apply(c.attr, bytes.Clone(c.in))
		want := c.want
		if want == nil {
			want = c.in
		}
		if !bytes.Equal(got, want) || changed != (c.want != nil) {
			t.Errorf("%s: % x %v, want % x", name, got, changed, want)
		}
		if got, changed := (Renumber{}).apply(c.attr, bytes.Clone(c.in)); changed || !bytes.Equal(got, c.in) {
			t.Errorf("%s, without numbers: % x", name, got)
		}
	}
}

package plan

import "testing"

func TestChoose(t *testing.T) {
	p := &Plan{Instances: []Instance{
		{OS: "linux", Arch: "arm", Variant: "v6", ID: "armv6"},
		{OS: "linux", Arch: "arm", Variant: "v7", ID: "armv7"},
		{OS: "linux", Arch: "arm64", Variant: "v8", ID: "arm64"},
		{OS: "linux", Arch: "amd64", Variant: "v3", ID: "amd64v3"},
		{OS: "linux", Arch: "amd64", ID: "amd64"},
		{OS: "windows", Arch: "amd64", ID: "windows"},
		{OS: "linux", Arch: "mips", Variant: "x", ID: "mips"},
	}}
	for _, tt := range []struct{ os, arch, variant, want string }{
		{"linux", "amd64", "", "amd64"},
		{"linux", "amd64", "v1", "amd64"},
		{"linux", "amd64", "v3", "amd64v3"},
		{"linux", "amd64", "v2", ""},
		{"linux", "arm", "", "armv7"},
		{"linux", "arm", "v6", "armv6"},
		{"linux", "arm", "v5", ""},
		{"linux", "arm64", "", "arm64"},
		{"linux", "arm64", "v8", "arm64"},
		{"windows", "amd64", "", "windows"},
		{"linux", "mips", "", "mips"},
		{"linux", "riscv64", "", ""},
		{"", "amd64", "", ""},
	} {
		got := ""
		if in := p.Choose(tt.os, tt.arch, tt.variant); in != nil {
			got = in.ID
		}
		if got != tt.want {
			t.Errorf("%s/%s/%s: %q, want %q", tt.os, tt.arch, tt.variant, got, tt.want)
		}
	}
}

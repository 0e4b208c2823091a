// Command sbom writes what executables are made of, as CycloneDX 1.5 JSON:
//
//	go run ./hack/sbom bin/burrow bin/burrow-image >burrow.cdx.json
//
// The Go modules are those that the linker has written into each executable
// (debug/buildinfo), so the list is of what is in there and not of what go.mod would
// allow; the C libraries are those of this machine, which `make build` links
// statically: run it where the executables were built. The same executables give the
// same bytes: no time, no serial number.
//
// It does not look for vulnerabilities: make vuln does.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b, err := describe(os.Args[1:], libraries(ctx))
	if err == nil {
		_, err = os.Stdout.Write(b)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has been called
	}
}

// describe reads the executables. Each depends on its modules, and on libs.
func describe(paths []string, libs []component) ([]byte, error) {
	if len(paths) == 0 {
		return nil, errors.New("usage: sbom EXECUTABLE [...]")
	}
	doc := document{Format: "CycloneDX", Spec: "1.5", Version: 1}
	all := map[string]component{}
	for _, path := range paths {
		exe, parts, err := read(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		parts = append(parts, libs...)
		needs := dependency{Ref: exe.Ref}
		for _, p := range parts {
			all[p.Ref] = p
			needs.On = append(needs.On, p.Ref)
		}
		slices.Sort(needs.On)
		all[exe.Ref] = exe
		doc.Dependencies = append(doc.Dependencies, needs)
	}
	for _, c := range all {
		doc.Components = append(doc.Components, c)
	}
	slices.SortFunc(doc.Components, func(a, b component) int { return strings.Compare(a.Ref, b.Ref) })
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(doc)
	return out.Bytes(), err
}

// read returns an executable and the modules in it, the standard library among them.
func read(path string) (exe component, parts []component, err error) {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return exe, nil, err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return exe, nil, err
	}
	sum := sha256.Sum256(content)
	name := filepath.Base(path)
	exe = component{
		Type: "application", Ref: "pkg:generic/" + name + "?checksum=sha256:" + hex.EncodeToString(sum[:]), Name: name,
		Hashes: []hash{{"SHA-256", hex.EncodeToString(sum[:])}},
	}
	for _, s := range info.Settings { // what decides what the compiler makes of the sources
		if strings.HasPrefix(s.Key, "-") || s.Key == "CGO_ENABLED" || s.Key == "GOARCH" || s.Key == "GOAMD64" {
			exe.Properties = append(exe.Properties, property{"go:" + s.Key, s.Value})
		}
	}
	parts = []component{library("stdlib", strings.TrimPrefix(info.GoVersion, "go"), "pkg:golang/stdlib@"+strings.TrimPrefix(info.GoVersion, "go"))}
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		c := library(d.Path, d.Version, "pkg:golang/"+d.Path+"@"+d.Version)
		if d.Sum != "" { // not one of CycloneDX's hashes: go.sum's
			c.Properties = []property{{"go:sum", d.Sum}}
		}
		parts = append(parts, c)
	}
	return exe, parts, nil
}

// libraries are the C libraries that are linked in, as far as this machine says
// which versions it has.
func libraries(ctx context.Context) (out []component) {
	for _, l := range []struct {
		name string
		ask  []string
	}{
		{"libseccomp", []string{"pkg-config", "--modversion", "libseccomp"}},
		{"glibc", []string{"getconf", "GNU_LIBC_VERSION"}},
	} {
		said, err := exec.CommandContext(ctx, l.ask[0], l.ask[1:]...).Output() //nolint:gosec // the two above
		if f := strings.Fields(string(said)); err == nil && len(f) > 0 {
			v := f[len(f)-1]
			out = append(out, library(l.name, v, "pkg:generic/"+l.name+"@"+v))
		}
	}
	return out
}

func library(name, version, purl string) component {
	return component{Type: "library", Ref: purl, Name: name, Version: version, PURL: purl}
}

// The parts of CycloneDX 1.5 that are used (https://cyclonedx.org/docs/1.5/json/).
type document struct {
	Format       string       `json:"bomFormat"`
	Spec         string       `json:"specVersion"`
	Version      int          `json:"version"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"` //nolint:tagliatelle // CycloneDX's
	Name       string     `json:"name"`
	Version    string     `json:"version,omitempty"`
	PURL       string     `json:"purl,omitempty"`
	Hashes     []hash     `json:"hashes,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Alg     string `json:"alg"`
	Content string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref string   `json:"ref"`
	On  []string `json:"dependsOn"`
}

package image

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"go.podman.io/image/v5/signature"
	"go.podman.io/storage/pkg/configfile"
	"go.yaml.in/yaml/v3"
)

// TrustEntry is one line of a policy, in Podman's spelling.
type TrustEntry struct {
	Transport      string `json:"transport"`
	Name           string `json:"name,omitempty"`
	RepoName       string `json:"repo_name,omitempty"`
	SignatureStore string `json:"sigstore,omitempty"`
	Type           string `json:"type"`
	GPGID          string `json:"gpg_id,omitempty"`
}

// policyText is policy.json with what this package does not change left as it is.
type policyText struct {
	Default    json.RawMessage                       `json:"default"`
	Transports map[string]map[string]json.RawMessage `json:"transports,omitempty"`
}

// requirement is one of those that an entry of a policy consists of.
type requirement struct {
	Type     string   `json:"type"`
	KeyType  string   `json:"keyType,omitempty"`
	KeyPath  string   `json:"keyPath,omitempty"`
	KeyPaths []string `json:"keyPaths,omitempty"`
	KeyData  []byte   `json:"keyData,omitempty"`
}

func policyFile() *configfile.File {
	return &configfile.File{
		Name: "policy", Extension: "json", DoNotLoadDropInFiles: true,
		EnvironmentName: "CONTAINERS_POLICY_JSON", ErrorIfNotFound: true,
	}
}

// acceptAll is what holds where there is no policy.
const acceptAll = `{"default":[{"type":"insecureAcceptAnything"}]}`

// PolicyText returns the policy in force, as it is written: that of file, or if
// that is "" the user's or the system's.
func (s *Store) PolicyText(file string) ([]byte, error) { return policyIn(file) }

// Trusted describes the policy in force, or that of file: all, or what concerns
// one registry or repository.
func (s *Store) Trusted(file, scope string) ([]TrustEntry, error) {
	b, err := s.PolicyText(file)
	if err != nil {
		return nil, err
	}
	p, err := parsePolicy(b)
	if err != nil {
		return nil, err
	}
	stores, err := s.signatureStores()
	if err != nil {
		return nil, err
	}
	out, err := entries(p.Default, TrustEntry{Transport: "all", Name: "* (default)", RepoName: "default", SignatureStore: stores[""]})
	if err != nil {
		return nil, err
	}
	for _, transport := range slices.Sorted(maps.Keys(p.Transports)) {
		shown := transport
		if transport == "docker" {
			shown = "repository"
		}
		for _, name := range slices.Sorted(maps.Keys(p.Transports[transport])) {
			e := TrustEntry{Transport: shown, Name: name, RepoName: name, SignatureStore: cmp.Or(stores[name], stores[""])}
			more, err := entries(p.Transports[transport][name], e)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
	}
	if scope != "" {
		out = slices.DeleteFunc(out, func(e TrustEntry) bool { return e.RepoName != scope })
		if len(out) == 0 {
			return nil, fmt.Errorf("%w: the policy has no entry for %q, so the default holds", ErrNotFound, scope)
		}
	}
	return out, nil
}

// parsePolicy also makes sure that the image library understands the policy.
func parsePolicy(b []byte) (*policyText, error) {
	if _, err := signature.NewPolicyFromBytes(b); err != nil {
		return nil, fmt.Errorf("read signature policy: %w", err)
	}
	var p policyText
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, fmt.Errorf("read signature policy: %w", err)
	}
	return &p, nil
}

func entries(raw json.RawMessage, e TrustEntry) ([]TrustEntry, error) {
	var reqs []requirement
	if err := json.Unmarshal(raw, &reqs); err != nil {
		return nil, fmt.Errorf("read signature policy: %w", err)
	}
	out := make([]TrustEntry, 0, len(reqs))
	for _, r := range reqs {
		e.Type, e.GPGID = r.Type, ""
		switch r.Type {
		case "insecureAcceptAnything":
			e.Type = "accept"
		case "signedBy":
			e.Type = "signed"
			var owners []string
			for _, path := range append(r.KeyPaths, r.KeyPath) {
				if path != "" {
					b, _ := os.ReadFile(path) // a key that cannot be read has no owner
					owners = append(owners, keyOwners(b)...)
				}
			}
			e.GPGID = strings.Join(append(owners, keyOwners(r.KeyData)...), ", ")
		case "sigstoreSigned":
			e.GPGID = "N/A" // a key, but none of GnuPG's
		}
		out = append(out, e)
	}
	return out, nil
}

// keyOwners are the addresses of the owners of public keys, as far as they can be
// read.
func keyOwners(b []byte) []string {
	keys, err := readKeys(b)
	if err != nil {
		return nil
	}
	var out []string
	for _, k := range keys {
		for _, name := range slices.Sorted(maps.Keys(k.Identities)) {
			out = append(out, cmp.Or(k.Identities[name].UserId.Email, name))
		}
	}
	return out
}

func readKeys(b []byte) (openpgp.EntityList, error) {
	keys, err := openpgp.ReadKeyRing(bytes.NewReader(b))
	if err != nil {
		keys, err = openpgp.ReadArmoredKeyRing(bytes.NewReader(b))
	}
	if err == nil && len(keys) == 0 {
		err = errors.New("it holds no key")
	}
	return keys, err
}

// signatureStores says where registries.d has signatures read from, by
// registry or repository; "" is the default.
func (s *Store) signatureStores() (map[string]string, error) {
	type place struct {
		Lookaside string `yaml:"lookaside"`
		SigStore  string `yaml:"sigstore"`
	}
	out := map[string]string{}
	for item, err := range configfile.Read(&configfile.File{
		Name: "registries", Extension: "yaml", DoNotLoadMainFiles: true, DoNotUseExtensionForConfigName: true, UserId: s.opts.UID,
	}) {
		if err != nil {
			return nil, fmt.Errorf("read registries.d: %w", err)
		}
		var conf struct {
			Default place            `yaml:"default-docker"`
			Docker  map[string]place `yaml:"docker"`
		}
		if err := yaml.NewDecoder(item.Reader).Decode(&conf); err != nil {
			return nil, fmt.Errorf("read %s: %w", item.Name, err)
		}
		if url := cmp.Or(conf.Default.Lookaside, conf.Default.SigStore); url != "" {
			out[""] = url
		}
		for name, p := range conf.Docker {
			out[name] = cmp.Or(p.Lookaside, p.SigStore)
		}
	}
	return out, nil
}

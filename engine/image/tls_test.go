package image

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/burrow-run/burrow/internal/hint"
)

// certificate makes a server certificate for names and the PEM of its issuer.
func certificate(t testing.TB, notAfter time.Time, names ...string) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: notAfter,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestTLS(t *testing.T) {
	soon := time.Now().Add(time.Hour)
	for name, tt := range map[string]struct {
		until time.Time
		names []string
		trust bool
		ok    bool
	}{
		"trusted":    {soon, []string{"127.0.0.1"}, true, true},
		"unknown":    {soon, []string{"127.0.0.1"}, false, false},
		"wrong name": {soon, []string{"example.org"}, true, false},
		"expired":    {time.Now().Add(-time.Hour), []string{"127.0.0.1"}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			cert, ca := certificate(t, tt.until, tt.names...)
			r := unstarted(t, newOCIDir(t).layer(tarOf(t, ent{name: "f"})))
			r.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
			r.Config.ErrorLog = quietLog()
			r.StartTLS()
			o := PullOptions{Remote: Remote{CertDir: t.TempDir()}}
			if tt.trust {
				if err := os.WriteFile(filepath.Join(o.Remote.CertDir, "ca.crt"), ca, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s := openStore(t, Options{})
			_, err := s.Pull(t.Context(), r.image(), o)
			if tt.ok != (err == nil) {
				t.Error(err)
			}
			if err != nil && !strings.Contains(hint.Of(err), "--cert-dir") {
				t.Errorf("hint %q", hint.Of(err))
			}
			if _, err := s.Pull(t.Context(), r.image(), insecure()); err != nil {
				t.Error("not verifying:", err)
			}
		})
	}
}

// TestBlobRedirectIsVerified: the host that a registry redirects to needs a
// good certificate too.
func TestBlobRedirectIsVerified(t *testing.T) {
	cert, ca := certificate(t, time.Now().Add(time.Hour), "127.0.0.1")
	other, _ := certificate(t, time.Now().Add(time.Hour), "127.0.0.1")
	l := newOCIDir(t).layer(tarOf(t, ent{name: "f"}))
	good, evil := unstarted(t, l), unstarted(t, l)
	for r, c := range map[*registry]tls.Certificate{good: cert, evil: other} {
		r.TLS = &tls.Config{Certificates: []tls.Certificate{c}}
		r.Config.ErrorLog = quietLog()
		r.StartTLS()
	}
	good.hook = func(w http.ResponseWriter, q *http.Request) bool {
		if strings.Contains(q.URL.Path, "/blobs/") {
			http.Redirect(w, q, evil.URL+q.URL.Path, http.StatusTemporaryRedirect)
			return true
		}
		return false
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ca.crt"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, Options{})
	if _, err := s.Pull(t.Context(), good.image(), PullOptions{Remote: Remote{CertDir: dir}}); err == nil {
		t.Error("a blob came from a host that nobody vouches for")
	}
	if evil.hits.Load() > 0 {
		t.Error("a request got through")
	}
}

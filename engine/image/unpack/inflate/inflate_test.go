package inflate

import (
	"bytes"
	stdflate "compress/flate"
	stdgzip "compress/gzip"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

// samples are data that compress in different ways.
func samples() map[string][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 250_000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	skewed := make([]byte, 250_000) // long codes: some bytes are a million times rarer than others
	for i := range skewed {
		skewed[i] = byte(min(random.ExpFloat64()*6, 255))
	}
	words := strings.Fields("layer image tar header root file directory link pipe owner mode time")
	var text bytes.Buffer
	for text.Len() < 400_000 {
		text.WriteString(words[random.IntN(len(words))])
		text.WriteByte(' ')
		if random.IntN(40) == 0 {
			text.Write(noise[:random.IntN(300)])
		}
	}
	periods := make([]byte, 0, 300_000)
	for p := 1; p < 40; p++ {
		for i := range 7000 {
			periods = append(periods, noise[i%p])
		}
	}
	return map[string][]byte{
		"empty": nil, "one": {7}, "zeros": make([]byte, 500_000), "noise": noise, "skewed": skewed,
		"text": text.Bytes(), "periods": periods,
		"mixed": bytes.Join([][]byte{noise[:70_000], text.Bytes()[:200_000], make([]byte, 50_000), skewed, noise}, nil),
	}
}

func compress(t testing.TB, b []byte, level int) []byte {
	t.Helper()
	var z bytes.Buffer
	w, err := stdgzip.NewWriterLevel(&z, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return z.Bytes()
}

func decompress(r io.Reader) ([]byte, error) {
	z, err := NewReader(r)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func TestSameBytes(t *testing.T) {
	levels := []int{stdgzip.HuffmanOnly, stdgzip.NoCompression, 1, 2, 5, 6, 9}
	for name, b := range samples() {
		var members []byte
		for _, level := range levels {
			z := compress(t, b, level)
			members = append(members, z...)
			for how, r := range map[string]io.Reader{
				"whole": bytes.NewReader(z), "halves": iotest.HalfReader(bytes.NewReader(z)),
				"late end": iotest.DataErrReader(bytes.NewReader(z)),
			} {
				if got, err := decompress(r); err != nil || !bytes.Equal(got, b) {
					t.Errorf("%s, level %d, %s: %d bytes of %d, %v", name, level, how, len(got), len(b), err)
				}
			}
		}
		if got, err := decompress(&crumbs{bytes.NewReader(members), 0}); err != nil || !bytes.Equal(got, bytes.Repeat(b, len(levels))) {
			t.Errorf("%s, all members: %d bytes, %v", name, len(got), err)
		}
	}
}

// crumbs gives one byte, then two, and so on.
type crumbs struct {
	r io.Reader
	n int
}

func (c *crumbs) Read(p []byte) (int, error) {
	c.n = c.n%97 + 1
	return c.r.Read(p[:min(c.n, len(p))])
}

func TestHeaderFields(t *testing.T) {
	var z bytes.Buffer
	w := stdgzip.NewWriter(&z)
	w.Name, w.Comment, w.Extra = "name", "comment", []byte("extra")
	_, _ = w.Write([]byte("data"))
	_ = w.Close()
	if got, err := decompress(&z); err != nil || string(got) != "data" {
		t.Errorf("%q %v", got, err)
	}
}

func TestBroken(t *testing.T) {
	text := samples()["mixed"]
	good := compress(t, text, 6)
	change := func(at int) []byte {
		b := bytes.Clone(good)
		b[(at+len(b))%len(b)] ^= 0x10
		return b
	}
	for name, tt := range map[string]struct {
		b    []byte
		want error
	}{
		"no gzip":         {[]byte("no gzip at all, but long enough"), ErrHeader},
		"other method":    {append([]byte{0x1f, 0x8b, 7}, good[3:]...), ErrHeader},
		"length":          {change(-1), ErrChecksum},
		"checksum":        {change(-5), ErrChecksum},
		"something after": {append(bytes.Clone(good), "something else"...), ErrHeader},
		"zeros after":     {append(bytes.Clone(good), make([]byte, 20)...), ErrHeader},
		"only a header":   {good[:10], io.ErrUnexpectedEOF},
		"half a header":   {good[:5], io.ErrUnexpectedEOF},
	} {
		if _, err := decompress(bytes.NewReader(tt.b)); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for cut := 10; cut < len(good); cut += 1 + cut/20 {
		got, err := decompress(bytes.NewReader(good[:cut]))
		if !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.HasPrefix(text, got[:max(0, len(got)-1000)]) {
			t.Fatalf("cut at %d: %v", cut, err)
		}
	}
	for at := 10; at < len(good); at += 1 + at/20 {
		got, err := decompress(bytes.NewReader(change(at)))
		if err == nil && !bytes.Equal(got, text) { // bits that mean nothing may change
			t.Fatalf("changed at %d: no error", at)
		}
	}
	boom := errors.New("boom")
	if _, err := decompress(io.MultiReader(bytes.NewReader(good[:5000]), iotest.ErrReader(boom))); !errors.Is(err, boom) {
		t.Error(err)
	}
}

// FuzzAsStandard compares with the standard library: same bytes, and an error
// where that has one.
func FuzzAsStandard(f *testing.F) {
	for _, b := range samples() {
		for _, level := range []int{stdflate.HuffmanOnly, 1, 9} {
			z := compress(f, b[:min(len(b), 3000)], level)
			f.Add(z[10 : len(z)-8])
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		want, werr := io.ReadAll(io.LimitReader(stdflate.NewReader(bytes.NewReader(raw)), 1<<20))
		if len(want) == 1<<20 {
			return
		}
		// The member's end makes no difference here: only the checksum may be wrong.
		z := append([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0}, raw...)
		got, gerr := decompress(bytes.NewReader(append(z, make([]byte, 8)...)))
		short := errors.Is(werr, io.ErrUnexpectedEOF) // what we append may then be read as data
		if !short && (werr == nil) == errors.Is(gerr, ErrCorrupt) {
			t.Fatalf("standard library: %v, we: %v", werr, gerr)
		}
		if werr == nil && !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, want %d", len(got), len(want))
		}
	})
}

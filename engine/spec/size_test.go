package spec

import "testing"

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{
		"0": 0, "1": 1, "512": 512, "1b": 1, "1k": 1024, "1K": 1024, "1kb": 1024, "1KiB": 1024, "64m": 64 << 20, "1.5g": 3 << 29,
		"2t": 2 << 40, "1 m": 1 << 20, "8p": 8 << 50, "9007199254740992": 1 << 53,
	} {
		if got, err := ParseSize(in); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", "m", "-1", "+1", "1x", "1mm", "1.2.3m", ".5m", "1e3", "0x10", "inf", "nan", "1_000", "1m\n", "1  m", "1mib5",
		"9223372036854775808", "8192p", "99999999999999999999g", "1bb", "1 kk",
	} {
		if got, err := ParseSize(in); err == nil {
			t.Errorf("ParseSize(%q) = %d", in, got)
		}
	}
}

func TestParseMemorySwap(t *testing.T) {
	if got, err := ParseMemorySwap("-1"); err != nil || got != -1 {
		t.Errorf("-1: %d, %v", got, err)
	}
	if got, err := ParseMemorySwap("2g"); err != nil || got != 2<<30 {
		t.Errorf("2g: %d, %v", got, err)
	}
	if _, err := ParseMemorySwap("-2"); err == nil {
		t.Error("-2 is accepted")
	}
}

func TestParseCPUs(t *testing.T) {
	for in, want := range map[string]int64{"1": 100000, "0.5": 50000, "1.5": 150000, ".01": 1000, "0.333333": 33333, "128": 12800000} {
		if q, p, err := ParseCPUs(in); err != nil || q != want || p != 100000 {
			t.Errorf("ParseCPUs(%q) = %d/%d, %v, want %d", in, q, p, err, want)
		}
	}
	if q, p, err := ParseCPUs("0"); err != nil || q != 0 || p != 0 {
		t.Errorf("ParseCPUs(0) = %d/%d, %v", q, p, err)
	}
	for _, in := range []string{"", "-1", "x", "inf", "NaN", "1e3", "0x1p4", "0.001", "99999999", "1.2.3", "1 "} {
		if q, _, err := ParseCPUs(in); err == nil {
			t.Errorf("ParseCPUs(%q) = %d", in, q)
		}
	}
}

func TestCheckCPUSet(t *testing.T) {
	for _, ok := range []string{"0", "0-3", "0,2,4", "0-1,8-15"} {
		if err := CheckCPUSet(ok); err != nil {
			t.Errorf("CheckCPUSet(%q) = %v", ok, err)
		}
	}
	for _, in := range []string{"", ",", "0,", "-1", "3-0", "a", "0-", "0-1-2", "0 1", "0\n", "99999"} {
		if CheckCPUSet(in) == nil {
			t.Errorf("CheckCPUSet(%q) is accepted", in)
		}
	}
}

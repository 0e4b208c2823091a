package spec

import (
	"errors"
	"strconv"
	"strings"

	units "github.com/docker/go-units"
)

// ParseSize reads a number of bytes with an optional binary unit: 64m is 64 MiB.
func ParseSize(value string) (int64, error) {
	why := bad(value, "is not a size such as 512, 64k, 100m or 1.5g")
	if value == "" || !isDigit(value[0]) {
		return 0, why // go-units would take signs, hexadecimal and infinity
	}
	if strings.ContainsAny(strings.TrimRight(value, "bBkKmMgGtTpPiI "), "eExX_pP") {
		return 0, why
	}
	n, err := units.RAMInBytes(value)
	if err != nil {
		return 0, why
	}
	if n < 0 || tooLarge(value) {
		return 0, bad(value, "is too large")
	}
	return n, nil
}

// tooLarge says whether the number overflows int64: the conversion in go-units
// does not notice, and its result depends on the machine.
func tooLarge(value string) bool {
	num := strings.TrimRight(value, "bBkKmMgGtTpPiI ")
	f, err := strconv.ParseFloat(num, 64)
	if err != nil {
		return true
	}
	unit := strings.ToLower(strings.TrimLeft(value[len(num):], " "))
	if unit != "" {
		if i := strings.IndexByte("bkmgtp", unit[0]); i > 0 {
			f *= float64(uint64(1) << (10 * i))
		}
	}
	return f >= 1<<63
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// ParseMemorySwap reads the value of --memory-swap: a size, or -1 for no limit.
func ParseMemorySwap(value string) (int64, error) {
	if value == "-1" {
		return -1, nil
	}
	return ParseSize(value)
}

// cpuPeriod is the period in microseconds that --cpus is expressed in.
const cpuPeriod = 100_000

// ParseCPUs reads the value of --cpus, a decimal number of processors, into a
// quota per period of 100 ms.
func ParseCPUs(value string) (quota int64, period uint64, err error) {
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || strings.Trim(value, "0123456789.") != "" {
		return 0, 0, bad(value, "is not a decimal number of processors")
	}
	if f == 0 {
		return 0, 0, nil
	}
	if f < 0.01 || f > 1<<20 {
		return 0, 0, bad(value, "is out of range: the least is 0.01")
	}
	return int64(f*cpuPeriod + 0.5), cpuPeriod, nil
}

// CheckCPUSet refuses what is no list like 0-3,7.
func CheckCPUSet(value string) error {
	for part := range strings.SplitSeq(value, ",") {
		first, last, isRange := strings.Cut(part, "-")
		lo, err := strconv.ParseUint(first, 10, 16)
		if err == nil && isRange {
			var hi uint64
			if hi, err = strconv.ParseUint(last, 10, 16); err == nil && hi < lo {
				err = errors.New("reversed")
			}
		}
		if err != nil {
			return bad(value, "is not a list such as 0-3,7")
		}
	}
	return nil
}

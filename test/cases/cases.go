package cases

import (
	"slices"
	"strings"
)

// Class is what goes wrong in a kind of vulnerability.
type Class string

// The classes, by what the attacker controls.
const (
	Path       Class = "path"       // a name that is resolved in the wrong root
	Descriptor Class = "descriptor" // something open that should not be, or be reached
	Privilege  Class = "privilege"  // more rights than were meant
	Kernel     Class = "kernel"     // a part of the kernel that nobody needs
	Input      Class = "input"      // bytes that are read: too many, or malformed
	Identity   Class = "identity"   // whose IDs, whose name
	Network    Class = "network"    // who is reached, who seems to ask
	Exposure   Class = "exposure"   // what others on the host see
	Supply     Class = "supply"     // a library with a known hole
)

// Place is where a test must run.
type Place int

// The places.
const (
	AsUser  Place = iota // as an unprivileged user, as Burrow is used
	AsRoot               // as root, which the test needs to have several users, or a worse host
	Machine              // in the virtual machine of test/vm
)

// Test names a test, or a subtest whose name is in the source.
type Test struct {
	Package string // directory below the module's
	Name    string // TestX, or TestX/subtest; TestScript/x is testdata/script/x.txtar
	Place   Place
}

// Break takes a mitigation out of the code: where File has Old, which it has
// exactly once, it gets New. Test must then fail.
type Break struct {
	File, Old, New string
	Test           Test
}

// Row is one attack, known from other engines.
type Row struct {
	ID     string // V and a number; comments of tests use it
	CVEs   []string
	Class  Class
	Attack string // what is tried, in few words
	Tests  []Test
	// Control says how it was made sure that the tests can fail: what in the test
	// itself shows that the attack works without the mitigation.
	Control string
	// Breaks do the same by machine: make test-controls.
	Breaks []Break
	// Awaits names the part of Burrow that there is not yet and that the attack
	// is on; such a row need not have tests.
	Awaits string
	// Absent says why the attack has nothing to be on, and will not.
	Absent string
}

// Rows returns the whole table, by ID.
func Rows() []Row {
	var out []Row
	for _, part := range [][]Row{entering, files, kernel, images, inputs, identities, network, supply, awaited} {
		out = append(out, part...)
	}
	slices.SortFunc(out, func(a, b Row) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// Breaks returns every break that there is, with what it is called.
func Breaks() []Mitigation {
	var out []Mitigation
	for _, r := range Rows() {
		for _, b := range r.Breaks {
			out = append(out, Mitigation{r.ID, b})
		}
	}
	return append(out, Mitigations()...)
}

func cmd(name string) Test    { return Test{"cmd/burrow", name, AsUser} }
func script(name string) Test { return cmd("TestScript/" + name) }
func asRoot(name string) Test { return Test{"cmd/burrow", name, AsRoot} }
func in(pkg, name string) Test {
	return Test{pkg, name, AsUser}
}

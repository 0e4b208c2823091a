package cases

// Attacks on whose IDs and whose network it is, and on the libraries.

var identities = []Row{
	{
		ID: "V21", CVEs: []string{"CVE-2022-2989", "CVE-2022-2990", "CVE-2022-2995", "CVE-2022-36109"}, Class: Identity,
		Attack:  "supplementary groups that are missing or the caller's, so that a file denied to a group is read",
		Tests:   []Test{script("user-and-groups-are-the-images"), cmd("TestPosture"), in("engine", "TestLookupIdentity"), in("engine", "TestGroupsThatStay")},
		Control: "the groups that were asked for are there",
	},
	{
		ID: "V62", CVEs: []string{"CVE-2018-7169", "CVE-2024-56433"}, Class: Identity,
		Attack:  "a group that denies is dropped; sub-IDs that are another user's or an account's",
		Tests:   []Test{script("userns-modes"), asRoot("TestHostile"), in("idmap", "TestCheckOverlap"), in("engine/doctor", "TestSubIDs")},
		Control: "the same host with sub-IDs of its own runs",
		Breaks: []Break{{
			"idmap/overlap.go", "!u.owns(row.owner) && r.Overlaps(row.r)", "u.owns(row.owner) && r.Overlaps(row.r) && false", in("idmap", "TestCheckOverlap"),
		}},
	},
}

var network = []Row{
	{
		ID: "V56", CVEs: []string{"CVE-2021-20199"}, Class: Network,
		Attack:  "traffic of a published port seems to come from 127.0.0.1, which servers trust",
		Tests:   []Test{in("slirp", "TestPublishSlirp4netns"), in("slirp", "TestPublishPasta"), script("ports-are-published")},
		Control: "none apart: the server must have been told the client's own address, which a relay would not",
	},
	{
		ID: "V57", Class: Network,
		Attack:  "the host's loopback and abstract sockets, by every address that may lead there",
		Tests:   []Test{script("host-loopback-is-unreachable"), cmd("TestInvariant/I15"), in("slirp", "TestSlirp4netns"), in("slirp", "TestPasta")},
		Control: "--network=host and the host itself reach the same server",
		Breaks: []Break{{
			"slirp/slirp4netns.go", "if !m.HostLoopback {", "if false {", script("host-loopback-is-unreachable"),
		}},
	},
	{
		ID: "V59", CVEs: []string{"CVE-2024-29018", "CVE-2024-32473"}, Class: Network,
		Attack:  "IPv6 on a network that has none; the host's resolver behind the container's back",
		Tests:   []Test{in("slirp", "TestNoIPv6"), in("slirp", "TestResolvConf"), cmd("TestInvariant/I36")},
		Control: "TestPublishIPv6: with IPv6 asked for there are addresses",
		Awaits:  "named networks, for DNS between containers and --internal",
	},
}

var supply = []Row{
	{
		ID: "V66", CVEs: []string{"CVE-2026-79699", "CVE-2026-79705"}, Class: Supply,
		Attack:  "a library below the version that fixed what is known of it",
		Tests:   []Test{in("test/cases", "TestVersionFloors")},
		Control: "the test's own list of versions that must fail; make vuln asks the database",
	},
	{
		ID: "V54", CVEs: []string{"CVE-2024-8676", "CVE-2026-50195", "CVE-2026-53489", "CVE-2026-53492"}, Class: Input,
		Attack: "a checkpoint brings mounts, devices, a log path",
		Absent: "there are no checkpoints to restore",
	},
	{
		ID: "V55", CVEs: []string{"CVE-2025-23266", "CVE-2025-23267", "CVE-2024-0132"}, Class: Privilege,
		Attack:  "hooks run on the host with the container's environment or follow its links",
		Tests:   []Test{script("hostile-images-stay-inside"), cmd("TestImageDataIsInert")},
		Control: "TestImageDataIsInert demands that most of its images do run",
		Absent:  "there are no hooks; the tests show that they are refused",
	},
}

// awaited are attacks on what Burrow does not have yet. The row stays so that
// whoever adds that part finds its attacks here.
var awaited = []Row{
	{ID: "V23", CVEs: []string{"CVE-2021-3602", "CVE-2020-14370"}, Class: Exposure, Attack: "the host's or another container's environment in a build or API container", Tests: []Test{cmd("TestInvariant/I06")}, Control: "the environment has the names that it must have", Awaits: "build, API"},
	{ID: "V33", CVEs: []string{"CVE-2024-1753"}, Class: Path, Attack: "the source of a build's bind mount is a link to /", Awaits: "build"},
	{ID: "V35", CVEs: []string{"CVE-2024-9675"}, Class: Path, Attack: "the id of a cache mount is a path", Awaits: "build"},
	{ID: "V36", CVEs: []string{"CVE-2024-11218", "CVE-2024-23651"}, Class: Path, Attack: "stages at once exchange a mount's source for a link", Awaits: "build"},
	{ID: "V37", CVEs: []string{"CVE-2024-23652"}, Class: Path, Attack: "the clean-up of mount points deletes through a link", Awaits: "build"},
	{ID: "V38", CVEs: []string{"CVE-2024-23653"}, Class: Privilege, Attack: "a field of a request gives a build step more privileges", Awaits: "build, API"},
	{ID: "V39", CVEs: []string{"CVE-2024-23650", "CVE-2026-15792", "CVE-2024-36620"}, Class: Input, Attack: "a malformed request ends the service", Awaits: "API"},
	{ID: "V40", CVEs: []string{"CVE-2026-44517", "CVE-2026-33748", "CVE-2026-33747"}, Class: Path, Attack: "a remote context's links, refs and redirects lead out of it", Awaits: "build"},
	{ID: "V42", CVEs: []string{"CVE-2025-4953"}, Class: Exposure, Attack: "a build step's writes to its context stay on the host", Awaits: "build"},
	{ID: "V44", CVEs: []string{"CVE-2025-9566"}, Class: Path, Attack: "a file of a ConfigMap is a link left by the run before", Awaits: "kube"},
	{ID: "V51", CVEs: []string{"CVE-2024-3056"}, Class: Input, Attack: "shared memory of a pod outlives and is not charged to it", Tests: []Test{script("shm-size"), {"test/vm", "TestMemoryLimitKillsTheHog", Machine}}, Control: "shm-size writes until its limit stops it", Awaits: "pods"},
	{ID: "V60", CVEs: []string{"CVE-2021-4024", "CVE-2025-9074", "CVE-2025-64443"}, Class: Exposure, Attack: "the API is reached over TCP, from a container, or by a browser", Awaits: "API"},
}

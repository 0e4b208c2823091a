package cases

// Attacks by names in files that a container or an image controls.

var files = []Row{
	{
		ID: "V02", CVEs: []string{"CVE-2025-31133"}, Class: Path,
		Attack:  "/dev/null of the image is a link, so that masks land on something else",
		Tests:   []Test{script("paths-resolve-inside"), cmd("TestInvariant/I07"), cmd("TestTerminalOnAHostileImage")},
		Control: "/proc/interrupts shows something with unmask=ALL",
		Breaks: []Break{{
			"security/masks.go", "\t\"/proc/interrupts\",\n", "", cmd("TestInvariant/I07"),
		}},
	},
	{
		ID: "V04", CVEs: []string{"CVE-2025-52881", "CVE-2019-19921"}, Class: Path,
		Attack:  "a volume on /proc, /proc/self, /proc/self/attr, so that labels and settings are written elsewhere",
		Tests:   []Test{script("volumes-that-are-refused"), in("engine", "TestImageRootIsChecked"), in("test/cases", "TestVersionFloors")},
		Control: "the same script mounts elsewhere; TestVersionFloors has an older library fail",
	},
	{
		ID: "V05", CVEs: []string{"CVE-2026-41579", "CVE-2026-47766"}, Class: Path,
		Attack:  "/dev of the image is a link to a directory of the host",
		Tests:   []Test{script("paths-resolve-inside"), cmd("TestTerminalOnAHostileImage")},
		Control: "the link leads to the victim directory for whoever follows it on the host",
	},
	{
		ID: "V07", CVEs: []string{"CVE-2024-45310"}, Class: Path,
		Attack:  "a mount's destination is exchanged with a link while it is being made",
		Tests:   []Test{cmd("TestMountDestinationRace")},
		Control: "mkdir by the same name is led out in the same race",
	},
	{
		ID: "V08", CVEs: []string{"CVE-2021-30465"}, Class: Path,
		Attack:  "the same, while something is mounted on it",
		Tests:   []Test{cmd("TestMountDestinationRace")},
		Control: "mkdir by the same name is led out in the same race",
	},
	{
		ID: "V10", CVEs: []string{"CVE-2019-16884", "CVE-2023-27561", "CVE-2023-28642"}, Class: Path,
		Attack:  "/proc or /sys of the image is a link, or an image VOLUME, and masks are left out",
		Tests:   []Test{script("paths-resolve-inside"), in("engine", "TestImageRootIsChecked")},
		Control: "the links lead to the victim directory on the host; TestImageRootIsChecked has images that pass",
	},
	{
		ID: "V26", CVEs: []string{"CVE-2019-14271", "CVE-2026-41567"}, Class: Path,
		Attack:  "cp and load start decompressors or load libraries, of the container's",
		Tests:   []Test{cmd("TestCopyExecutesNothing"), in("engine/transfer", "TestCompressedStreams"), in("engine/image/unpack", "TestWorkerIsConfined")},
		Control: "TestWorkerIsConfined asks an unconfined process the same",
	},
	{
		ID: "V27", CVEs: []string{"CVE-2018-15664", "CVE-2019-10152", "CVE-2019-18466", "CVE-2026-41568", "CVE-2026-42306", "CVE-2021-41089"}, Class: Path,
		Attack:  "a running container exchanges directories for links while cp goes through them",
		Tests:   []Test{cmd("TestCopyRace"), in("engine/transfer", "TestRaceFind"), in("engine/transfer", "TestRaceWalk"), in("engine/transfer", "TestRaceWrite"), in("engine/transfer", "TestNamesThatLeadOut")},
		Control: "a helper that uses names is led out by the same race",
		Breaks: []Break{{
			"internal/sys/inroot.go", "flags|unix.O_NONBLOCK|unix.O_NOCTTY, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)",
			"flags|unix.O_NONBLOCK|unix.O_NOCTTY, 0)", in("engine/transfer", "TestFindStaysInside"),
		}},
	},
	{
		ID: "V31", CVEs: []string{"CVE-2021-29136", "CVE-2021-32760", "CVE-2022-23648", "CVE-2026-85731"}, Class: Path,
		Attack:  "a layer whose root is a link; a VOLUME whose name has dots or is a link",
		Tests:   []Test{script("hostile-images-stay-inside"), in("engine/image/unpack", "TestEvilLayersStayInside"), in("engine", "TestFillVolume")},
		Control: "TestCorpusHasTeeth: what joins names is led out by the same layers",
	},
	{
		ID: "V32", CVEs: []string{"CVE-2020-1726"}, Class: Path,
		Attack:  "a volume that has files is overwritten by the image's, even read-only",
		Tests:   []Test{script("hostile-images-stay-inside"), script("volumes-start-as-the-image-is")},
		Control: "an empty volume is filled",
	},
	{
		ID: "V43", CVEs: []string{"CVE-2024-9341"}, Class: Path,
		Attack:  "/run/secrets, or a part of it, is a link of the image",
		Tests:   []Test{script("hostile-images-stay-inside")},
		Control: "the link leads to the victim directory for whoever follows it on the host",
	},
}

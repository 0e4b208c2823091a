package cases

// Attacks by images, archives and registries.

var images = []Row{
	{
		ID: "V29", CVEs: []string{"CVE-2025-11395"}, Class: Path,
		Attack: "archives for load, import, volume import and cp, and files of artifacts, whose names and links lead out",
		Tests: []Test{
			in("engine/image/unpack", "TestEvilLayersStayInside"), in("engine/image", "TestArtifactsNameNoPaths"), in("engine/transfer", "TestHostileTar"),
			in("engine/image", "TestHostileImages"), script("volume-commands"),
		},
		Control: "TestCorpusHasTeeth: what joins names is led out by the same layers",
		Breaks: []Break{{
			"engine/image/unpack/create.go", "beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS", "beneath = 0",
			in("engine/image/unpack", "TestEvilLayersStayInside"),
		}},
	},
	{
		ID: "V30", CVEs: []string{"CVE-2026-17106"}, Class: Path,
		Attack:  "names that are only looked at as text, while the kernel follows a link planted before",
		Tests:   []Test{in("engine/image/unpack", "TestEvilLayersStayInside"), in("engine/transfer", "TestHostileTar"), in("test/cases", "TestVersionFloors")},
		Control: "TestCorpusHasTeeth",
	},
	{
		ID: "V46", CVEs: []string{"CVE-2024-3727", "CVE-2020-15157", "CVE-2021-41092"}, Class: Input,
		Attack: "digests with a path in them; layers with URLs elsewhere that want credentials; a helper that is missing",
		Tests: []Test{
			in("engine/image", "TestCredentialsStayHome"), in("engine/image", "TestCredentialsStayWithTheDestination"),
			in("engine/image", "TestCopyAsksNobodyElse"), in("engine/image", "TestHostileImages"), in("engine/image", "TestLogin"),
		},
		Control: "the registry does get the credentials that are its own",
		Breaks: []Break{{
			"engine/image/source.go", "info.URLs = nil", "_ = info.URLs", in("engine/image", "TestCredentialsStayHome"),
		}, {
			"engine/image/copystore.go", "len(l.URLs) > 0", "len(l.URLs) < 0", in("engine/image", "TestCopyAsksNobodyElse"),
		}},
	},
	{
		ID: "V47", CVEs: []string{"CVE-2019-10214", "CVE-2025-6032"}, Class: Network,
		Attack:  "certificates that are expired, self-signed or another host's, at registry, token server and redirect",
		Tests:   []Test{in("engine/image", "TestTLS"), in("engine/image", "TestBlobRedirectIsVerified")},
		Control: "the right certificate, and --tls-verify=false, do pull",
	},
	{
		ID: "V48", CVEs: []string{"CVE-2021-41190", "CVE-2024-24557"}, Class: Input,
		Attack:  "a document that is both a manifest and an index",
		Tests:   []Test{in("engine/image", "TestHostileImages"), in("engine/image", "TestHostileRegistries"), in("engine/image", "TestListsFromStrangers")},
		Control: "the same image unspoilt is stored",
		Awaits:  "build, whose cache could take one image for another",
	},
	{
		ID: "V49", CVEs: []string{"CVE-2021-20291", "CVE-2017-14992", "CVE-2025-58183", "CVE-2026-32288", "CVE-2025-58058"}, Class: Input,
		Attack:  "a broken or endless stream holds a lock, fills memory or disk",
		Tests:   []Test{in("engine/image/unpack", "TestBrokenStreams"), in("engine/image/unpack", "TestSparseLies"), in("engine/image/unpack", "TestLimits"), in("engine/image", "TestBombs"), in("engine/image", "TestInterrupted"), in("engine/image", "TestEndlessAnswers"), in("engine/transfer", "TestHolesAreNoLayer")},
		Control: "the next good image is stored at once; a layer just below the limits and a list that ends pass",
		Breaks: []Break{{
			"engine/transfer/walk.go", "w.Layer && err != nil {", "w.Layer && err != nil && w.Skip != nil {", in("engine/transfer", "TestHolesAreNoLayer"),
		}},
	},
}

var inputs = []Row{
	{
		ID: "V18", CVEs: []string{"CVE-2026-47262", "CVE-2026-61801", "CVE-2025-4437"}, Class: Input,
		Attack:  "/etc/passwd and /etc/group of an image: gigabytes, endless lines, a device, a link",
		Tests:   []Test{script("accounts-of-the-image-are-bounded"), in("engine", "TestHostileAccountFiles"), in("engine/image", "TestAccountsAreBounded"), in("test/cases", "TestVersionFloors")},
		Control: "the same files below the limit are read",
		Breaks: []Break{{
			"engine/identity.go", "case info.Size() > maxAccountFile:", "case info.Size() < 0:", in("engine", "TestHostileAccountFiles"),
		}},
	},
	{
		ID: "V20", CVEs: []string{"CVE-2022-4318", "CVE-2026-15809"}, Class: Input,
		Attack:  "a newline or colon in HOME, a name or a label becomes a line of a generated file",
		Tests:   []Test{script("generated-files-have-our-lines"), in("cmd/burrow/flags", "TestNewlinesAreRefused"), in("slirp", "TestHostsFile")},
		Control: "user-and-groups-are-the-images: the entry that was meant is written",
	},
	{
		ID: "V34", CVEs: []string{"CVE-2024-9407"}, Class: Input,
		Attack:  "a propagation that is none smuggles mount options in",
		Tests:   []Test{in("engine/spec", "TestPropagationIsOneOfEight"), in("engine/spec", "TestParseMountRefuses")},
		Control: "the eight that there are pass",
	},
	{
		ID: "V52", CVEs: []string{"CVE-2022-0811", "CVE-2024-3154"}, Class: Input,
		Attack:  "a value with + or a newline brings further settings along; settings that are not a namespace's",
		Tests:   []Test{in("security", "TestSysctlsRefused"), in("security", "TestSysctls")},
		Control: "TestSysctls: what is allowed is set",
		Breaks: []Break{{
			"security/sysctl.go", "if strings.ContainsFunc(value, notInValue) {", "if false && strings.ContainsFunc(value, notInValue) {",
			in("security", "TestSysctlsRefused"),
		}},
	},
	{
		ID: "V64", CVEs: []string{"CVE-2021-20206"}, Class: Input,
		Attack:  "names of containers, volumes, secrets with a path in them",
		Tests:   []Test{in("engine/spec", "TestNames"), script("volumes-that-are-refused"), script("secrets-are-nowhere-else")},
		Control: "TestNames has names that pass",
	},
}

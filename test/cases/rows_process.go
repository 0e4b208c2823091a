package cases

// Attacks on what enters a container and on what it may do there.

var entering = []Row{
	{
		ID: "V01", CVEs: []string{"CVE-2024-21626"}, Class: Descriptor,
		Attack:  "a working directory /proc/self/fd/N of the image, of run, of exec",
		Tests:   []Test{cmd("TestNoDescriptorLeadsOut"), script("workdir-is-inside"), script("descriptors-stay-outside"), in("engine/launch", "TestGateLeavesNothingOpen")},
		Control: "the same step made outside arrives in the open directory",
	},
	{
		ID: "V03", CVEs: []string{"CVE-2025-52565"}, Class: Path,
		Attack:  "/dev/console, /dev/null, /dev/pts of the image are links or files, with a terminal",
		Tests:   []Test{cmd("TestTerminalOnAHostileImage")},
		Control: "with unmask=ALL the same questions are answered otherwise",
	},
	{
		ID: "V09", CVEs: []string{"CVE-2019-5736"}, Class: Descriptor,
		Attack:  "the container overwrites the engine through /proc/PID/exe",
		Tests:   []Test{cmd("TestExecutablesCannotBeOverwritten"), in("engine/launch", "TestProgramFileIsSealed")},
		Control: "a program of the container's own is overwritten by the same line",
		Breaks: []Break{{
			"engine/launch/gate.go", "if err := sys.Seal(f); err != nil {", "if err := error(nil); err != nil && sys.Seal(f) != nil {",
			in("engine/launch", "TestProgramFileIsSealed"),
		}},
	},
	{
		ID: "V11", CVEs: []string{"CVE-2016-9962"}, Class: Descriptor,
		Attack:  "container root traces a process that exec brings in",
		Tests:   []Test{cmd("TestExecCannotBeAmbushed"), cmd("TestNeighbourCannotBeAmbushed"), cmd("TestGuardIsGone")},
		Control: "a process of the container is seen with what it has open, and with CAP_SYS_PTRACE the gate",
		Breaks: []Break{{
			"engine/launch/untraced.go", "if p.Landlock != nil || filter == nil", "if p.Landlock == nil || filter == nil", cmd("TestExecCannotBeAmbushed"),
		}},
	},
	{
		ID: "V12", CVEs: []string{"CVE-2021-43784"}, Class: Privilege,
		Attack:  "so many mappings that a length overflows and namespaces are left out",
		Tests:   []Test{script("nothing-but-our-namespaces"), in("idmap", "TestMapValidate")},
		Control: "a namespace of the host is seen as such",
	},
	{
		ID: "V13", CVEs: []string{"CVE-2022-27649", "CVE-2022-27650", "CVE-2022-27651", "CVE-2022-27652", "CVE-2022-29162", "CVE-2022-24769"}, Class: Privilege,
		Attack: "inheritable capabilities: file capabilities of the image bring them back",
		Tests:  []Test{cmd("TestInvariant/I04"), cmd("TestPosture"), script("capabilities-are-eleven"), in("security", "TestNoCapsForNonRoot")},
		Breaks: []Break{{
			"engine/launch/libcontainer.go", "		Bounding:  p.Capabilities.Bounding,\n", "		Bounding:  p.Capabilities.Bounding, Inheritable: p.Capabilities.Bounding,\n",
			cmd("TestPosture"),
		}},
	},
	{
		ID: "V14", CVEs: []string{"CVE-2023-25809"}, Class: Privilege,
		Attack:  "write below /sys/fs/cgroup, also with the host's cgroup namespace",
		Tests:   []Test{cmd("TestInvariant/I23"), cmd("TestInvariant/I08"), in("engine", "TestMountTable")},
		Control: "none apart, and on a host without cgroup v2 there is nothing to write to; TestMountTable has the mount read-only",
	},
	{
		ID: "V15", CVEs: []string{"CVE-2022-0492", "CVE-2023-6476", "CVE-2025-47291"}, Class: Privilege,
		Attack:  "release_agent of cgroup v1; annotations and labels that move the cgroup",
		Tests:   []Test{script("nothing-but-our-namespaces"), cmd("TestImageDataIsInert"), {"engine/cgroup", "TestBornInTheCgroup", AsRoot}, {"test/vm", "TestLimitsHoldForSysAdmin", Machine}},
		Control: "the same container mounts a tmpfs",
	},
	{
		ID: "V25", CVEs: []string{"CVE-2022-1227"}, Class: Privilege,
		Attack:  "top and stats run a program of the container, or are filled by what it says of itself",
		Tests:   []Test{cmd("TestTopExecutesNothing"), cmd("TestTopIsNotFooled")},
		Control: "exec does run the planted program, which leaves its mark",
		Breaks: []Break{{
			"engine/top.go", "maxCmdline = 32 << 10", "maxCmdline = 32 << 20", cmd("TestTopIsNotFooled"),
		}},
	},
	{
		ID: "V50", CVEs: []string{"CVE-2022-1708", "CVE-2022-31030", "CVE-2023-25153", "CVE-2025-64329"}, Class: Input,
		Attack: "endless output, clients that attach and vanish or connect without end, fill the engine's memory and descriptors",
		Tests: []Test{
			cmd("TestFloodsAreNotKept"), in("engine", "TestHubDropsTheSlow"), in("engine/ctrlog", "TestRotation"),
			in("slirp", "TestFloodLeavesDescriptors"), in("slirp", "TestListenerOutlivesWant"),
		},
		Control: "a process that keeps the output exceeds the bound",
		Breaks: []Break{{
			"slirp/budget.go", "- reserved - 2*int64(ports)", "+ 1000*reserved - 2*int64(ports)", in("slirp", "TestFloodLeavesDescriptors"),
		}},
	},
	{
		ID: "V61", CVEs: []string{"CVE-2020-15257", "CVE-2021-41091", "CVE-2021-41103", "CVE-2024-25621"}, Class: Exposure,
		Attack:  "abstract sockets of the engine; directories that other users can read",
		Tests:   []Test{asRoot("TestOtherUser"), cmd("TestEverythingOfOursIsPrivate"), cmd("TestInvariant/I15")},
		Control: "what the owner has opened to all is reached by the other user",
	},
}

var kernel = []Row{
	{
		ID: "V63", CVEs: []string{"CVE-2017-5226", "CVE-2019-10063", "CVE-2023-28100"}, Class: Kernel,
		Attack:  "TIOCSTI and TIOCLINUX type into the caller's terminal",
		Tests:   []Test{cmd("TestInvariant/I28"), in("security", "TestDefaultFilterInTheKernel")},
		Control: "TestFilterCanFail: the same questions to a filter that allows all",
	},
	{
		ID: "V65", CVEs: []string{"CVE-2022-0185", "CVE-2026-31431", "CVE-2026-43284", "CVE-2026-43500", "CVE-2026-46300"}, Class: Kernel,
		Attack: "nested user namespaces, AF_ALG, AF_RXRPC, NETLINK_XFRM, fsopen; by 64-bit, 32-bit and x32 calls",
		Tests: []Test{
			cmd("TestInvariant/I09-I10"), cmd("TestInvariant/I09-abi"), cmd("TestInvariant/I11"), cmd("TestInvariant/I12"), cmd("TestInvariant/I24"),
			in("security", "TestDefaultFilterInTheKernel"), in("security", "TestForeignABIs"), in("security", "TestProgramMeansRules"),
		},
		Control: "the same probe with --privileged and seccomp=unconfined; TestFilterCanFail",
		Breaks: []Break{{
			"userns/nsjoin/gate.c", "if (p->seccomp_len == 0)\n\t\treturn;", "return;", cmd("TestInvariant/I11"),
		}},
	},
}

package cases

import "strings"

// Mitigation is a layer of confinement, and what becomes of the tests without it.
type Mitigation struct {
	Name string
	Break
}

// Mitigations returns the layers one by one. Attacks that one of them stops alone
// have it as Break of their row; these are the layers that every container, or
// every process that serves it, must have.
func Mitigations() []Mitigation { return mitigations }

var posture = cmd("TestPosture")

var mitigations = []Mitigation{
	{"no_new_privs", Break{
		"engine/launch/libcontainer.go", "NoNewPrivileges: c.Policy.NoNewPrivileges,", "NoNewPrivileges: false,", in("engine/launch", "TestLibcontainerConfig"),
	}},
	{"Landlock", Break{
		"userns/nsjoin/gate.c", "if (p->landlock_size == 0)\n\t\treturn;", "return;", in("engine/launch", "TestGateEntersLandlock"),
	}},
	{"Landlock, before what leaked in", Break{
		"userns/nsjoin/gate.c", "if (p->landlock_size == 0)\n\t\treturn;", "return;", cmd("TestLeakedDirectories"),
	}},
	{"sub-IDs of its own", Break{
		"engine/ids.go", "r.uids, r.gids, err = idmap.Maps(r.mode, r.slice, caller); err != nil", "r.uids, r.gids, err = idmap.Maps(r.mode, r.slice, caller); err != nil || func() bool { r.uids[1].Host, r.gids[1].Host = 1, 1; return false }()",
		cmd("TestLeakedDirectories"),
	}},
	{"SELinux label", Break{
		"userns/nsjoin/gate.c", "if (len == 0)\n\t\treturn;", "return;", in("engine/launch", "TestGateSetsTheLabel"),
	}},
	{"descriptors that the gate closes", Break{
		"userns/nsjoin/gate.c", "\t\t\tclose(copy);", "\t\t\t(void)copy;", in("engine/launch", "TestGateLeavesNothingOpen"),
	}},
	{"death with the parent", Break{
		"userns/nsjoin/gate.c", "if (!(p->flags & GATE_DIE_WITH_PARENT))\n\t\treturn;", "if (p->flags | 1)\n\t\treturn;", in("engine/launch", "TestGateDiesWithItsParent"),
	}},
	{"read-only paths of /proc", Break{
		"engine/launch/libcontainer.go", "ReadonlyPaths:   c.Policy.ReadonlyPaths,", "ReadonlyPaths: c.Policy.ReadonlyPaths[:0],", posture,
	}},
	{"masked paths of /proc and /sys", Break{
		"engine/launch/libcontainer.go", "MaskPaths:       c.Policy.MaskedPaths,", "MaskPaths: c.Policy.MaskedPaths[:0],", posture,
	}},
	{"no user namespaces inside", Break{
		"engine/launch/start.go", "config.Sysctl[\"user.max_user_namespaces\"] = strconv.Itoa(*n)", "_ = strconv.Itoa(*n)", cmd("TestInvariant/I24"),
	}},
	{"volumes are nosuid", Break{
		"engine/usermounts.go", nosuidTwice, strings.NewReplacer("sys.AttrNoSUID", "0", "sys.MountNoSUID", "0").Replace(nosuidTwice), cmd("TestInvariant/I26"),
	}},
	{"the process that waits is undumpable", Break{
		"engine/watch.go", "err := sys.Undumpable()", "err := error(nil)", posture,
	}},
	{"the process that waits is filtered", Break{
		"engine/watch.go", "err = errors.Join(err, sys.FilterAllThreads(program))", "_ = sys.FilterAllThreads", posture,
	}},
	{"the process that waits is filtered, whatever the image has checked", Break{
		"engine/healthcheck.go", "return r.spec.Restart.Policy != spec.RestartNo || ", "return r.probe != nil || r.spec.Restart.Policy != spec.RestartNo || ", posture,
	}},
	{"a port is open again when there are descriptors", Break{
		"slirp/tcp.go", "if !t.pause() {", "if t.pause() {", in("slirp", "TestListenerOutlivesWant"),
	}},
	{"deep trees are taken up to be removed", Break{
		"internal/sys/removetree.go", "if depth >= removeDepth {", "if depth >= 100*removeDepth {", in("internal/sys", "TestRemoveTree"),
	}},
	{"lines of the trail are bounded", Break{
		"engine/audit/trail.go", "r = r.bounded()", "_ = r.bounded", in("engine/audit", "TestLongRecords"),
	}},
	{"JSON does not command a terminal", Break{
		"internal/format/safe.go", "out.Write(escaped(b.Bytes()))", "out.Write(b.Bytes())", in("internal/format", "TestJSONIsPrintable"),
	}},
	{"configuration of others", Break{
		"cmd/burrow/conf/read.go", "if err := sys.CheckWriters(f); err != nil {", "if err := sys.CheckWriters(f); err != nil && f == nil {", in("cmd/burrow/conf", "TestFilesOfOthers"),
	}},
	{"signature policy of others", Break{
		"engine/image/policy.go", "if err := hostsys.CheckWriters(f); err != nil {", "if err := hostsys.CheckWriters(f); err != nil && f == nil {", in("engine/image", "TestPolicyOfOthers"),
	}},
	{"login UID", Break{
		"userns/nsjoin/enter.c", "if (strcmp(buf, \"4294967295\") != 0)\n\t\treturn;", "return;", in("userns/nsjoin", "TestLoginUID"),
	}},
	{"the end of what was killed", Break{
		"engine/execs.go", "if rec.unseenEnd() && rec.abandoned() {", "if rec.unseenEnd() && rec.abandoned() && rec.PID < 0 {", cmd("TestScript/every-start-has-an-end"),
	}},
	{"an end is written once", Break{
		"engine/audit/settle.go", "if l.ended[end.process()] {", "if l.ended[end.process()] && end.PID < 0 {", in("engine/audit", "TestEndIsWrittenOnce"),
	}},
	{"the journal is compared", Break{
		"engine/audit/verify.go", "case last > w.Records:", "case last < 0:", in("engine/audit", "TestJournalFindsMore"),
	}},
	{"slirp4netns is filtered", Break{
		"slirp/slirp4netns.go", "\t\t\"--enable-seccomp\",\n", "", in("slirp", "TestPosture"),
	}},
	{"the unpacker is filtered", Break{
		"engine/image/unpack/confine.c", "return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);", "return prog.len ? 0 : -1;",
		in("engine/image/unpack", "TestWorkerIsConfined"),
	}},
	{"the unpacker's root is the layer", Break{
		"engine/image/unpack/confine.c", "return fchdir(ROOT_FD) || chroot(\".\") || chdir(\"/\") ? -1 : 0;", "return fchdir(ROOT_FD) ? -1 : 0;",
		in("engine/image/unpack", "TestWorkerIsConfined"),
	}},
	{"cp is filtered", Break{
		"engine/copy.go", "if err := confine(\"cp\"); err != nil {", "if err := error(nil); err != nil {", cmd("TestCopyExecutesNothing"),
	}},
	{"a record is that of its directory", Break{
		"engine/record.go", "case err == nil && rec.ID != id:", "case err == nil && rec.ID == \"\":", in("engine", "TestDamagedRecords"),
	}},
	{"other ABIs are killed", Break{
		"security/seccomp_head.go", "return append(out, ret(unix.SECCOMP_RET_KILL_PROCESS))", "return append(out, ret(unix.SECCOMP_RET_ALLOW))",
		in("security", "TestForeignABIs"),
	}},
	{"documents are read in one way", Break{
		"engine/image/config.go", "same = strings.ToLower(key)", "same = key + strings.ToLower(\"\")", in("engine/image", "FuzzConfig"),
	}},
}

// nosuidTwice: a volume gets it as a flag and as an attribute; either is enough.
const nosuidTwice = `		attrs |= sys.AttrNoSUID
	}
	if !m.Dev {
		attrs |= sys.AttrNoDev
	}
	return attrs
}

func mountFlags(m spec.Mount) uintptr {
	var flags uintptr
	if m.ReadOnly {
		flags |= sys.MountReadOnly
	}
	if !m.SUID {
		flags |= sys.MountNoSUID`

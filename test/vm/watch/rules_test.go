package main

import (
	"strings"
	"testing"

	"github.com/burrow-run/burrow/idmap"
)

func person(name string, uid, first uint32) user {
	own := idmap.Range{Start: uid, Count: 1}
	subs := idmap.Range{Start: first, Count: 65536}
	return user{name: name, uid: uid, gid: uid, uids: []idmap.Range{own, subs}, gids: []idmap.Range{own, subs}}
}

var people = []user{person("alice", 1000, 100000), person("carol", 1002, 300000)}

// good is a process in a container of alice's, as her user 33.
func good() process {
	return process{
		pid: 7, uids: [4]uint32{100032, 100032, 100032, 100032}, gids: [4]uint32{100032, 100032, 100032, 100032},
		loginUID: "1000", owners: []uint32{1000, 1000}, cgroup: "/user.slice/user-1000.slice/user@1000.service/x",
		exe: "/bin/sleep", noNewPrivs: true, mark: "alice/web",
		uidMap: idmap.Map{{Container: 0, Host: 1000, Count: 1}, {Container: 1, Host: 100000, Count: 1000}},
	}
}

// Each rule finds what breaks it, and only that.
func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*process)
		rules  string
	}{
		"good": {func(*process) {}, ""},
		"on the host": {func(p *process) {
			p.owners, p.uids, p.gids = nil, [4]uint32{1000, 1000, 1000, 1000}, [4]uint32{1000, 1000, 1000, 1000}
		}, ""},
		"another's login":           {func(p *process) { p.loginUID = "1002" }, ruleLogin},
		"no login":                  {func(p *process) { p.loginUID = "4294967295" }, ruleLogin},
		"root's login":              {func(p *process) { p.loginUID = "0" }, ruleLogin},
		"another's saved UID":       {func(p *process) { p.uids[2] = 300000 }, ruleIDs},
		"nobody's GID":              {func(p *process) { p.gids[1] = 65534 }, ruleIDs},
		"a group of the host":       {func(p *process) { p.groups = []uint32{4} }, ruleIDs},
		"UIDs and GIDs of two":      {func(p *process) { p.gids = [4]uint32{300000, 300000, 300000, 300000} }, ruleIDs},
		"another's namespace":       {func(p *process) { p.owners = []uint32{1000, 1002} }, ruleOwner},
		"root's namespace":          {func(p *process) { p.owners = []uint32{0} }, ruleOwner},
		"a service's cgroup":        {func(p *process) { p.cgroup = "/system.slice/cron.service" }, ruleCgroup},
		"another's cgroup":          {func(p *process) { p.cgroup = "/user.slice/user-1002.slice/burrow" }, ruleCgroup},
		"a longer number":           {func(p *process) { p.cgroup = "/user.slice/user-10000.slice/x" }, ruleCgroup},
		"setuid":                    {func(p *process) { p.gains, p.noNewPrivs = true, false }, ruleGains},
		"setuid that has no effect": {func(p *process) { p.gains = true }, ""},
		"capabilities on the host":  {func(p *process) { p.owners, p.effective = nil, 1 }, ruleGains},
		"capabilities inside":       {func(p *process) { p.effective = 1 }, ""},
		"newuidmap": {func(p *process) {
			p.exe, p.gains, p.noNewPrivs, p.owners, p.effective = "/usr/bin/newuidmap", true, false, nil, 1
			p.uids, p.gids = [4]uint32{1000, 0, 0, 0}, [4]uint32{1000, 1000, 1000, 1000}
		}, ""},
		"newuidmap of an image": {func(p *process) {
			p.exe, p.gains, p.noNewPrivs = "/usr/bin/newuidmap", true, false
		}, ruleGains},
		"nobody's at all": {func(p *process) {
			p.loginUID, p.cgroup, p.owners, p.uids = "0", "/init.scope", []uint32{0}, [4]uint32{}
		}, ruleLogin + " " + ruleIDs + " " + ruleCgroup + " " + ruleOwner},
	} {
		p := good()
		c.change(&p)
		whose, found := judge(people, p)
		var rules []string
		for _, v := range found {
			rules = append(rules, v.rule)
		}
		if got := strings.Join(rules, " "); got != c.rules || (whose != "alice") != (name == "nobody's at all") {
			t.Errorf("%s: %s's, %v, want %q", name, whose, found, c.rules)
		}
	}
}

func TestWrongAnswers(t *testing.T) {
	number := func(n uint32) *uint32 { return &n }
	right := func() answer {
		a := answer{PID: 7}
		a.User.UID = number(1000)
		a.Containers = append(a.Containers, struct {
			Name string  `json:"name"`
			UID  *uint32 `json:"uid"`
		}{"web", number(33)})
		return a
	}
	if said := right().wrong(people[0], good()); said != "" {
		t.Error("a right answer: " + said)
	}
	for name, change := range map[string]func(*answer){
		"no process":        func(a *answer) { a.PID = 0 },
		"no user":           func(a *answer) { a.User.UID = nil },
		"another user":      func(a *answer) { a.User.UID = number(1002) },
		"no container":      func(a *answer) { a.Containers = nil },
		"another container": func(a *answer) { a.Containers[0].Name = "db" },
		"no UID inside":     func(a *answer) { a.Containers[0].UID = nil },
		"another UID":       func(a *answer) { a.Containers[0].UID = number(0) },
	} {
		a := right()
		change(&a)
		if a.wrong(people[0], good()) == "" {
			t.Error("passes: " + name)
		}
	}
}

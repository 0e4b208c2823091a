package engine

import (
	"context"
	"fmt"
	"reflect"

	"github.com/burrow-run/burrow/engine/audit"
	"github.com/burrow-run/burrow/engine/cgroup"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
)

// Update changes limits and restart policy of a container: at once if it runs,
// and for its next starts. change gets the container's Spec and may change
// Resources and Restart; nothing else of it is used.
func Update(ctx context.Context, d paths.Dirs, ref string, change func(*spec.Spec) error) (Record, error) {
	rec, err := Lookup(d, ref)
	if err != nil {
		return rec, err
	}
	unlock, err := lockNames(d) // of two that change one container, one comes after the other
	if err != nil {
		return rec, err
	}
	defer unlock()
	if rec, err = LoadRecord(rec.dir); err != nil {
		return rec, err
	}
	s := rec.Spec
	if err := change(&s); err != nil {
		return rec, err
	}
	if rec.Running() {
		if err := rec.updateCgroup(ctx, s.Resources); err != nil {
			return rec, fmt.Errorf("update %s: %w", rec.Name, err)
		}
	}
	// The run writes this file before the container runs, and never after.
	rec.Spec.Resources, rec.Spec.Restart = s.Resources, s.Restart
	if err := rec.saveDetails(rec.dir); err != nil {
		return rec, err
	}
	noteDone(d, rec, audit.Update)
	return rec, nil
}

// updateCgroup sets what has changed in a running container's cgroup.
func (r Record) updateCgroup(ctx context.Context, now spec.Resources) error {
	changed := changedResources(r.Spec.Resources, now)
	if reflect.DeepEqual(changed, spec.Resources{}) && reflect.DeepEqual(r.Spec.Resources, now) {
		return nil
	}
	if r.Cgroup == "" {
		return r.noCgroup(ctx)
	}
	err := cgroup.Update(r.Cgroup, r.ID, limitsToSet(r.Spec.Resources, now), asked(changed))
	if err != nil {
		return hint.New(err, "burrow doctor")
	}
	return nil
}

// limitsToSet leaves out what stays as it is.
func limitsToSet(before, now spec.Resources) cgroup.Limits {
	changed := changedResources(before, now)
	l := limits(changed)
	if changed.PidsLimit == nil {
		l.Pids = 0 // not the default
	}
	lift(&l, before, now)
	return l
}

// changedResources is now without what is as before.
func changedResources(before, now spec.Resources) spec.Resources {
	out := now
	out.CgroupParent, out.NoCgroup = "", false
	if now.Memory == before.Memory {
		out.Memory = 0
	}
	if now.MemorySwap == before.MemorySwap {
		out.MemorySwap = 0
	}
	if out.MemorySwap != 0 {
		out.Memory = now.Memory // the kernel's limit is the difference
	}
	if out.Memory != 0 && now.MemorySwap != 0 {
		out.MemorySwap = now.MemorySwap
	}
	if now.MemoryReservation == before.MemoryReservation {
		out.MemoryReservation = 0
	}
	if now.CPUQuota == before.CPUQuota && now.CPUPeriod == before.CPUPeriod {
		out.CPUQuota, out.CPUPeriod = 0, 0
	}
	if now.CPUShares == before.CPUShares {
		out.CPUShares = 0
	}
	if now.CPUSetCPUs == before.CPUSetCPUs {
		out.CPUSetCPUs = ""
	}
	if now.CPUSetMems == before.CPUSetMems {
		out.CPUSetMems = ""
	}
	if now.BlkioWeight == before.BlkioWeight {
		out.BlkioWeight = 0
	}
	if reflect.DeepEqual(now.PidsLimit, before.PidsLimit) {
		out.PidsLimit = nil
	}
	return out
}

// lift makes "no limit any more", which is zero in a Spec, something to be done.
func lift(l *cgroup.Limits, before, now spec.Resources) {
	if before.Memory != 0 && now.Memory == 0 {
		l.Memory, l.MemorySwap = -1, -1
	}
	if before.CPUQuota != 0 && now.CPUQuota == 0 {
		l.CPUQuota = -1
	}
}

// Package health decides when a container is checked and what the outcome
// means. It runs nothing itself and knows no container: its caller hands it a
// Prober, and is told of each State.
//
//	Monitor.Run ── when a check is due, or asked for ──► Prober.Probe ──► Result
//	     ▲                                                                  │
//	     └── delay ◄── Config.next ◄── State.apply ◄────────────────────────┘
//	                                       └──► Keeper.Save, Keeper.Act
//
// The rules are Podman's: the first check is due at once, the next an interval after
// the last has ended, so that checks never overlap. Where Podman's documentation and
// program differ, as on whether successes of a startup check must be in a row,
// it is the documentation. --health-start-interval is Docker's.
package health

// Package audit keeps the trail of what containers did: one record for each
// start, each exec and each end, with who asked for it.
//
//	run, exec ──► Append ──► $XDG_STATE_HOME/burrow/audit.jsonl   hash-chained, one JSON object per line
//	                  └────► journald's native socket, where there is one
//	burrow events, burrow audit ◄── Read, Verify, VerifyJournal
//
// Who writes a beginning may be killed before the end. Settle writes the ends that are
// missing of one container; who calls it, and when, is engine's affair (execs.go there).
//
// Each record holds the hash of the line before it, so that a line that was
// changed, left out or inserted is found by Verify. Whoever can write the file
// can write a whole new chain: the trail shows tampering with single records,
// not a forgery of all of it. For that the same records and the hashes of their lines are in
// the journal, which the user cannot change, with the user's UID and login UID that the
// kernel vouches for.
//
// Values of the environment and arguments are not recorded: arguments only as a hash.
// Appending takes a lock for some microseconds and does not sync.
package audit

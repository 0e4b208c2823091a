// Package journal writes to journald's native socket and reads what journalctl
// exports.
//
//	Conn.Send ──► /run/systemd/journal/socket   systemd.io/JOURNAL_NATIVE_PROTOCOL
//	Decode    ◄── journalctl --output=export    systemd.io/JOURNAL_EXPORT_FORMATS
//
// Sending waits while journald is behind, so nothing is lost on the way to it.
// What journald itself drops, by its RateLimitBurst= or because its disk is full,
// is not seen from here.
package journal

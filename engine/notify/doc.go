// Package notify speaks sd_notify(3), with which a service tells its manager how
// it is.
//
//	systemd ◄── Manager ◄── Filter ◄── Proxy ◄── payload
//	NOTIFY_SOCKET           the supervisor        a socket of its own in the container
//
// The manager's own socket never gets into a container: who can write to it can
// store descriptors there, name any process the main one, and fill the queue of
// a service manager that all services share. Of what the payload says, only
// states go on ([Filter]); descriptors are closed by the kernel, because nobody
// asks for them; a payload that says too much waits.
//
// It does not check who in the container speaks: all of it is one service.
package notify

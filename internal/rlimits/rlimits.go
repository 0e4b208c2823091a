//go:build linux && cgo

// Package rlimits makes one line of what the Go runtime says where it gets no
// addresses or threads: its stacks, and SIGABRT. Who imports it has its threads
// watched; package nsjoin has the rest tried before Go starts.
//
// It does not raise limits: the payload inherits them as the caller set them.
package rlimits

/*
#cgo CFLAGS: -Wall -Wextra -Werror -O2
// limits.c sees every thread that Go asks for.
#cgo LDFLAGS: -Wl,--wrap=pthread_create
*/
import "C"

package main

import "testing"

const help = `Run a command in a new container

It stays in the foreground.
.dot first

Usage:
  burrow run [OPTIONS] IMAGE

Aliases:
  run, r

Available Commands:
  sub         Do less

Flags:
  -e, --env stringArray   set a variable
                          (repeatable)
      --rm                remove it afterwards

Global Flags:
      --debug   say what happens

Use "burrow [command] --help" for more information about a command.
`

const want = `.TH BURROW-RUN 1 "" "Burrow v1\-2" "Burrow"
.SH NAME
burrow\-run \- Run a command
.SH SYNOPSIS
burrow run [OPTIONS] IMAGE
.SH DESCRIPTION
Run a command in a new container
.PP
It stays in the foreground.
\&.dot first
.SH COMMANDS
.TP
\fBsub\fR
Do less
.SH OPTIONS
.TP
\fB\-e, \-\-env stringArray\fR
set a variable (repeatable)
.TP
\fB\-\-rm\fR
remove it afterwards
.SH GLOBAL OPTIONS
.TP
\fB\-\-debug\fR
say what happens
.SH SEE ALSO
\fBburrow\fR(1), \fBburrow\-run\-sub\fR(1)
`

func TestPage(t *testing.T) {
	p := parse(help)
	p.name, p.short, p.above = "burrow-run", "Run a command", []string{"burrow"}
	if got := p.roff("v1-2"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

//go:build linux && cgo

package unpack

/*
#cgo CFLAGS: -Wall -Wextra -Werror -O2 -fstack-protector-strong
#include "confine.h"

static void __attribute__((constructor)) burrow_unpack_constructor(int argc, char **argv)
{
	burrow_unpack_confine(argc, argv);
}
*/
import "C"

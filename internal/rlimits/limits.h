/* What other C code of this module may call. */
#ifndef BURROW_LIMITS_H
#define BURROW_LIMITS_H

/* Ends this process with one line if the Go runtime could not start. */
void burrow_check_limits(void);

#endif

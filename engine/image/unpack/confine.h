#ifndef BURROW_UNPACK_CONFINE_H
#define BURROW_UNPACK_CONFINE_H

// argv[0] of the worker, as WorkerName in worker.go.
#define BURROW_UNPACK_NAME "burrow-unpack"

void burrow_unpack_confine(int argc, char **argv);

#endif

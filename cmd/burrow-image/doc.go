// Command burrow-image holds everything of Burrow that deals with images as
// such: pull, push, load, import, images, tag, inspect, save, rmi and others. `burrow` starts
// it for these commands; keeping it apart keeps `burrow run` small and quick,
// and the code that parses what strangers made out of it.
//
// It runs inside the user's anchor namespace, as its root. Data and IDs go to
// standard output, errors and progress to standard error; progress only if
// that is a terminal. It exits with 0, 1 for "no" (image exists), or 125.
package main

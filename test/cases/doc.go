// Package cases is the table of known attacks on container engines, each with
// the tests that show it does not work here and what shows that those can fail.
//
// The rows are data (rows_*.go). Four things are made of them:
//
//	docs/security.md     the table between the markers       go run ./hack/cases doc
//	make test-security   runs the tests, prints the results  go run ./hack/cases run
//	make test-controls   takes each listed mitigation out of the code, in a build
//	                     of its own, and demands that the test fails
//	                                                         go run ./hack/cases controls
//	the tests here       no row without a test and a control, no test that does
//	                     not exist, no document that is not what this generates
//
// It protects nothing and is linked into no executable.
package cases

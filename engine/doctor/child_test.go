package doctor_test

import "context"

// backgroundForChild is the context of a test binary that plays the doctor: it
// has no test to take one from.
func backgroundForChild() context.Context { return context.Background() }

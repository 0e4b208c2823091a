package health

import "time"

// Podman's defaults.
const (
	DefaultInterval    = 30 * time.Second
	DefaultTimeout     = 30 * time.Second
	DefaultRetries     = 3
	DefaultMaxLogCount = 5
	DefaultMaxLogSize  = 500 // bytes; a character counts as what it takes

	// defaultStartInterval is Docker's, unless the interval is shorter anyway.
	defaultStartInterval = 5 * time.Second
)

// Check is a command that is run in a container.
type Check struct {
	Args    []string      `json:"args"`
	Timeout time.Duration `json:"timeout"` // then it is killed, and has failed
	MaxLog  int           `json:"max_log"` // bytes of its output that are kept
}

// Config is what a container is checked with. [Config.WithDefaults] fills it in.
type Config struct {
	Check
	Interval      time.Duration // between the end of a check and the next; negative: only on request
	StartPeriod   time.Duration // failures do not count until then, or until the first success
	StartInterval time.Duration // in place of Interval in that time
	Retries       int           // failures in a row that make it unhealthy
	MaxLogCount   int           // results that are kept

	Startup *Startup // nil: none
}

// Startup is a check that has to succeed before the other one begins.
type Startup struct {
	Check
	Interval  time.Duration // as Config's
	Retries   int           // failures that restart the container; 0: none do
	Successes int           // in a row that end the startup
}

// WithDefaults returns c with Podman's values for what is zero.
func (c Config) WithDefaults() Config {
	set(&c.Interval, DefaultInterval)
	set(&c.Timeout, DefaultTimeout)
	set(&c.Retries, DefaultRetries)
	set(&c.MaxLogCount, DefaultMaxLogCount)
	set(&c.MaxLog, DefaultMaxLogSize)
	start := defaultStartInterval
	if c.Interval > 0 {
		start = min(start, c.Interval)
	}
	set(&c.StartInterval, start)
	if c.Startup != nil {
		s := *c.Startup
		set(&s.Interval, DefaultInterval)
		set(&s.Timeout, DefaultTimeout)
		set(&s.Successes, 1)
		s.MaxLog = c.MaxLog
		c.Startup = &s
	}
	return c
}

func set[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// never is how long it takes until a check that is only run on request.
const never = time.Duration(-1)

// next is how long after now the next check is due.
func (c Config) next(s State, started, now time.Time) time.Duration {
	switch {
	case c.starting(s) && c.Startup.Interval < 0, !c.starting(s) && c.Interval < 0:
		return never
	case c.starting(s):
		return c.Startup.Interval
	case s.Status == Starting && now.Sub(started) < c.StartPeriod:
		return c.StartInterval
	}
	return c.Interval
}

// starting says that the startup check has not succeeded yet.
func (c Config) starting(s State) bool { return c.Startup != nil && !s.Started }

// due is the check that is run next.
func (c Config) due(s State) Check {
	if c.starting(s) {
		return c.Startup.Check
	}
	return c.Check
}

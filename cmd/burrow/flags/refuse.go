package flags

import "github.com/spf13/pflag"

// Refusal is a flag of some command that is known and not carried out.
type Refusal struct{ r refusal }

// On is a refused flag without a value. why completes "is not supported by this
// version"; advice is a hint. Both may be empty.
func On(name, why, advice string) Refusal { return Refusal{on(name, why, advice)} }

// No is a refused flag with a value; those in fine ask for what happens anyway.
func No(name, why, advice string, fine ...string) Refusal {
	return Refusal{no(name, why, advice, fine...)}
}

// Short is the same flag with a shorthand.
func (r Refusal) Short(letter string) Refusal {
	r.r.short = letter
	return r
}

// Refuse defines the flags on fs, hidden. What it returns is to be called once the
// command line is parsed; it is the error that the first one deserves that was given.
func Refuse(fs *pflag.FlagSet, list ...Refusal) (check func() error) {
	for i := range list {
		list[i].r.define(fs)
	}
	return func() error {
		for i := range list {
			if err := list[i].r.check(fs); err != nil {
				return err
			}
		}
		return nil
	}
}

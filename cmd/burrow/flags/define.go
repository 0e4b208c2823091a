package flags

import (
	"strings"

	"github.com/spf13/pflag"
)

// groupKey is the annotation that holds a flag's group.
const groupKey = "burrow_group"

// definer defines flags of one group. A word in back quotes in the usage is the
// name that the help shows for the value.
type definer struct {
	fs    *pflag.FlagSet
	group string
}

func (d definer) in(group string) definer { return definer{d.fs, group} }

func (d definer) mark(name string) {
	// The only error is an unknown name, and the caller has just defined it.
	_ = d.fs.SetAnnotation(name, groupKey, []string{d.group})
}

func (d definer) str(p *string, name, short, usage string) {
	d.fs.StringVarP(p, name, short, "", usage)
	d.mark(name)
}

// list takes a value per flag, commas included.
func (d definer) list(p *[]string, name, short, usage string) {
	d.fs.StringArrayVarP(p, name, short, nil, usage)
	d.mark(name)
}

// csv takes several values per flag, separated by commas.
func (d definer) csv(p *[]string, name, short, usage string) {
	d.fs.VarP((*commaList)(p), name, short, usage)
	d.mark(name)
}

// commaList collects values separated by commas. pflag's own list reads them as
// CSV and drops whatever follows a line break without a word.
type commaList []string

// Set adds the values in s.
func (l *commaList) Set(s string) error {
	if s != "" {
		*l = append(*l, strings.Split(s, ",")...)
	}
	return nil
}

// Append, Replace and GetSlice make it a pflag.SliceValue.
func (l *commaList) Append(s string) error { return l.Set(s) }

// Replace forgets what was there.
func (l *commaList) Replace(values []string) error {
	*l = values
	return nil
}

// GetSlice returns the values.
func (l *commaList) GetSlice() []string { return *l }

// String returns the values as they could have been typed.
func (l *commaList) String() string { return strings.Join(*l, ",") }

// Type is what the help shows for a flag that names no value.
func (l *commaList) Type() string { return "strings" }

func (d definer) bool(p *bool, name, short string, def bool, usage string) {
	d.fs.BoolVarP(p, name, short, def, usage)
	d.mark(name)
}

// Usages returns the help text of all visible flags, a paragraph per group.
func Usages(fs *pflag.FlagSet) string {
	var order []string
	sets := map[string]*pflag.FlagSet{}
	fs.VisitAll(func(f *pflag.Flag) {
		g := "Other"
		if a := f.Annotations[groupKey]; len(a) > 0 {
			g = a[0]
		}
		if sets[g] == nil {
			sets[g] = pflag.NewFlagSet(g, pflag.ContinueOnError)
			sets[g].SortFlags = false
			order = append(order, g)
		}
		sets[g].AddFlag(f)
	})
	var b strings.Builder
	for _, g := range order {
		if text := sets[g].FlagUsages(); text != "" {
			b.WriteString(g + ":\n" + text + "\n")
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

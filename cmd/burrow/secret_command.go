package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/secret"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/format"
	"github.com/burrow-run/burrow/internal/hint"
)

func (a *app) secretCommand() *cobra.Command {
	cmd := group("secret", "Manage secrets")
	cmd.AddCommand(a.secretCreate(), a.secretList(), a.secretInspect(), a.secretRemove(), a.secretExists())
	return cmd
}

// secrets is the caller's store. As root it belongs to root's first sub-ID, as
// all else does: only in the anchor can it be written.
func (a *app) secrets(do func(secret.Store, []string) error) func(*cobra.Command, []string) error {
	return a.inAnchor(func(_ *cobra.Command, c caller, args []string) error { return do(engine.Secrets(c.dirs), args) })
}

func (a *app) secretCreate() *cobra.Command {
	var driver string
	var labels []string
	var fromEnv, replace bool
	cmd := &cobra.Command{Use: "create [OPTIONS] NAME FILE|-", Short: "Keep a secret", Args: exactly(2, "a name, and a file or - or with --env a variable")}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := spec.CheckName(args[0]); err != nil {
			return fmt.Errorf("name %w", err)
		}
		if driver != "file" {
			return hint.New(fmt.Errorf("--driver %q: there is only file", driver), "burrow secret create --help")
		}
		l, err := pairs("label", labels)
		if err != nil {
			return err
		}
		return a.secrets(func(s secret.Store, args []string) error {
			data, err := a.readSecret(args[1], fromEnv)
			if err != nil {
				return err
			}
			sec, err := s.Create(args[0], data, l, replace)
			if err != nil {
				return err
			}
			return printTo(a.out, sec.ID+"\n")
		})(cmd, args)
	}
	cmd.Flags().StringVarP(&driver, "driver", "d", "file", "secret `DRIVER`")
	cmd.Flags().StringArrayVarP(&labels, "label", "l", nil, "label, `KEY[=VALUE]`")
	cmd.Flags().BoolVar(&fromEnv, "env", false, "the secret is in the environment variable that is named in place of a file")
	cmd.Flags().BoolVar(&replace, "replace", false, "replace a secret that has the name")
	return cmd
}

func (a *app) readSecret(from string, fromEnv bool) ([]byte, error) {
	if fromEnv {
		value, ok := os.LookupEnv(from)
		if !ok {
			return nil, fmt.Errorf("environment variable %s is not set", spec.Quote(from))
		}
		return []byte(value), nil
	}
	in := a.in
	if from != "-" {
		f, err := os.Open(from)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, secret.MaxSize+1))
}

// secretRow is a secret as templates of ls see it.
type secretRow struct {
	ID, Name, Driver, CreatedAt, UpdatedAt string
	Labels                                 map[string]string
}

func (a *app) secretList() *cobra.Command {
	var filters []string
	var text string
	var quiet, noHeading bool
	cmd := &cobra.Command{Use: "ls [OPTIONS]", Aliases: []string{"list"}, Short: "List secrets", Args: exactly(0, "no arguments")}
	cmd.RunE = func(*cobra.Command, []string) error {
		match, err := secretFilter(filters)
		if err != nil {
			return err
		}
		if text == "" || text == "table" {
			text = "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.CreatedAt}}\t{{.UpdatedAt}}"
		}
		if quiet {
			text, noHeading = "{{.ID}}", true
		}
		c, _, _, err := whoAmI()
		if err != nil {
			return err
		}
		list, err := engine.Secrets(c.dirs).List()
		if err != nil {
			return err
		}
		rows := []secretRow{}
		for _, s := range list {
			if s.ID == "" {
				warn(a.err, "secret "+s.Name+": its record is damaged; burrow secret rm "+s.Name+" removes it")
				continue
			}
			if match(s) {
				rows = append(rows, secretRow{s.ID, s.Name, "file", ago(s.Created), ago(s.Updated), s.Labels})
			}
		}
		if text == "json" {
			return a.printJSON(rows)
		}
		t, err := format.New(text, "json", "table")
		if err != nil {
			return err
		}
		heads := t.Heads(map[string]string{"CreatedAt": "CREATED", "UpdatedAt": "UPDATED"})
		if noHeading {
			heads = nil
		}
		return format.Print(t, a.out, rows, heads, 0)
	}
	cmd.Flags().StringArrayVarP(&filters, "filter", "f", nil, "only secrets of which `KEY=VALUE` holds: name, id")
	cmd.Flags().StringVar(&text, "format", "", "json, table, or a Go template")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "IDs only")
	cmd.Flags().BoolVarP(&noHeading, "noheading", "n", false, "no headings")
	return cmd
}

func ago(t time.Time) string { return units.HumanDuration(time.Since(t)) + " ago" }

// secretFilter chooses by name, a regular expression, and by the beginning of the ID.
func secretFilter(filters []string) (func(secret.Secret) bool, error) {
	var names []*regexp.Regexp
	var ids []string
	for _, f := range filters {
		key, value, _ := strings.Cut(f, "=")
		switch key {
		case "name":
			re, err := regexp.Compile(value)
			if err != nil {
				return nil, fmt.Errorf("--filter %q: %w", f, err)
			}
			names = append(names, re)
		case "id":
			ids = append(ids, value)
		default:
			return nil, hint.New(fmt.Errorf("--filter %q: unknown key", f), "the keys are name and id")
		}
	}
	return func(s secret.Secret) bool {
		name, id := len(names) == 0, len(ids) == 0
		for _, re := range names {
			name = name || re.MatchString(s.Name)
		}
		for _, prefix := range ids {
			id = id || strings.HasPrefix(s.ID, prefix)
		}
		return name && id
	}, nil
}

// secretInspected has Podman's names.
type secretInspected struct {
	ID        string
	CreatedAt time.Time
	UpdatedAt time.Time
	Spec      struct {
		Name   string
		Driver struct {
			Name    string
			Options map[string]string
		}
		Labels map[string]string
	}
	SecretData string `json:",omitempty"`
}

func (a *app) secretInspect() *cobra.Command {
	var template string
	var show bool
	cmd := &cobra.Command{Use: "inspect [OPTIONS] SECRET [SECRET...]", Short: "Show secrets as JSON", Args: atLeastOne("a secret")}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		c, _, _, err := whoAmI()
		if err != nil {
			return err
		}
		store := engine.Secrets(c.dirs)
		out := make([]secretInspected, 0, len(args))
		for _, ref := range args {
			s, err := store.Get(ref)
			if err != nil {
				return err
			}
			v := secretInspected{ID: s.ID, CreatedAt: s.Created.Local(), UpdatedAt: s.Updated.Local()}
			v.Spec.Name, v.Spec.Labels = s.Name, s.Labels
			v.Spec.Driver.Name, v.Spec.Driver.Options = "file", map[string]string{}
			if v.Spec.Labels == nil {
				v.Spec.Labels = map[string]string{}
			}
			if show {
				data, err := store.Data(s.Name)
				if err != nil {
					return err
				}
				v.SecretData = string(data)
			}
			out = append(out, v)
		}
		if template == "" || template == "json" {
			return a.printJSON(out)
		}
		t, err := format.New(template, "json")
		if err != nil {
			return err
		}
		return format.Print(t, a.out, out, nil, 0)
	}
	cmd.Flags().StringVarP(&template, "format", "f", "", "json, or a Go template")
	cmd.Flags().BoolVar(&show, "showsecret", false, "show the secret itself, too")
	return cmd
}

func (a *app) secretRemove() *cobra.Command {
	var all, ignore bool
	cmd := &cobra.Command{Use: "rm [OPTIONS] SECRET [SECRET...]", Aliases: []string{"remove"}, Short: "Remove secrets"}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.secrets(func(store secret.Store, args []string) error {
			args, err := namesOrAll(cmd, args, all, "a secret", func() (names []string, err error) {
				list, err := store.List()
				for _, s := range list {
					names = append(names, s.Name)
				}
				return names, err
			})
			if err != nil {
				return err
			}
			return a.each(args, func(ref string) error {
				s, err := store.Get(ref)
				if errors.Is(err, secret.ErrNotFound) {
					if ignore {
						return nil
					}
					return err
				}
				name := orElse(s.Name, ref) // a damaged one has nothing else
				if err := store.Remove(name); err != nil {
					return err
				}
				return printTo(a.out, orElse(s.ID, name)+"\n")
			})
		})(cmd, args)
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "all secrets")
	cmd.Flags().BoolVarP(&ignore, "ignore", "i", false, "a secret that does not exist is no error")
	return cmd
}

func (a *app) secretExists() *cobra.Command {
	return &cobra.Command{
		Use: "exists SECRET", Short: "Say by exit code whether a secret exists", Args: exactly(1, "one secret"),
		RunE: func(_ *cobra.Command, args []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			_, err = engine.Secrets(c.dirs).Get(args[0])
			if errors.Is(err, secret.ErrNotFound) {
				return exitCode(1)
			}
			return err
		},
	}
}

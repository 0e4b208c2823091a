package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine/image"
	"github.com/burrow-run/burrow/internal/format"
	"github.com/burrow-run/burrow/internal/hint"
)

func (a *app) trustCmd() *cobra.Command {
	c := &cobra.Command{Use: "trust", Short: "Say which images are accepted", Args: noArgs, RunE: func(c *cobra.Command, _ []string) error {
		return hint.New(errors.New("trust needs a command"), c.CommandPath()+" --help")
	}}
	c.AddCommand(a.trustShowCmd(), a.trustSetCmd())
	return c
}

func (a *app) trustShowCmd() *cobra.Command {
	var file string
	var json, raw, bare bool
	c := &cobra.Command{
		Use: "show [flags] [REGISTRY[/REPOSITORY]]", Short: "Show which images are accepted", Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if raw && (json || bare || len(args) > 0) {
				return errors.New("--raw excludes other flags and REGISTRY")
			}
			s, err := a.store()
			if err != nil {
				return err
			}
			if raw {
				b, err := s.PolicyText(file)
				if err == nil {
					_, err = a.out.Write(b)
				}
				return err
			}
			found, err := s.Trusted(file, append(args, "")[0])
			if err != nil {
				return err
			}
			if json {
				return printJSON(a.out, found, "  ")
			}
			return a.printTrust(found, bare)
		},
	}
	f := c.Flags()
	f.BoolVarP(&json, "json", "j", false, "print JSON")
	f.BoolVar(&raw, "raw", false, "print the policy file as it is")
	f.BoolVarP(&bare, "noheading", "n", false, "print no headings")
	f.StringVar(&file, "signature-policy", "", "show the policy in `FILE`")
	return c
}

func (a *app) printTrust(found []image.TrustEntry, bare bool) error {
	t, err := format.New("table {{.Transport}}\t{{.RepoName}}\t{{.Type}}\t{{.GPGID}}\t{{.SignatureStore}}")
	if err != nil {
		return err
	}
	heads := t.Heads(map[string]string{"RepoName": "NAME", "GPGID": "ID", "SignatureStore": "STORE"})
	if bare {
		heads = nil
	}
	return format.Print(t, a.out, found, heads, imageColumn)
}

func (a *app) trustSetCmd() *cobra.Command {
	var file, kind string
	var keys []string
	c := &cobra.Command{
		Use: "set [flags] REGISTRY[/REPOSITORY]|default", Short: "Say which images of a registry are accepted", Args: cobra.ExactArgs(1),
		Long: "Say which images of a registry or repository are accepted, or, with default, which of all others. The user's own policy is\n" +
			"changed (~/.config/containers/policy.json), which Podman and Skopeo go by, too; the system's stays as it is.",
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.store()
			if err != nil {
				return err
			}
			return s.SetTrust(cmd.Context(), file, args[0], kind, keys)
		},
	}
	f := c.Flags()
	f.StringArrayVarP(&keys, "pubkeysfile", "f", nil, "`FILE` of a public key that must have signed; with several, each must have")
	f.StringVarP(&kind, "type", "t", "signedBy", "accept `WHAT`: accept (all), reject (none), signedBy or sigstoreSigned")
	f.StringVar(&file, "signature-policy", "", "change the policy in `FILE`")
	return c
}

package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine/image"
	"github.com/burrow-run/burrow/internal/hint"
)

func (a *app) signCmd() *cobra.Command {
	var r remoteFlags
	var out outFlags
	var o image.SignOptions
	c := &cobra.Command{
		Use: "sign [flags] IMAGE [IMAGE...]", Short: "Sign images at registries with a GPG key", Args: cobra.MinimumNArgs(1),
		Long: "Sign images at registries with a GPG key. The signatures are written to a directory: --directory, else where the files in\n" +
			"registries.d say, else ~/.local/share/containers/sigstore.",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if out.signBy == "" {
				return hint.New(errors.New("sign needs a key"), "--sign-by ID; gpg --list-secret-keys shows yours")
			}
			signing, err := out.signing()
			if err != nil {
				return err
			}
			o.Key, o.Passphrase = signing.GPGKey, signing.Passphrase
			if o.Remote, err = r.remote(cmd.Flags()); err != nil {
				return err
			}
			return a.sign(cmd.Context(), args, o)
		},
	}
	f := c.Flags()
	r.add(f, a.env.authFile)
	f.StringVar(&r.creds, "creds", "", "`USER:PASSWORD` for the registry")
	f.StringVar(&out.signBy, "sign-by", "", "the GPG key `ID`")
	f.StringVar(&out.passphraseFile, "sign-passphrase-file", "", "`FILE` with the passphrase of the key")
	f.StringVarP(&o.Directory, "directory", "d", "", "write signatures below `DIR`")
	f.BoolVarP(&o.All, "all", "a", false, "sign all images of a list, too")
	return c
}

func (a *app) sign(ctx context.Context, refs []string, o image.SignOptions) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if err := s.Sign(ctx, ref, o); err != nil {
			return err
		}
	}
	return nil
}

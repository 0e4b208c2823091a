package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	units "github.com/docker/go-units"
	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine/artifact"
	"github.com/burrow-run/burrow/engine/image"
	"github.com/burrow-run/burrow/internal/format"
	"github.com/burrow-run/burrow/internal/hint"
)

func (a *app) artifactCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "artifact", Short: "Keep files at registries", Args: noArgs,
		Long: "Keep files at registries: OCI artifacts.\n\nAn artifact is some files with a name like an image's. NAME is that name, or the start of the artifact's digest.",
		RunE: func(c *cobra.Command, _ []string) error {
			return hint.New(errors.New("artifact needs a command"), c.CommandPath()+" --help")
		},
	}
	c.AddCommand(
		a.artifactAddCmd(), a.artifactExtractCmd(), a.artifactInspectCmd(), a.artifactListCmd(),
		a.artifactPullCmd(), a.artifactPushCmd(), a.artifactRmCmd(),
	)
	return c
}

func (a *app) artifactAddCmd() *cobra.Command {
	var annotations []string
	var opts image.ArtifactOptions
	c := &cobra.Command{
		Use: "add [flags] NAME FILE [FILE...]", Short: "Make an artifact of files", Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if opts.Annotations, err = pairs("--annotation", annotations); err != nil {
				return err
			}
			s, err := a.store()
			if err != nil {
				return err
			}
			d, err := s.AddArtifact(cmd.Context(), args[0], args[1:], opts)
			if err != nil {
				return err
			}
			a.println(d.Encoded())
			return nil
		},
	}
	f := c.Flags()
	f.StringArrayVar(&annotations, "annotation", nil, "`KEY=VALUE` to say of the files, and of a new artifact; "+imgspec.AnnotationTitle+" is a file's name")
	f.BoolVarP(&opts.Append, "append", "a", false, "append the files to an artifact")
	f.BoolVar(&opts.Replace, "replace", false, "replace an artifact of that name")
	f.StringVar(&opts.FileType, "file-type", "", "media `TYPE` of the files; by default it is guessed from their first bytes")
	f.StringVar(&opts.Type, "type", "", "media `TYPE` of the artifact")
	return c
}

func (a *app) artifactExtractCmd() *cobra.Command {
	var which artifact.Choice
	c := &cobra.Command{
		Use: "extract [flags] NAME PATH", Short: "Write the files of an artifact to a directory, or one to a file", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.store()
			if err != nil {
				return err
			}
			return s.ExtractArtifact(cmd.Context(), args[0], args[1], which)
		},
	}
	c.Flags().StringVar(&which.Digest, "digest", "", "only the file with this `DIGEST`, which in a directory becomes its name")
	c.Flags().StringVar(&which.Title, "title", "", "only the file with this `NAME`")
	return c
}

// artifactInspection is Podman's spelling.
type artifactInspection struct {
	Manifest       imgspec.Manifest `json:"Manifest"`
	Name           string           `json:"Name"`
	Digest         string           `json:"Digest"`
	TotalSizeBytes int64            `json:"-"`
}

func (a *app) artifactInspectCmd() *cobra.Command {
	var text string
	c := &cobra.Command{
		Use: "inspect [flags] NAME", Short: "Show all there is to know of an artifact", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := a.store()
			if err != nil {
				return err
			}
			found, err := s.Artifact(args[0])
			if err != nil {
				return err
			}
			i := artifactInspection{found.Manifest, found.Name, found.Digest.String(), found.Size()}
			if text == "json" || text == "" {
				return printJSON(a.out, i, "     ")
			}
			return a.artifactFormat(text, i)
		},
	}
	c.Flags().StringVarP(&text, "format", "f", "json", "`TEMPLATE`, or json")
	return c
}

// artifactFormat gives a template the names that the JSON has.
func (a *app) artifactFormat(text string, i artifactInspection) error {
	t, err := format.New(text)
	if err != nil {
		return err
	}
	b, err := json.Marshal(i)
	if err != nil {
		return err
	}
	value := map[string]any{}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&value); err != nil {
		return err
	}
	value["TotalSizeBytes"] = i.TotalSizeBytes
	return format.Print(t.Strict(), a.out, []map[string]any{value}, nil, 0)
}

// artifactRow is one line of the list.
type artifactRow struct {
	Repository, Tag, Digest string
	Created, CreatedAt      string
	Size, VirtualSize       string
}

func (a *app) artifactListCmd() *cobra.Command {
	var text string
	var noTrunc, noHeading bool
	c := &cobra.Command{
		Use: "ls [flags]", Aliases: []string{"list"}, Short: "List artifacts", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			s, err := a.store()
			if err != nil {
				return err
			}
			list, err := s.Artifacts()
			if err != nil {
				return err
			}
			rows := make([]artifactRow, 0, len(list))
			for i := range list {
				rows = append(rows, newArtifactRow(&list[i], noTrunc))
			}
			if text == "json" {
				return printJSON(a.out, rows, "    ")
			}
			if text == "" || text == "table" {
				text = "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.Created}}\t{{.Size}}"
			}
			t, err := format.New(text, "json", "table")
			if err != nil {
				return err
			}
			var heads map[string]string
			if !noHeading {
				heads = t.Heads(map[string]string{"CreatedAt": "CREATED AT", "VirtualSize": "VIRTUAL SIZE"})
			}
			return format.Print(t, a.out, rows, heads, imageColumn)
		},
	}
	f := c.Flags()
	f.StringVar(&text, "format", "", "`TEMPLATE` for each artifact, or json")
	f.BoolVarP(&noHeading, "noheading", "n", false, "print no heading")
	f.BoolVar(&noTrunc, "no-trunc", false, "show whole digests")
	return c
}

func newArtifactRow(art *image.Artifact, noTrunc bool) artifactRow {
	r := artifactRow{Digest: art.Digest.Encoded(), Size: units.HumanSize(float64(art.Size())), VirtualSize: strconv.FormatInt(art.Size(), 10)}
	r.Repository, r.Tag = splitName(art.Name)
	if !noTrunc {
		r.Digest = r.Digest[:12]
	}
	if at := art.Created(); !at.IsZero() {
		r.Created, r.CreatedAt = units.HumanDuration(time.Since(at))+" ago", at.String()
	}
	return r
}

func (a *app) artifactPullCmd() *cobra.Command {
	var p pullFlags
	c := &cobra.Command{
		Use: "pull [flags] NAME", Short: "Fetch an artifact from a registry", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("decryption-key") {
				return fmt.Errorf("--decryption-key: %w", image.ErrNotSupported)
			}
			if err := p.finish(cmd.Flags()); err != nil {
				return err
			}
			a.quiet = a.quiet || p.quiet
			return a.artifact(func(s *image.Store) (digest.Digest, error) { return s.PullArtifact(cmd.Context(), args[0], p.opts) })
		},
	}
	f := c.Flags()
	p.add(f, a.env.authFile)
	f.StringVar(&p.creds, "creds", "", "`USER:PASSWORD` for the registry")
	f.StringArray("decryption-key", nil, "not supported: decrypt files")
	f.BoolVarP(&p.quiet, "quiet", "q", false, "show no progress")
	f.IntVar(&p.opts.Retries, "retry", 3, "`TIMES` to try again after a network error")
	f.StringVar(&p.retryDelay, "retry-delay", "", "`TIME` between tries; by default it grows from a second")
	return c
}

// artifact opens the store, lets fn fetch one, and prints its digest.
func (a *app) artifact(fn func(*image.Store) (digest.Digest, error)) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	d, err := fn(s)
	if err != nil {
		return err
	}
	a.println(d.Encoded())
	return nil
}

func (a *app) artifactPushCmd() *cobra.Command {
	var p pushFlags
	c := &cobra.Command{
		Use: "push [flags] NAME [DESTINATION]", Short: "Write an artifact to a registry", Args: cobra.RangeArgs(1, 2),
		Long: "Write an artifact to a registry: the one that its name says, or DESTINATION. It is the same there, byte for byte.",
		RunE: func(cmd *cobra.Command, args []string) error {
			destination := ""
			if len(args) == 2 {
				destination = args[1]
			}
			if err := p.finish(cmd.Flags(), destination); err != nil {
				return err
			}
			a.quiet = a.quiet || p.quiet
			s, err := a.store()
			if err != nil {
				return err
			}
			d, err := s.PushArtifact(cmd.Context(), args[0], destination, p.opts)
			if err != nil {
				return err
			}
			return p.writeDigest(d)
		},
	}
	f := c.Flags()
	p.add(f, a.env.authFile)
	f.StringVar(&p.creds, "creds", "", "`USER:PASSWORD` for the registry")
	p.common(f)
	return c
}

func (a *app) artifactRmCmd() *cobra.Command {
	var all, ignore bool
	c := &cobra.Command{
		Use: "rm [flags] NAME [NAME...]", Aliases: []string{"remove"}, Short: "Remove artifacts",
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return errors.New("give artifact names or --all, one of them")
			}
			s, err := a.store()
			if err != nil {
				return err
			}
			if all {
				gone, err := s.RemoveArtifacts(cmd.Context())
				for _, d := range gone {
					a.println(d.Encoded())
				}
				return err
			}
			var errs []error
			for _, ref := range args {
				d, err := s.RemoveArtifact(cmd.Context(), ref)
				switch {
				case err == nil:
					a.println(d.Encoded())
				case !ignore || !errors.Is(err, image.ErrNoArtifact):
					errs = append(errs, err)
				}
			}
			return errors.Join(errs...)
		},
	}
	c.Flags().BoolVarP(&all, "all", "a", false, "remove all artifacts")
	c.Flags().BoolVarP(&ignore, "ignore", "i", false, "it is no error if an artifact does not exist")
	return c
}

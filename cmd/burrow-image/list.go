package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	units "github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine/image"
	"github.com/burrow-run/burrow/internal/format"
)

type listFlags struct {
	all, digests, noHeading, noTrunc, quiet, history bool

	filters []string
	format  string
	sort    string
}

const imagesLong = `List images: those that are stored, and those of additional image stores, which are
marked R/O.

An additional image store is the store of another engine, such as Podman, whose images
are used where they lie, without a copy. Nothing is written there: such an image can be
run, inspected, saved and pushed, and not be tagged or removed. An image of the own
store goes before one of the same name elsewhere.

Such stores are named by the key additionalimagestores of the table [storage.options], a
list of directories, in ~/.config/burrow/storage.conf. It is the only key there, and an
empty list means none. Without that file they are named by STORAGE_OPTS, which has
overlay.imagestore=DIR, or else by the same key of Podman's storage.conf(5), where
Podman would read it: CONTAINERS_STORAGE_CONF, ~/.config/containers/storage.conf, the
system's. Podman does not take its own store as an additional one, so it is to be named in
Burrow's file. The other keys of storage.conf(5) are about Podman's store; of these
graphroot and driver say where "burrow pull containers-storage:NAME" looks.

The engine whose store it is knows nothing of Burrow's containers: if it removes an image,
those that run on it lose its files, and those that are stopped do not start again.

The stores must be of the driver overlay. An image whose files belong to others than you
and your sub-IDs, or which was stored for fuse-overlayfs or composefs, cannot be used in
place; the error has the command that copies it, and if Podman's file is what names the
store, the image is pulled where it may be. Whoever can write to such a store
decides what is run.`

const imagesExample = `  # Podman's images too: ~/.config/burrow/storage.conf
  [storage.options]
  additionalimagestores = ["$HOME/.local/share/containers/storage"]`

func (a *app) imagesCmd(use string, aliases ...string) *cobra.Command {
	var f listFlags
	c := &cobra.Command{
		Use: use + " [flags] [NAME]", Aliases: aliases, Short: "List images", Long: imagesLong, Example: imagesExample, Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				f.filters = append(f.filters, "reference="+args[0])
			}
			return a.list(&f)
		},
	}
	fl := c.Flags()
	fl.BoolVarP(&f.all, "all", "a", false, "show all images (Burrow has no intermediate ones)")
	fl.BoolVar(&f.digests, "digests", false, "show digests")
	fl.BoolVarP(&f.noHeading, "noheading", "n", false, "print no heading")
	fl.BoolVar(&f.noTrunc, "no-trunc", false, "show whole IDs")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "show IDs only")
	fl.BoolVar(&f.history, "history", false, "show names the image had")
	fl.StringArrayVarP(&f.filters, "filter", "f", nil, "show what `KEY=VALUE` picks: after, before, containers, dangling, digest, id, intermediate, label, label!, manifest, readonly, reference, since, until")
	fl.StringVar(&f.format, "format", "", "`TEMPLATE` for each image, or json")
	fl.StringVar(&f.sort, "sort", "created", "sort by `COLUMN`: created, id, repository, size, tag")
	return c
}

func (a *app) list(f *listFlags) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	filter, err := s.NewFilter(f.filters)
	if err != nil {
		return err
	}
	all, err := s.List()
	if err != nil {
		return err
	}
	for _, why := range s.Unusable() {
		fmt.Fprintf(a.err, "burrow: warning: %s\n", oneLine(why.Error()))
	}
	picked := slices.DeleteFunc(all, func(i image.Summary) bool { return !filter.Match(&i) })
	switch {
	case f.quiet && f.format == "":
		a.listIDs(picked, f.noTrunc)
		return nil
	case f.format == "json" || f.format == "{{json .}}":
		return a.listJSON(picked)
	}
	rows := makeRows(picked, f.noTrunc, f.digests)
	if strings.Contains(f.format, ".Containers") {
		users, err := a.allUsers()
		if err != nil {
			return err
		}
		for i := range rows {
			rows[i].Containers = len(users[rows[i].image])
		}
	}
	if err := sortRows(rows, f.sort); err != nil {
		return err
	}
	text := f.format
	if text == "" || text == "table" {
		text = f.columns(slices.ContainsFunc(picked, func(i image.Summary) bool { return i.ReadOnly }))
	}
	t, err := format.New(text, "json", "table")
	if err != nil {
		return err
	}
	var heads map[string]string
	if !f.noHeading {
		heads = t.Heads(columnNames())
	}
	return format.Print(t, a.out, rows, heads, imageColumn)
}

// columns is the default format; as in Podman, one image of another store makes that
// a column.
func (f *listFlags) columns(readOnly bool) string {
	cols := []string{"{{.Repository}}", "{{.Tag}}"}
	if f.digests {
		cols = append(cols, "{{.Digest}}")
	}
	cols = append(cols, "{{.ID}}", "{{.Created}}", "{{.Size}}")
	if f.history {
		cols = append(cols, `{{.History}}`)
	}
	if readOnly {
		cols = append(cols, "{{.ReadOnly}}")
	}
	return "table " + strings.Join(cols, "\t")
}

func columnNames() map[string]string {
	return map[string]string{
		"ID": "IMAGE ID", "Id": "IMAGE ID", "CreatedAt": "CREATED AT", "CreatedSince": "CREATED",
		"CreatedTime": "CREATED TIME", "RepoTags": "REPO TAGS", "RepoDigests": "REPO DIGESTS", "VirtualSize": "VIRTUAL SIZE", "SharedSize": "SHARED SIZE", "ReadOnly": "R/O",
	}
}

func (a *app) listIDs(list []image.Summary, noTrunc bool) {
	for i := range list {
		a.println(shortID(list[i].ID, noTrunc))
	}
}

func shortID(id string, noTrunc bool) string {
	if noTrunc {
		return "sha256:" + id
	}
	return id[:min(12, len(id))]
}

// jsonImage is Podman's spelling.
type jsonImage struct {
	ID          string            `json:"Id"`
	ParentID    string            `json:"ParentId"`
	RepoTags    []string          `json:"RepoTags"`
	RepoDigests []string          `json:"RepoDigests"`
	Size        int64             `json:"Size"`
	SharedSize  int64             `json:"SharedSize"`
	VirtualSize int64             `json:"VirtualSize"`
	Labels      map[string]string `json:"Labels"`
	Containers  int               `json:"Containers"`
	Dangling    bool              `json:"Dangling,omitempty"`
	IsList      bool              `json:"IsManifestList"`
	Names       []string          `json:"Names,omitempty"`
	Digest      string            `json:"Digest"`
	History     []string          `json:"History,omitempty"`
	Created     int64             `json:"Created"`
	CreatedAt   time.Time         `json:"CreatedAt"`
	ReadOnly    bool              `json:"ReadOnly,omitempty"`
}

func (a *app) listJSON(list []image.Summary) error {
	users, err := a.allUsers()
	if err != nil {
		return err
	}
	out := make([]jsonImage, 0, len(list))
	for _, i := range list {
		out = append(out, jsonImage{
			ID: i.ID, RepoTags: i.Names, RepoDigests: i.Digests, Size: i.Size, VirtualSize: i.Size, Labels: i.Labels, Containers: len(users[i.ID]),
			Dangling: len(i.Names) == 0, IsList: i.Index, Names: i.Names, Digest: i.Digest.String(), History: i.History,
			Created: i.Created.Unix(), CreatedAt: i.Created.Truncate(time.Second), ReadOnly: i.ReadOnly,
		})
	}
	return printJSON(a.out, out, "    ")
}

// row is one line of the list: an image appears once for each of its names.
type row struct {
	ID, Id, Repository, Tag, Digest  string //nolint:revive // Id is how Podman's templates spell it
	Created, CreatedSince, CreatedAt string
	CreatedTime                      string
	Size                             string
	VirtualSize, SharedSize          int64 // bytes, as in Podman's templates
	Names, RepoTags, RepoDigests     []string
	Labels                           map[string]string
	History                          string
	Containers                       int
	Dangling, ReadOnly               bool
	ParentId                         string //nolint:revive // as above
	image                            string // whole ID
	created                          time.Time
	size                             int64
}

func makeRows(list []image.Summary, noTrunc, digests bool) []row {
	var rows []row
	for i := range list {
		img := &list[i]
		names := img.Names
		if len(names) == 0 {
			names = []string{""}
		}
		seen := map[string]bool{}
		for _, n := range names {
			repo, tag := splitName(n)
			if seen[repo+":"+tag] && !digests {
				continue
			}
			seen[repo+":"+tag] = true
			rows = append(rows, newRow(img, repo, tag, noTrunc))
		}
	}
	return rows
}

func newRow(img *image.Summary, repo, tag string, noTrunc bool) row {
	since := units.HumanDuration(time.Since(img.Created)) + " ago"
	size := humanSize(img.Size)
	created := img.Created.Truncate(time.Second).String()
	return row{
		ID: shortID(img.ID, noTrunc), Id: img.ID, Repository: repo, Tag: tag, Digest: img.Digest.String(),
		Created: since, CreatedSince: since, CreatedAt: created, CreatedTime: created,
		Size: size, VirtualSize: img.Size, Names: img.Names, RepoTags: img.Names, RepoDigests: img.Digests,
		Labels: img.Labels, History: strings.Join(img.History, ", "), Dangling: len(img.Names) == 0, ReadOnly: img.ReadOnly,
		image: img.ID, created: img.Created, size: img.Size,
	}
}

// humanSize is Podman's spelling: 2.14 MB.
func humanSize(n int64) string {
	s := units.HumanSizeWithPrecision(float64(n), 3)
	at := strings.LastIndexAny(s, "0123456789") + 1
	return s[:at] + " " + s[at:]
}

// splitName cuts a full name where the list has two columns.
func splitName(n string) (repo, tag string) {
	if n == "" {
		return "<none>", "<none>"
	}
	if repo, _, ok := strings.Cut(n, "@"); ok {
		return repo, "<none>"
	}
	at := strings.LastIndexByte(n, ':')
	if at <= strings.LastIndexByte(n, '/') {
		return n, "<none>"
	}
	return n[:at], n[at+1:]
}

func sortRows(rows []row, by string) error {
	var less func(a, b row) int
	switch by {
	case "created":
		less = func(a, b row) int { return b.created.Compare(a.created) }
	case "id":
		less = func(a, b row) int { return cmp.Compare(a.ID, b.ID) }
	case "repository":
		less = func(a, b row) int { return cmp.Compare(a.Repository, b.Repository) }
	case "size":
		less = func(a, b row) int { return cmp.Compare(a.size, b.size) }
	case "tag":
		less = func(a, b row) int { return cmp.Compare(a.Tag, b.Tag) }
	default:
		return fmt.Errorf("invalid --sort %q: use created, id, repository, size or tag", by)
	}
	slices.SortStableFunc(rows, less)
	return nil
}

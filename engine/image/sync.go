package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	digest "github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"

	"github.com/burrow-run/burrow/internal/hint"
)

// SyncOptions change how many images get from one place to another.
type SyncOptions struct {
	CopyOptions

	From string // what the source is: docker, dir or yaml
	To   string // what the destination is: docker or dir
	// Scoped puts the whole name of the source below the destination, not only its
	// last part.
	Scoped bool
	Suffix string // after each tag at the destination
	// DryRun copies nothing.
	DryRun bool
	// KeepGoing copies the others when one cannot be copied.
	KeepGoing bool
	// Report is called for each image, after it has been copied or not.
	Report func(Synced)
}

// Synced is one image of many.
type Synced struct {
	From, To string        // with their transports
	Digest   digest.Digest // of the manifest at the destination; "" if it was not copied
	Err      error
}

// syncItem is one image to copy.
type syncItem struct {
	from   *place
	rest   string // where it goes below the destination, scoped
	remote Remote
}

// Sync copies all images of source to destination. What goes wrong with one is
// reported; the error says how many there were.
func (s *Store) Sync(ctx context.Context, source, destination string, o SyncOptions) error {
	if o.From == "dir" && o.To == "dir" {
		return hint.New(fmt.Errorf("sync from dir to dir: %w", ErrNotSupported), "rsync -a "+source+"/ "+destination)
	}
	if o.To != "docker" && o.To != "dir" {
		return fmt.Errorf("sync to %q: %w", o.To, ErrNotSupported)
	}
	items, failed, err := s.syncItems(ctx, source, &o)
	if err != nil {
		return err
	}
	total := len(items) + failed
	for _, item := range items {
		done := s.syncOne(ctx, item, destination, o)
		o.Report(done)
		if done.Err == nil {
			continue
		}
		failed++
		if !o.KeepGoing || ctx.Err() != nil {
			return done.Err
		}
	}
	if failed > 0 {
		return fmt.Errorf("sync: %d of %d could not be copied", failed, total)
	}
	return nil
}

func (s *Store) syncOne(ctx context.Context, item syncItem, destination string, o SyncOptions) Synced {
	rest := item.rest
	if !o.Scoped {
		rest = path.Base(rest)
	}
	done := Synced{From: item.from.text}
	target := path.Join(destination, rest) + o.Suffix
	prefix := map[string]string{"docker": "docker://", "dir": "dir:"}[o.To]
	done.To = prefix + target
	if o.To == "dir" {
		if _, err := os.Lstat(target); err == nil {
			done.Err = hint.New(fmt.Errorf("sync to %s: %w", target, fs.ErrExist), "remove it, or sync to a directory that has no such image")
			return done
		}
	}
	if o.DryRun {
		return done
	}
	if o.To == "dir" {
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			done.Err = fmt.Errorf("sync: %w", err)
			return done
		}
	}
	to, err := parsePlace(done.To)
	if err != nil {
		done.Err = placeError("destination", done.To, err)
		return done
	}
	opts := o.CopyOptions
	opts.Source = item.remote
	done.Digest, done.Err = s.copyPlaces(ctx, item.from, to, opts, true)
	return done
}

// syncItems lists what there is to copy. With KeepGoing it also counts what
// could not be listed.
func (s *Store) syncItems(ctx context.Context, source string, o *SyncOptions) (items []syncItem, failed int, err error) {
	switch o.From {
	case "docker":
		items, err = s.syncRepository(ctx, source, o.Source, o)
	case "dir":
		items, err = syncDir(source)
	case "yaml":
		items, failed, err = s.syncFile(ctx, source, o)
	default:
		return nil, 0, fmt.Errorf("sync from %q: %w", o.From, ErrNotSupported)
	}
	if err == nil && len(items) == 0 && failed == 0 {
		err = fmt.Errorf("sync: no images in %s", source)
	}
	return items, failed, err
}

// syncRepository is one image of a registry, or all that a repository has tags for.
func (s *Store) syncRepository(ctx context.Context, name string, remote Remote, o *SyncOptions) ([]syncItem, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, badName(name)
	}
	if !reference.IsNameOnly(named) {
		item, err := syncImage(named, remote)
		return []syncItem{item}, err
	}
	_, tags, err := s.ListTags(ctx, named.Name(), LookOptions{Remote: remote, Retries: o.Retries, RetryDelay: o.RetryDelay})
	if err != nil {
		return nil, err
	}
	items := make([]syncItem, 0, len(tags))
	for _, t := range tags {
		tagged, err := reference.WithTag(named, t)
		if err != nil {
			return nil, fmt.Errorf("sync %s: tag %.100q: %w", named.Name(), t, err)
		}
		item, err := syncImage(tagged, remote)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

func syncImage(named reference.Named, remote Remote) (syncItem, error) {
	p, err := parsePlace("docker://" + named.String())
	if err != nil {
		return syncItem{}, placeError("source", named.String(), err)
	}
	return syncItem{from: p, rest: p.name.String(), remote: remote}, nil
}

// syncDir is every image below a directory, in the form of dir:.
func syncDir(base string) ([]syncItem, error) {
	var items []syncItem
	err := filepath.WalkDir(base, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() != "manifest.json" {
			return err
		}
		dir := filepath.Dir(file)
		p, err := parsePlace("dir:" + dir)
		if err != nil {
			return placeError("source", dir, err)
		}
		rest := strings.TrimPrefix(strings.TrimPrefix(dir, filepath.Clean(base)), "/")
		if rest == "" {
			rest = filepath.Base(base)
		}
		items = append(items, syncItem{from: p, rest: rest})
		return filepath.SkipDir
	})
	if err != nil {
		return nil, fmt.Errorf("sync: %w", err)
	}
	return items, nil
}

// notFatal counts an error of one entry of a list, if the others are to go on.
func notFatal(o *SyncOptions, what string, err error) error {
	if !o.KeepGoing || errors.Is(err, context.Canceled) {
		return err
	}
	o.Report(Synced{From: what, Err: err})
	return nil
}

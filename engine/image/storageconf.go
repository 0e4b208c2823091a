package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"go.podman.io/storage/pkg/configfile"
	"go.podman.io/storage/types"

	"github.com/burrow-run/burrow/internal/hint"
)

// storage.conf(5) is about the store of Podman, Buildah and Skopeo. Of it, three things
// are about Burrow too: where that store is, which images can be pulled from; whether
// layers may come in parts; and the additional image stores, whose images are used where
// they lie. Burrow's own file of that name has the last only, and goes before: Podman refuses to have its own store
// as an additional one, which for Burrow it is good to be.

// envStorageOpts has options of Podman's storage driver, which replace those of its file.
const envStorageOpts = "STORAGE_OPTS"

// StorageConf are the values of variables that the libraries must not see, for to
// them Podman's store is everybody's.
type StorageConf struct {
	Main  string // CONTAINERS_STORAGE_CONF: a file in place of all
	Extra string // CONTAINERS_STORAGE_CONF_OVERRIDE: a file that is read last
	Own   string // Burrow's own file, which need not be there
}

// theirs reads what Podman would.
func (s *Store) theirs() (types.TomlConfig, error) {
	var conf types.TomlConfig
	main := &configfile.File{Name: "storage", Extension: "conf", UserId: s.opts.UID, CustomConfigFilePath: s.opts.StorageConf.Main}
	main.DoNotLoadDropInFiles = main.CustomConfigFilePath != ""
	err := configfile.ParseTOML(&conf, main)
	if extra := s.opts.StorageConf.Extra; err == nil && extra != "" {
		err = configfile.ParseTOML(&conf, &configfile.File{Name: "storage", Extension: "conf", UserId: s.opts.UID, CustomConfigFilePath: extra, DoNotLoadDropInFiles: true})
	}
	if err != nil {
		return conf, fmt.Errorf("read storage.conf: %w", err)
	}
	return conf, nil
}

// partsAllowed fails where layers are to come whole, as with Podman.
func (s *Store) partsAllowed() error {
	conf, err := s.theirs()
	if err != nil {
		return err
	}
	const key = "enable_partial_images"
	if on, err := strconv.ParseBool(conf.Storage.Options.PullOptions[key]); err == nil && !on {
		return errors.New("storage.conf says " + key + " = false")
	}
	return nil
}

// additionalRoots are the directories in which additional stores are said to be.
func (s *Store) additionalRoots() ([]string, error) {
	roots, known, err := s.ownRoots()
	if err != nil {
		return nil, err
	}
	if !known {
		roots, known = rootsOfOptions(s.getenv(envStorageOpts))
	}
	if !known {
		conf, err := s.theirs()
		if err != nil {
			return nil, err
		}
		roots = conf.Storage.Options.AdditionalImageStores.Values
	}
	var out []string
	for _, r := range roots {
		if r = s.expand(r); r != "" {
			out = append(out, filepath.Clean(r))
		}
	}
	return slices.Compact(out), nil
}

var errOwnConf = errors.New("additional image stores")

// ownRoots reads Burrow's own storage.conf. A key that it does not have is an error.
func (s *Store) ownRoots() (roots []string, known bool, err error) {
	if s.opts.StorageConf.Own == "" {
		return nil, false, nil
	}
	var conf struct {
		Storage struct {
			Options struct {
				AdditionalImageStores *[]string `toml:"additionalimagestores"`
			} `toml:"options"`
		} `toml:"storage"`
	}
	meta, err := toml.DecodeFile(s.opts.StorageConf.Own, &conf)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("%w: read %s: %w", errOwnConf, s.opts.StorageConf.Own, err)
	}
	if extra := meta.Undecoded(); len(extra) > 0 {
		return nil, false, hint.New(fmt.Errorf("%w: %s: %s: %w", errOwnConf, s.opts.StorageConf.Own, extra[0], ErrNotSupported),
			"the only key there is storage.options.additionalimagestores")
	}
	if list := conf.Storage.Options.AdditionalImageStores; list != nil {
		return *list, true, nil
	}
	return nil, false, nil
}

// ownConf says that Burrow's own file names the additional stores, or that there are none.
func (s *Store) ownConf() bool {
	_, known, err := s.ownRoots()
	return known && err == nil
}

// rootsOfOptions takes the stores from options of Podman's storage driver.
func rootsOfOptions(opts string) (roots []string, known bool) {
	for o := range strings.SplitSeq(opts, ",") {
		key, value, _ := strings.Cut(o, "=")
		switch strings.TrimPrefix(key, driver+".") {
		case "imagestore", "additionalimagestore":
			roots = append(roots, value)
		}
	}
	return roots, opts != ""
}

func (s *Store) getenv(key string) string {
	if s.opts.Getenv == nil {
		return ""
	}
	return s.opts.Getenv(key)
}

// expand replaces variables.
func (s *Store) expand(path string) string {
	vars := func(key string) string {
		if key == "UID" {
			return strconv.Itoa(s.opts.UID)
		}
		return s.getenv(key)
	}
	return os.Expand(path, vars)
}

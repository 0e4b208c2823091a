package conf

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/BurntSushi/toml"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// maxFile bounds a file, in bytes.
const maxFile = 1 << 20

// Where tells where the files are.
type Where struct {
	System string                      // /etc/containers
	User   string                      // $XDG_CONFIG_HOME/containers; "": none
	Env    func(string) (string, bool) // os.LookupEnv
}

// setting is a key with the value of the last file that has it.
type setting struct {
	file  string
	value any
}

// settings are by section and key.
type settings map[string]map[string]setting

// Read reads all files there are.
func Read(w Where) (Defaults, error) {
	files, err := w.files()
	if err != nil {
		return nil, err
	}
	all := settings{}
	for _, f := range files {
		if err := all.read(f); err != nil {
			return nil, hint.New(fmt.Errorf("%s: %w", f, err), advice(err))
		}
	}
	if own, ok := w.Env("BURROW_NETWORK"); ok && own != "" {
		delete(all["network"], "default_rootless_network_cmd") // the nearer word
	}
	return all.defaults()
}

func advice(err error) string {
	var foreign *sys.ForeignError
	if errors.As(err, &foreign) {
		return foreign.Advice
	}
	return "man containers.conf"
}

func (w Where) files() ([]string, error) {
	var out []string
	if only, ok := w.Env("CONTAINERS_CONF"); ok && only != "" {
		out = append(out, only)
	} else {
		for _, dir := range []string{w.System, w.User} {
			if dir == "" {
				continue
			}
			path := filepath.Join(dir, "containers.conf")
			if _, err := os.Stat(path); err == nil {
				out = append(out, path)
			}
			more, err := filepath.Glob(filepath.Join(dir, "containers.conf.d", "*.conf"))
			if err != nil {
				return nil, err
			}
			slices.Sort(more)
			out = append(out, more...)
		}
	}
	if last, ok := w.Env("CONTAINERS_CONF_OVERRIDE"); ok && last != "" {
		out = append(out, last)
	}
	return out, nil
}

func (s settings) read(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return errors.Unwrap(err) // the path is said already
	}
	defer f.Close()
	if err := sys.CheckWriters(f); err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return err
	}
	if len(text) > maxFile {
		return errors.New("the file is too long")
	}
	var sections map[string]any
	if err := toml.Unmarshal(text, &sections); err != nil {
		return err
	}
	for name, section := range sections {
		keys, ok := section.(map[string]any)
		if !ok {
			return fmt.Errorf("%s stands in no section", name)
		}
		if s[name] == nil {
			s[name] = map[string]setting{}
		}
		for key, value := range keys {
			s[name][key] = setting{path, joined(s[name][key].value, value)}
		}
	}
	return nil
}

// joined is what a file makes of an earlier one's list: another, or if it ends with
// {append=true} a longer one.
func joined(before, now any) any {
	list, ok := now.([]any)
	if !ok || len(list) == 0 {
		return now
	}
	options, ok := list[len(list)-1].(map[string]any)
	if !ok {
		return now
	}
	list = list[:len(list)-1]
	if more, _ := options["append"].(bool); !more {
		return list
	}
	earlier, _ := before.([]any)
	return slices.Concat(earlier, list)
}

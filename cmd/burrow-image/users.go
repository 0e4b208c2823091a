package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/burrow-run/burrow/engine/image"
	"github.com/burrow-run/burrow/internal/sys"
)

// users returns the containers made from an image.
func (a *app) users(id string) ([]image.User, error) {
	all, err := a.allUsers()
	return all[id], err
}

// allUsers returns the containers made from each image. It reads of their records
// what it needs and no more: package engine, which owns them, would bring the
// whole container runtime into this executable.
func (a *app) allUsers() (map[string][]image.User, error) {
	dirs, err := os.ReadDir(a.env.dirs.Containers())
	if errors.Is(err, fs.ErrNotExist) {
		return map[string][]image.User{}, nil
	}
	if err != nil {
		return nil, err
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, fmt.Errorf("read boot ID: %w", err)
	}
	out := map[string][]image.User{}
	for _, d := range dirs {
		b, err := os.ReadFile(filepath.Join(a.env.dirs.Containers(), d.Name(), "record.json"))
		if err != nil {
			continue // gone, or never finished: it runs on nothing
		}
		var r struct {
			ID      string     `json:"id"`
			Name    string     `json:"name"`
			ImageID string     `json:"image_id"`
			BootID  string     `json:"boot_id"`
			Owner   sys.ProcID `json:"owner"`
			Exited  bool       `json:"exited"`
		}
		if json.Unmarshal(b, &r) != nil {
			continue
		}
		if r.Name == "" {
			r.Name = r.ID
		}
		running := !r.Exited && r.BootID == strings.TrimSpace(string(boot)) && r.Owner.Alive()
		out[r.ImageID] = append(out[r.ImageID], image.User{Name: r.Name, Running: running})
	}
	return out, nil
}

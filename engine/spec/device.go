package spec

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// ParseDevice reads one --device value: HOST[:CONTAINER][:PERMISSIONS], where
// permissions are some of r, w and m.
func ParseDevice(value string) (Device, error) {
	d, err := parseDevice(value)
	if err != nil {
		return Device{}, badErr(value, err)
	}
	return d, nil
}

func parseDevice(value string) (Device, error) {
	if strings.Contains(value, "=") && value[0] != '/' {
		return Device{}, fmt.Errorf("names of the Container Device Interface are %w", ErrUnsupported)
	}
	fields := strings.Split(value, ":")
	if len(fields) > 3 {
		return Device{}, errors.New("has more than HOST:CONTAINER:PERMISSIONS")
	}
	host, err := devicePath(fields[0])
	if err != nil {
		return Device{}, err
	}
	d := Device{Host: host, Container: host}
	perms := "rwm"
	switch rest := fields[1:]; {
	case len(rest) == 2:
		perms = rest[1]
		d.Container, err = checkDest(rest[0])
	case len(rest) == 1 && strings.HasPrefix(rest[0], "/"):
		d.Container, err = checkDest(rest[0])
	case len(rest) == 1:
		perms = rest[0]
	}
	if err != nil {
		return Device{}, err
	}
	return d, d.permit(perms)
}

func devicePath(path string) (string, error) {
	if err := checkText(path); err != nil {
		return "", fmt.Errorf("path %w", err)
	}
	if !filepath.IsAbs(path) {
		return "", fmt.Errorf("%s is not an absolute path", Quote(path))
	}
	return checkDest(path)
}

func (d *Device) permit(perms string) error {
	for _, c := range []byte(perms) {
		var flag *bool
		switch c {
		case 'r':
			flag = &d.Read
		case 'w':
			flag = &d.Write
		case 'm':
			flag = &d.Mknod
		}
		if flag == nil || *flag {
			return fmt.Errorf("permissions %s are not some of r, w and m", Quote(perms))
		}
		*flag = true
	}
	if perms == "" {
		return errors.New("permissions are empty")
	}
	return nil
}

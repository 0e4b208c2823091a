package main_test

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/internal/testbed"
)

// TestImageDataIsInert shows I32: nothing that an image says of itself changes
// the container's isolation, only what runs in it: user, directory, environment,
// arguments, volumes.
func TestImageDataIsInert(t *testing.T) {
	asUser(t, func(t *testing.T, sh *shell) {
		// The image goes into a store of its own.
		sh.setenv("XDG_DATA_HOME", filepath.Join(sh.work, "data"))
		plain := inertPosture(t, sh, map[string]any{})
		if plain == "" {
			t.Fatal("a plain image is refused")
		}
		ran := 0
		for name, config := range map[string]map[string]any{
			"labels": {"Labels": map[string]string{
				"io.podman.annotations.privileged": "TRUE", "io.podman.annotations.seccomp": "unconfined",
				"io.podman.annotations.userns": "host", "io.podman.annotations.label": "disable",
				"io.containers.autoupdate": "registry", "run.oci.keep_original_groups": "1",
				"io.kubernetes.cri-o.userns-mode": "host", "io.containers.capabilities": "SYS_ADMIN",
				"run.oci.seccomp_bpf_data": "AAAA", "org.systemd.property.DeviceAllow": "x",
			}},
			"ports and volumes": {
				"ExposedPorts": map[string]any{"22/tcp": map[string]any{}, "1-65535/udp": map[string]any{}},
				"Volumes":      map[string]any{"/data": map[string]any{}, "/etc/../var/x": map[string]any{}},
			},
			"triggers": {
				"OnBuild": []string{"RUN touch /onbuild"}, "Healthcheck": map[string]any{"Test": []string{"CMD", "touch", "/health"}, "Interval": 1000000},
				"StopSignal": "SIGKILL", "Shell": []string{"/no/shell"},
			},
			"environment": {"Env": []string{
				"LD_PRELOAD=/evil.so", "GODEBUG=x=1", "BURROW_STAGE=joined", "BURROW_NETWORK=host", "XDG_RUNTIME_DIR=/tmp",
				"NOTIFY_SOCKET=/x", "LISTEN_FDS=3", "container=other", "_LIBCONTAINER_INITPIPE=3", "HTTP_PROXY=http://evil",
			}},
			"runtime": {
				"Hostname": "host", "Domainname": "evil", "Privileged": true, "NetworkMode": "host", "CapAdd": []string{"ALL"},
				"SecurityOpt": []string{"seccomp=unconfined"}, "Devices": []string{"/dev/sda"}, "Memory": -1, "Tty": true, "AttachStdin": true,
			},
			"directory":    {"WorkingDir": "/proc/self/fd/7"},
			"directory up": {"WorkingDir": "/../../../../tmp"},
		} {
			got := inertPosture(t, sh, config)
			if got != plain && got != "" {
				t.Errorf("%s:\n%s\nwithout:\n%s", name, got, plain)
			}
			if got == "" {
				t.Log(name, "is refused")
			} else {
				ran++
			}
		}
		if ran < 4 {
			t.Errorf("only %d of the images run at all", ran)
		}
	})
}

func (sh *shell) setenv(name, value string) {
	for i, kv := range sh.env {
		if strings.HasPrefix(kv, name+"=") {
			sh.env[i] = name + "=" + value
		}
	}
}

// inertPosture runs an image with that configuration and returns what isolates it,
// or nothing where the image or its container is refused.
func inertPosture(t *testing.T, sh *shell, config map[string]any) string {
	t.Helper()
	archive := filepath.Join(sh.work, "image.tar")
	writeArchive(t, archive, config)
	if r := sh.try("burrow", "load", "-q", "-i", archive); r.code != 0 {
		if !voice.MatchString(r.err) {
			t.Errorf("load: %s", r.err)
		}
		return ""
	}
	r := sh.try("burrow", "run", "--rm", "inert", "sh", "-c", `
		grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp)' /proc/self/status; cat /proc/self/uid_map | tr -s ' ' | cut -d' ' -f2,4
		cut -d' ' -f4-6 /proc/self/mountinfo | grep -v ' /data ' | grep -v ' /var/x ' | sort; ls /sys/class/net /dev; cat /proc/self/limits
		cat /proc/sys/user/max_user_namespaces; ls -A / | grep -E 'onbuild|health'; ls /proc/1/fd | head -3; cat /etc/hosts | wc -l`)
	if r.code == 125 && voice.MatchString(r.err) {
		return ""
	}
	if r.code != 0 {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
	}
	return r.out
}

// writeArchive writes a docker-archive whose layer is the busybox image's tar.
func writeArchive(t *testing.T, path string, config map[string]any) {
	t.Helper()
	layer, err := os.ReadFile(filepath.Join(testbed.Dir, "busybox.tar"))
	if err != nil {
		t.Fatal(err)
	}
	image, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "config": config,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(layer)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	manifest := []byte(`[{"Config":"config.json","RepoTags":["localhost/inert:latest"],"Layers":["layer.tar"]}]`)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := tar.NewWriter(f)
	for _, file := range []struct {
		name    string
		content []byte
	}{{"manifest.json", manifest}, {"config.json", image}, {"layer.tar", layer}} {
		if err := w.WriteHeader(&tar.Header{Name: file.name, Mode: 0o644, Size: int64(len(file.content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(file.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func digest(b []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(b)) }

package conf

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/security"
)

// Default is the value of a flag that is not on the command line.
type Default struct {
	Flag   string
	Values []string
	// Before: the values stand before those of the command line, which come on top.
	// Otherwise they are for a command line without the flag.
	Before bool
	// Unless: they are only for a command line on which no value of the flag begins so.
	Unless string
}

// Defaults are in no particular order.
type Defaults []Default

// rule is what becomes of one key.
type rule struct {
	flag   string
	prefix string // before the value
	before bool
	unless string
	// none is the value that says nothing.
	none string
	// never is a value that lifts confinement.
	never string
	// refused is why no other value is taken.
	refused string
}

const lifts = "confinement is not lifted by a file, only on the command line"

// containers are the keys of [containers].
var containers = map[string]rule{ //nolint:gochecknoglobals // constant
	"annotations":                 {flag: "annotation", before: true},
	"apparmor_profile":            {flag: "security-opt", prefix: "apparmor=", before: true, unless: "apparmor", never: "unconfined"},
	"base_hosts_file":             {refused: "the hosts file is made anew"},
	"cgroupns":                    {flag: "cgroupns", never: "host"},
	"cgroups":                     {flag: "cgroups"},
	"default_sysctls":             {flag: "sysctl", before: true},
	"default_ulimits":             {flag: "ulimit", before: true},
	"devices":                     {flag: "device", before: true},
	"dns_options":                 {flag: "dns-option"},
	"dns_searches":                {flag: "dns-search"},
	"dns_servers":                 {flag: "dns"},
	"enable_labeled_users":        {none: "false", refused: "SELinux users are not mapped"},
	"env":                         {flag: "env", before: true},
	"env_host":                    {flag: "env-host"},
	"host_containers_internal_ip": {refused: "the host is not reachable under a name of its own; --add-host gives it one"},
	"http_proxy":                  {flag: "http-proxy"},
	"init":                        {flag: "init"},
	"init_path":                   {flag: "init-path"},
	"interface_name":              {refused: "the interface is named as its helper does"},
	"ipcns":                       {flag: "ipc", never: "host"},
	"keyring":                     {none: "true", refused: "every container has a session keyring of its own"},
	"label":                       {none: "true", refused: lifts},
	"label_users":                 {none: "false", refused: "SELinux users are not mapped"},
	"log_driver":                  {flag: "log-driver"},
	"log_path":                    {refused: "a container's log is beside its record; --log-opt path= puts it elsewhere"},
	"log_size_max":                {flag: "log-opt", prefix: "max-size=", before: true, unless: "max-size", none: "-1"},
	"log_tag":                     {flag: "log-opt", prefix: "tag=", before: true, unless: "tag"},
	"mounts":                      {flag: "mount", before: true},
	"netns":                       {flag: "network", never: "host", none: "private"},
	"no_hosts":                    {flag: "no-hosts"},
	"oom_score_adj":               {flag: "oom-score-adj"},
	"pidns":                       {flag: "pid", never: "host"},
	"pids_limit":                  {flag: "pids-limit"},
	"prepare_volume_on_create":    {none: "false", refused: "a volume gets the image's files when it is first mounted"},
	"privileged":                  {none: "false", refused: lifts},
	"read_only":                   {flag: "read-only"},
	"seccomp_profile":             {flag: "security-opt", prefix: "seccomp=", before: true, unless: "seccomp", never: "unconfined"},
	"shm_size":                    {flag: "shm-size"},
	"tz":                          {flag: "tz"},
	"umask":                       {flag: "umask"},
	"userns":                      {flag: "userns", never: "host"},
	"userns_size":                 {refused: "a container gets as many IDs as its image has; --userns=auto:size= gives more"},
	"utsns":                       {flag: "uts", never: "host"},
	"volumes":                     {flag: "volume", before: true},
}

// engine are those of [engine] that are about more than Podman's own parts.
var engine = map[string]rule{ //nolint:gochecknoglobals // constant
	"detach_keys":             {flag: "detach-keys"},
	"env":                     {refused: "the environment of burrow is its caller's"},
	"image_default_transport": {none: "docker://", refused: "images without a transport are those of registries"},
	"pull_policy":             {flag: "pull"},
	"stop_timeout":            {flag: "stop-timeout"},
}

// network are those of [network].
var network = map[string]rule{ //nolint:gochecknoglobals // constant
	"default_rootless_network_cmd": {flag: "network"},
	"pasta_options":                {refused: "--network=pasta:OPTIONS takes them"},
}

func (s settings) defaults() (Defaults, error) {
	if s["containers"]["netns"].value != nil && s["containers"]["netns"].value != "private" {
		delete(s["network"], "default_rootless_network_cmd")
	}
	var out Defaults
	for _, section := range []struct {
		name  string
		rules map[string]rule
		whole bool // every key that is not among the rules is a mistake
	}{{"containers", containers, true}, {"engine", engine, false}, {"network", network, false}} {
		keys := s[section.name]
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			set := keys[key]
			if section.name == "containers" && key == "default_capabilities" {
				d, err := capabilities(set.value)
				if err != nil {
					return nil, refusal(set.file, section.name, key, err)
				}
				out = append(out, d...)
				continue
			}
			r, known := section.rules[key]
			if !known {
				if section.whole {
					return nil, refusal(set.file, section.name, key, errors.New("no such key"))
				}
				continue
			}
			d, err := r.apply(set.value)
			if err != nil {
				return nil, refusal(set.file, section.name, key, err)
			}
			out = append(out, d...)
		}
	}
	return out, nil
}

func refusal(file, section, key string, err error) error {
	return hint.New(fmt.Errorf("%s: [%s] %s: %w", file, section, key, err), "CONTAINERS_CONF=/dev/null leaves it out; man containers.conf")
}

func (r rule) apply(value any) (Defaults, error) {
	values, err := texts(value)
	if err != nil {
		return nil, err
	}
	if len(values) == 0 || len(values) == 1 && (values[0] == "" || values[0] == r.none) {
		return nil, nil
	}
	switch {
	case r.refused != "":
		return nil, errors.New(r.refused)
	case r.never != "" && slices.Contains(values, r.never):
		return nil, fmt.Errorf("%s: %s", r.never, lifts)
	}
	for i := range values {
		values[i] = r.prefix + values[i]
	}
	return Defaults{{Flag: r.flag, Values: values, Before: r.before, Unless: r.unless}}, nil
}

// texts are the values as they could stand on a command line.
func texts(value any) ([]string, error) {
	switch v := value.(type) {
	case string:
		return []string{v}, nil
	case bool:
		return []string{strconv.FormatBool(v)}, nil
	case int64:
		return []string{strconv.FormatInt(v, 10)}, nil
	case []any:
		out := make([]string, 0, len(v))
		for _, e := range v {
			text, ok := e.(string)
			if !ok {
				return nil, fmt.Errorf("%v is no text", e)
			}
			out = append(out, text)
		}
		return out, nil
	}
	return nil, fmt.Errorf("%v is neither text, nor number, nor a list", value)
}

// capabilities makes fewer by default, never more.
func capabilities(value any) (Defaults, error) {
	list, err := texts(value)
	if err != nil {
		return nil, err
	}
	usual := security.DefaultCapabilities()
	for i := range list {
		list[i] = "CAP_" + strings.TrimPrefix(strings.ToUpper(list[i]), "CAP_")
		if !slices.Contains(usual, list[i]) {
			return nil, fmt.Errorf("%s: %s", list[i], lifts)
		}
	}
	var drop []string
	for _, c := range usual {
		if !slices.Contains(list, c) {
			drop = append(drop, c)
		}
	}
	if len(drop) == 0 {
		return nil, nil
	}
	return Defaults{{Flag: "cap-drop", Values: drop, Before: true}}, nil
}

package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"
)

// wholeVariable holds a whole configuration as YAML. It counts where no path is
// given, and then alone.
const wholeVariable = "PATRONI_CONFIGURATION"

// read puts the local configuration together: the file, or all *.yml and *.yaml
// of a directory in the order of their names, and over it the environment.
func read(path string, env []string, r *report) (map[string]any, error) {
	// A delimiter that no key has: names of parameters have dots.
	k := koanf.New("\x1f")
	layer := func(p koanf.Provider, parser koanf.Parser) error {
		return k.Load(p, parser, koanf.WithMergeFunc(func(src, dest map[string]any) error {
			merge(dest, src)
			return nil
		}))
	}
	variables := environment(env)
	if whole, ok := variables[wholeVariable]; ok && path == "" {
		if err := layer(rawbytes.Provider([]byte(whole)), document{}); err != nil {
			return nil, fmt.Errorf("%s: %w", wholeVariable, err)
		}
		return k.Raw(), nil
	}
	files, err := filesOf(path)
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, plainPathError(name, err)
		}
		if err := layer(rawbytes.Provider(text), document{}); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	tree := fromEnvironment(variables, r)
	if len(files) == 0 && len(tree) == 0 && len(r.problems) == 0 {
		return nil, fmt.Errorf("there is no configuration: neither a file nor %s nor other PATRONI_ variables are given", wholeVariable)
	}
	if err := layer(confmap.Provider(tree, ""), nil); err != nil {
		return nil, err
	}
	values := k.Raw()
	for _, name := range files {
		warnIfReadable(name, values, r)
	}
	return values, nil
}

// document is YAML for koanf.
type document struct{}

func (document) Unmarshal(b []byte) (map[string]any, error) { return parseYAML(b) }

func (document) Marshal(map[string]any) ([]byte, error) {
	return nil, errors.New("config: only read")
}

// merge puts src over dest, map by map. A null deletes what is there; where
// nothing is, it stays: a slot may be declared by its name alone.
func merge(dest, src map[string]any) {
	for k, v := range src {
		old, there := dest[k]
		below, isMap := v.(map[string]any)
		over, wasMap := old.(map[string]any)
		switch {
		case v == nil && there:
			delete(dest, k)
		case isMap && wasMap:
			merge(over, below)
		default:
			dest[k] = v
		}
	}
}

func filesOf(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	at, err := os.Stat(path)
	if err != nil {
		return nil, plainPathError(path, err)
	}
	if !at.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path) // sorted by name
	if err != nil {
		return nil, plainPathError(path, err)
	}
	var files []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); !e.IsDir() && (ext == ".yml" || ext == ".yaml") {
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no *.yml or *.yaml in this directory", path)
	}
	return files, nil
}

// plainPathError names the path once.
func plainPathError(path string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}

// environment is a map of what has a name of ours.
func environment(env []string) map[string]string {
	variables := map[string]string{}
	for _, entry := range env {
		if name, value, ok := strings.Cut(entry, "="); ok && strings.HasPrefix(name, envPrefix) {
			variables[name] = value
		}
	}
	return variables
}

// warnIfReadable warns of a file with passwords that everybody can read.
func warnIfReadable(name string, values map[string]any, r *report) {
	at, err := os.Stat(name)
	if err != nil || at.Mode().Perm()&0o004 == 0 || !holdsSecret(values) {
		return
	}
	r.warn(name, "holds passwords and can be read by everybody (mode %04o); chmod o-r helps", at.Mode().Perm())
}

var secretKeys = []string{"password", "auth", "primary_conninfo", "keyfile_password", "key_password", "sslpassword", "token", "auth_data"}

func holdsSecret(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for k, item := range v {
			if item != nil && slices.Contains(secretKeys, k) || holdsSecret(item) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, holdsSecret)
	}
	return false
}

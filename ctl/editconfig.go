package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/rest"
)

// edit is how the dynamic configuration is to be changed.
type edit struct {
	set, parameters []string // K=V
	apply, replace  string   // files, - for the input
	force, quiet    bool
}

func (p *program) editConfigCommand() *cobra.Command {
	var e edit
	c := command("edit-config [flags] [CLUSTER_NAME]", "Change the dynamic configuration of a cluster", cobra.MaximumNArgs(1), func(ctx context.Context, args []string) error {
		s, err := p.open(ctx, strings.Join(args, ""))
		if err != nil {
			return err
		}
		defer s.close()
		return s.edit(ctx, e)
	})
	f := c.Flags()
	f.StringArrayVarP(&e.set, "set", "s", nil, "set `KEY=VALUE`, as ttl=30; null removes it")
	f.StringArrayVarP(&e.parameters, "pg", "p", nil, "the same for a parameter of PostgreSQL: `NAME=VALUE`")
	f.StringVar(&e.apply, "apply", "", "merge a `FILE` into it; - for the standard input")
	f.StringVar(&e.replace, "replace", "", "put a `FILE` in its place; - for the standard input")
	f.BoolVarP(&e.quiet, "quiet", "q", false, "don't show the changes")
	f.BoolVar(&e.force, "force", false, "don't ask anything")
	return c
}

func (s *session) edit(ctx context.Context, e edit) error {
	before := s.view.Config
	if before.Values == nil {
		return wording("The config key does not exist in the cluster %s", s.name)
	}
	after, err := s.edited(ctx, e, before.Values)
	if err != nil {
		return err
	}
	if problems := rest.NewProblems(before.Values, after); problems != "" {
		return errors.New(problems)
	}
	old, err := s.configText(before.Values)
	if err != nil {
		return err
	}
	text, err := s.configText(after)
	if err != nil {
		return err
	}
	if text == old {
		s.say("Not changed")
		return nil
	}
	if !e.quiet {
		fmt.Fprint(s.o.Out, unifiedDiff(old, text))
	}
	switch sure, err := s.sureOf(ctx, e); {
	case err != nil:
		return err
	case !sure:
		return nil
	}
	_, err = s.store.PutConfig(ctx, after, before.Version)
	switch {
	case errors.Is(err, dcs.ErrConflict):
		return wording("Config modification aborted due to concurrent changes")
	case err != nil:
		return err
	}
	s.say("Configuration changed")
	return nil
}

// sureOf asks before anything is written. Where the input was the configuration
// nobody is there to be asked.
func (s *session) sureOf(ctx context.Context, e edit) (bool, error) {
	switch {
	case e.force:
		return true, nil
	case e.apply == "-" || e.replace == "-":
		s.say("Use --force option to apply changes")
		return false, nil
	}
	return s.confirm(ctx, "Apply these changes?")
}

// edited is the configuration with all changes: first a whole one, then what is
// merged, then single values; without any of them what an editor makes of it.
func (s *session) edited(ctx context.Context, e edit, values map[string]any) (map[string]any, error) {
	if e.replace == "" && e.apply == "" && len(e.set) == 0 && len(e.parameters) == 0 {
		return s.byEditor(ctx, values)
	}
	if e.replace != "" {
		whole, err := s.readYAML(e.replace)
		if err != nil {
			return nil, err
		}
		values = whole
	}
	if e.apply != "" {
		patch, err := s.readYAML(e.apply)
		if err != nil {
			return nil, err
		}
		values, _ = rest.Merge(values, patch)
	}
	for _, pair := range e.set {
		var err error
		if values, err = setPair(values, pair, nil); err != nil {
			return nil, err
		}
	}
	for _, pair := range e.parameters {
		var err error
		if values, err = setPair(values, pair, []string{"postgresql", "parameters"}); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// setPair sets K=V below a path; the dots of K lead further down.
func setPair(values map[string]any, pair string, below []string) (map[string]any, error) {
	key, text, ok := strings.Cut(pair, "=")
	if !ok || strings.TrimSpace(key) == "" {
		return nil, wording("Invalid parameter setting %s", pair)
	}
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		return nil, wording("Invalid parameter setting %s", pair)
	}
	path := append(below, strings.Split(strings.TrimSpace(key), ".")...)
	return setPath(values, path, value, nil), nil
}

// setPath returns values with one changed; null removes it, and the maps that
// it leaves empty. The names of PostgreSQL's parameters may have dots.
func setPath(values map[string]any, path []string, value any, above []string) map[string]any {
	out := maps.Clone(values)
	if out == nil {
		out = map[string]any{}
	}
	if strings.Join(above, ".") == "postgresql.parameters" {
		path = []string{strings.Join(path, ".")}
	}
	key := path[0]
	if len(path) > 1 {
		inner, _ := out[key].(map[string]any)
		inner = setPath(inner, path[1:], value, append(above, key))
		value = inner
		if len(inner) == 0 {
			value = nil
		}
	}
	if value == nil {
		delete(out, key)
	} else {
		out[key] = value
	}
	return out
}

func (s *session) readYAML(file string) (map[string]any, error) {
	var text []byte
	var err error
	if file == "-" {
		text, err = io.ReadAll(s.in)
	} else {
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, err
	}
	return parseYAML(file, text)
}

func parseYAML(name string, text []byte) (map[string]any, error) {
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	values, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s: a map of settings is needed", name)
	}
	return values, nil
}

// byEditor lets the operator edit the configuration in a file that nobody else
// can read.
func (s *session) byEditor(ctx context.Context, values map[string]any) (map[string]any, error) {
	text, err := s.configText(values)
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp("", strings.ReplaceAll(s.name, "/", "-")+"-config-*.yaml")
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(text)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	editor, err := s.editor()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, editor[0], append(editor[1:], file.Name())...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.o.In, s.o.Out, s.o.Err
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("the editor %s: %w", editor[0], err)
	}
	edited, err := os.ReadFile(file.Name())
	if err != nil {
		return nil, err
	}
	return parseYAML("what was edited", edited)
}

// editor is the one of the environment, else one that is there.
func (s *session) editor() ([]string, error) {
	if words := strings.Fields(s.variable("EDITOR")); len(words) > 0 {
		return words, nil
	}
	for _, name := range []string{"editor", "vi"} {
		if path, err := exec.LookPath(name); err == nil {
			return []string{path}, nil
		}
	}
	return nil, errors.New("EDITOR environment variable is not set. editor or vi are not available")
}

package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parseYAML reads a document whose top is a map. Keys are texts, whatever they
// read as; so are times, which mean nothing here, and what stands under a name
// or a password, so that 0123 keeps its zero.
func parseYAML(document []byte) (map[string]any, error) {
	var v any
	if err := parseInto(document, &v); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case nil:
		return map[string]any{}, nil
	case map[string]any:
		return v, nil
	}
	return nil, errors.New("must be a map of sections at its top")
}

func parseInto(document []byte, to *any) error {
	var root yaml.Node
	if err := yaml.Unmarshal(document, &root); err != nil {
		return withoutValues(err)
	}
	if root.Kind == 0 {
		return nil
	}
	plain(&root, 0)
	if err := root.Decode(to); err != nil {
		return withoutValues(err)
	}
	return textKeys(*to)
}

// deepest bounds how far a document nests.
const deepest = 100

var alwaysText = regexp.MustCompile(`^(scope|namespace|name|username|token|.*password)$`)

// plain makes texts of what is one here. Aliases need no visit: what they stand
// for is visited where it is written.
func plain(n *yaml.Node, depth int) {
	if depth > deepest {
		return
	}
	for i, child := range n.Content {
		isKey := n.Kind == yaml.MappingNode && i%2 == 0
		underName := n.Kind == yaml.MappingNode && i%2 == 1 && alwaysText.MatchString(n.Content[i-1].Value)
		if child.Kind == yaml.ScalarNode {
			switch tag := child.ShortTag(); {
			case isKey && tag != "!!merge", tag == "!!timestamp", underName && tag != "!!null":
				child.Tag = "!!str"
			}
		}
		plain(child, depth+1)
	}
}

// textKeys makes sure that every map has texts as keys.
func textKeys(v any) error {
	switch v := v.(type) {
	case map[any]any:
		return errors.New("the keys of a map must be texts")
	case map[string]any:
		for k, item := range v {
			if err := textKeys(item); err != nil {
				return fmt.Errorf("%s: %w", k, err)
			}
		}
	case []any:
		for _, item := range v {
			if err := textKeys(item); err != nil {
				return err
			}
		}
	}
	return nil
}

var quoted = regexp.MustCompile("`[^`]*`")

// withoutValues takes out of an error of the parser what may be a piece of a
// secret: a password that begins with * reads as a reference to an anchor.
func withoutValues(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if strings.Contains(text, "unknown anchor") {
		text = "a value that begins with * must stand in quotes"
	}
	text = quoted.ReplaceAllString(text, "a value")
	return errors.New(strings.Join(strings.Fields(text), " "))
}

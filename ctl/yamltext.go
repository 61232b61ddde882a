package ctl

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yamlText is block YAML with its keys sorted, as PyYAML would indent it.
func yamlText(v any) (string, error) {
	var buf bytes.Buffer
	enc := yaml.NewEncoder(&buf)
	enc.SetIndent(2)
	enc.CompactSeqIndent()
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return buf.String(), nil
}

// blockYAML is a map with a line for each key.
func blockYAML(m map[string]any) string {
	text, err := yamlText(m)
	if err != nil || len(m) == 0 {
		return ""
	}
	return strings.TrimSpace(text)
}

// flowYAML is a map on one line.
func flowYAML(m map[string]any) string {
	if len(m) == 0 {
		return ""
	}
	var n yaml.Node
	if err := n.Encode(m); err != nil {
		return ""
	}
	flow(&n)
	text, err := yamlText(&n)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(text)
}

func flow(n *yaml.Node) {
	n.Style |= yaml.FlowStyle
	for _, c := range n.Content {
		if c.Kind != yaml.ScalarNode {
			flow(c)
		}
	}
}

package config

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// YAML is the local configuration with all its sources put together and without
// the values of its secrets.
func (c *Config) YAML() ([]byte, error) {
	return yaml.Marshal(withoutSecrets(c.local.values))
}

func withoutSecrets(v any) any {
	switch v := v.(type) {
	case map[string]any:
		plain := make(map[string]any, len(v))
		for name, item := range v {
			if plain[name] = withoutSecrets(item); item != nil && slices.Contains(secretKeys, name) {
				plain[name] = redacted
			}
		}
		return plain
	case []any:
		plain := make([]any, len(v))
		for i, item := range v {
			plain[i] = withoutSecrets(item)
		}
		return plain
	}
	return v
}

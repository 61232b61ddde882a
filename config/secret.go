package config

import (
	"fmt"
	"log/slog"
)

// Secret is a password or token. However it is printed, logged or marshalled,
// only whether there is one shows.
type Secret string

const redacted = "[redacted]"

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String tells no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format tells no secret under any verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// LogValue tells no secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText tells no secret: JSON and YAML use it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

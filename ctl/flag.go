package ctl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// oneOfValue is a flag that takes one of several words.
type oneOfValue struct {
	value   *string
	allowed []string
}

// oneOf makes a flag of value, which has its default.
func oneOf(value *string, allowed ...string) pflag.Value { return &oneOfValue{value, allowed} }

// Set implements pflag.Value.
func (o *oneOfValue) Set(text string) error {
	if !slices.Contains(o.allowed, text) {
		return fmt.Errorf("allowed are %s", strings.Join(o.allowed, ", "))
	}
	*o.value = text
	return nil
}

// String implements pflag.Value.
func (o *oneOfValue) String() string {
	if o.value == nil { // as pflag asks for the zero value's text
		return ""
	}
	return *o.value
}

// Type implements pflag.Value.
func (o *oneOfValue) Type() string { return "word" }

// countValue is a flag that takes a number of at least one.
type countValue struct{ value *int }

// Set implements pflag.Value.
func (c countValue) Set(text string) error {
	var n int
	if _, err := fmt.Sscan(text, &n); err != nil || n < 1 || fmt.Sprint(n) != text {
		return fmt.Errorf("allowed is a number of at least 1")
	}
	*c.value = n
	return nil
}

// String implements pflag.Value.
func (c countValue) String() string {
	if c.value == nil {
		return ""
	}
	return fmt.Sprint(*c.value)
}

// Type implements pflag.Value.
func (c countValue) Type() string { return "number" }

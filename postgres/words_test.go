package postgres

import (
	"slices"
	"testing"
)

func TestSplitWords(t *testing.T) {
	for command, want := range map[string][]string{
		`/usr/bin/clone --fast`:      {"/usr/bin/clone", "--fast"},
		`  a   b	c `:                 {"a", "b", "c"},
		`a 'b c' d`:                  {"a", "b c", "d"},
		`a "b 'c' \"d\" \n" ''`:      {"a", `b 'c' "d" \n`, ""},
		`a\ b 'c\d'`:                 {"a b", `c\d`},
		`sh -c 'test "$1" = x' -- y`: {"sh", "-c", `test "$1" = x`, "--", "y"},
	} {
		got, err := splitWords(command)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q and %v, want %q", command, got, err, want)
		}
	}
	for _, command := range []string{``, ` `, `a 'b`, `a "b`, `a \`} {
		if got, err := splitWords(command); err == nil {
			t.Errorf("%s: got %q and no error", command, got)
		}
	}
}

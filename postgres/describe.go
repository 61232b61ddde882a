package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// described are the parameters of one PostgreSQL as "postgres --describe-config"
// lists them; nil: not known.
type described map[string]description

type description struct {
	kind        string // BOOLEAN, ENUM, INTEGER, REAL, STRING
	least, most float64
}

// errUnknownParameter is why check refuses a name that isn't listed. Developer
// options aren't listed either: see accepts.
const errUnknownParameter = "this PostgreSQL doesn't know it"

// check returns the value that the server will take for name. wrong is empty, or
// says what is wrong with the given one; value is empty if there is no way to
// use it.
func (d described) check(name, given string) (value, wrong string) {
	p, ok := d[name]
	switch {
	case d == nil || strings.Contains(name, "."):
		return given, ""
	case !ok:
		return "", errUnknownParameter
	case p.kind == "BOOLEAN":
		if _, ok := parseBool(given); !ok {
			return "", "must be on or off"
		}
	case p.kind == "INTEGER", p.kind == "REAL":
		n, err := strconv.ParseFloat(given, 64)
		if err != nil {
			return given, "" // perhaps with a unit, which only the server knows
		}
		if bound := math.Max(p.least, math.Min(p.most, n)); bound != n {
			return strconv.FormatFloat(bound, 'f', -1, 64), fmt.Sprintf("must be from %v to %v", p.least, p.most)
		}
	}
	return given, ""
}

func parseDescriptions(text string) described {
	d := make(described)
	for line := range strings.Lines(text) {
		// name, context, group, type, default, least, most, short, long
		f := strings.Split(line, "\t")
		if len(f) < 7 {
			continue
		}
		p := description{kind: f[3], least: math.Inf(-1), most: math.Inf(1)}
		if n, err := strconv.ParseFloat(f[5], 64); err == nil {
			p.least = n
		}
		if n, err := strconv.ParseFloat(f[6], 64); err == nil {
			p.most = n
		}
		d[strings.ToLower(f[0])] = p
	}
	return d
}

// executable identifies an executable file until it is replaced.
type executable struct {
	path string
	at   time.Time
	size int64
}

// knowledge is what was learnt of one executable.
type knowledge struct {
	of        executable
	described described
	accepted  map[string]bool
}

// describe asks the server's executable for its parameters, once.
func (s *Server) describe(ctx context.Context) (described, error) {
	k, err := s.learn(ctx)
	if err != nil {
		return nil, err
	}
	return k.described, nil
}

func (s *Server) learn(ctx context.Context) (*knowledge, error) {
	path, err := exec.LookPath(s.program("postgres"))
	if err != nil {
		return nil, err
	}
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	of := executable{path, fi.ModTime(), fi.Size()}
	s.knowledgeMu.Lock()
	defer s.knowledgeMu.Unlock()
	if s.knowledge != nil && s.knowledge.of == of {
		return s.knowledge, nil
	}
	var out strings.Builder
	j := job{path: path, args: []string{"--describe-config"}, env: toolEnv(), dir: "/",
		line: func(l string) { out.WriteString(l + "\n") }}
	if err := j.run(ctx); err != nil {
		return nil, err
	}
	s.knowledge = &knowledge{of: of, described: parseDescriptions(out.String()), accepted: make(map[string]bool)}
	return s.knowledge, nil
}

// accepts says whether the server knows a parameter that it doesn't list. When
// that can't be found out it is taken as known: the server has the last word.
func (s *Server) accepts(ctx context.Context, name string) bool {
	k, err := s.learn(ctx)
	if err != nil {
		return true
	}
	s.knowledgeMu.Lock()
	defer s.knowledgeMu.Unlock()
	if known, asked := k.accepted[name]; asked {
		return known
	}
	dir, err := os.MkdirTemp("", "regent-")
	if err != nil {
		return true
	}
	defer os.RemoveAll(dir)
	// It wants a data directory with a configuration file, nothing more.
	if err := os.WriteFile(dir+"/postgresql.conf", nil, 0o600); err != nil {
		return true
	}
	j := job{path: k.of.path, args: []string{"-D", dir, "-C", name}, env: toolEnv("LC_ALL=C"), dir: "/"}
	err = j.run(ctx)
	var exit *exec.ExitError
	unknown := errors.As(err, &exit) && strings.Contains(err.Error(), "unrecognized configuration parameter")
	if err == nil || unknown {
		k.accepted[name] = !unknown
	}
	return !unknown
}

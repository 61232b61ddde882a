package postgres

import (
	"os"
	"strings"
)

// What the mark of an incomplete directory says was under way.
const (
	workClone  = "clone"  // the directory was empty before: what is in it is ours to remove
	workRewind = "rewind" // it is what is left of somebody's data
)

// mark is the content of an incomplete directory's mark: what was under way and,
// a line each, the directories elsewhere that belong to it.
type mark struct {
	work    string
	outside []string
}

func (s *Server) mark() (mark, error) {
	content, err := os.ReadFile(s.opts.DataDir + incompleteMarker)
	if err != nil {
		return mark{}, err
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	return mark{work: lines[0], outside: lines[1:]}, nil
}

func (s *Server) markClone(outside []string) error {
	return s.markIncomplete(strings.Join(append([]string{workClone}, outside...), "\n"))
}

package postgres

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// The log file gets what the postmaster writes before, or instead of, its own
// logging. It is kept small: one older file beside it.
const (
	logAtStart = 1 << 20  // bytes; a larger one is put aside at a start
	logAtMost  = 64 << 20 // bytes; a larger one is put aside while the server runs
	logTail    = 16 << 10 // bytes that are searched for the reason of a death
)

func (s *Server) logFile() string { return s.opts.LogFile }

// rotateLog puts a log file aside that has grown beyond limit. A running server
// has it open: it is copied and emptied then.
func (s *Server) rotateLog(limit int64, running bool) error {
	path := s.logFile()
	fi, err := os.Stat(path)
	if err != nil {
		return ignoreNotExist(err)
	}
	if fi.Size() <= limit {
		return nil
	}
	if !running {
		return os.Rename(path, path+".1")
	}
	if err := copyFile(path, path+".1"); err != nil {
		return err
	}
	return os.Truncate(path, 0)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// ran remembers that a server let us in.
func (s *Server) ran(pm *postmaster) {
	s.pmMu.Lock()
	defer s.pmMu.Unlock()
	if s.launch.of == pm {
		s.launch.ran = true
	}
}

// launchRecord is of our last start.
type launchRecord struct {
	of      *postmaster
	logFrom int64 // where its part of the log file begins
	ran     bool  // it let us in
	stopped bool  // by us
}

// lastWords is PostgreSQL's own reason of the death of the postmaster that we
// started last, in one line: its last messages where it died before it let us
// in, else only a PANIC. Empty: none was found, or we stopped it.
func (s *Server) lastWords() string {
	s.pmMu.Lock()
	launch := s.launch
	s.pmMu.Unlock()
	if launch.of == nil || launch.stopped {
		return ""
	}
	text := readTail(s.logFile(), launch.logFrom)
	if strings.Contains(text, "log output will appear in directory") {
		text += readTail(s.collectorFile(), 0)
	}
	severities := []string{"PANIC:  ", "FATAL:  ", "ERROR:  "}
	switch {
	case launch.ran:
		severities = severities[:1]
	case strings.Contains(text, "contains errors"): // of a configuration file, told before
		severities = append(severities, "LOG:  ")
	}
	words := lastMessages(text, append(severities, portTaken))
	if strings.Contains(words, portTaken) {
		words = fmt.Sprintf("postgresql.listen is %q, where this server can't listen: %s", s.Settings().Listen, words)
	}
	return words
}

// portTaken begins the message that tells why "could not create any TCP/IP
// sockets", the last one, ended a start.
const portTaken = "LOG:  could not bind"

// collectorFile is the log file that the server's logging collector wrote last.
func (s *Server) collectorFile() string {
	content, err := os.ReadFile(s.dataPath("current_logfiles"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(content)) {
		if format, file, ok := strings.Cut(strings.TrimSpace(line), " "); ok && format == "stderr" {
			if filepath.IsAbs(file) {
				return file
			}
			return s.dataPath(file)
		}
	}
	return ""
}

func readTail(path string, from int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return ""
	}
	from = max(from, fi.Size()-logTail)
	text, _ := io.ReadAll(io.NewSectionReader(f, from, logTail))
	return string(text)
}

// lastMessages picks the last three messages of those severities, with the
// hints that follow them.
func lastMessages(text string, severities []string) string {
	var found []string
	take := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		i, _ := indexAny(line, severities)
		if i >= 0 {
			found, take = append(found, strings.TrimSpace(line[i:])), true
			continue
		}
		if i, tag := indexAny(line, []string{"DETAIL:  ", "HINT:  "}); i >= 0 && take {
			found[len(found)-1] += " (" + line[i+len(tag):] + ")"
			continue
		}
		take = false
	}
	if len(found) > 3 {
		found = found[len(found)-3:]
	}
	return strings.Join(found, "; ")
}

func indexAny(line string, tags []string) (int, string) {
	for _, tag := range tags {
		if i := strings.Index(line, tag); i >= 0 {
			return i, tag
		}
	}
	return -1, ""
}

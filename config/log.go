package config

import (
	"io/fs"
	"log/slog"
	"strconv"
	"strings"

	"github.com/regent-ha/regent/internal/value"
)

// Log is where the log goes and what is in it.
type Log struct {
	Type         string // plain or json
	Level        slog.Level
	StaticFields map[string]any // put into every line, type json only

	Dir      string // its file rotates; empty: standard error
	Mode     fs.FileMode
	FileNum  int   // rotated files that are kept
	FileSize int64 // bytes from which on it rotates
}

// levelCritical lies above errors.
const levelCritical = slog.LevelError + 4

var levels = map[string]slog.Level{
	"DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo, "WARNING": slog.LevelWarn, "WARN": slog.LevelWarn,
	"ERROR": slog.LevelError, "CRITICAL": levelCritical, "FATAL": levelCritical,
}

func parseLog(s *section) Log {
	l := Log{
		Type:         s.oneOf("type", "plain", "plain", "json"),
		Dir:          s.text("dir", ""),
		Mode:         parseMode(s),
		FileNum:      int(s.number("file_num", 4, 0)),
		FileSize:     s.bytes("file_size", 25000000, 1024),
		StaticFields: s.sub("static_fields").values,
	}
	level := s.oneOf("level", "INFO", "DEBUG", "INFO", "WARNING", "WARN", "ERROR", "CRITICAL", "FATAL")
	l.Level = levels[level]
	s.noEffect("format", "dateformat", "traceback_level", "max_queue_size", "loggers", "deduplicate_heartbeat_logs")
	s.rest()
	return l
}

// parseMode reads a file's mode: octal as text; YAML itself reads a bare 0644 as octal.
func parseMode(s *section) fs.FileMode {
	const fallback = 0o640
	v, given := s.take("mode")
	if !given {
		return fallback
	}
	n, isInt := v.(int)
	if t, isText := v.(string); isText {
		parsed, err := strconv.ParseUint(strings.TrimPrefix(t, "0o"), 8, 32)
		n, isInt = int(parsed), err == nil
	}
	if !isInt || n <= 0 || n > 0o777 {
		s.bad("mode", "%s is no mode of a file: octal, like 0640", value.Show(v))
		return fallback
	}
	return fs.FileMode(n)
}

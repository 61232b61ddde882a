package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// counters are what a server and this process have used up to a moment.
type counters struct {
	at       time.Time
	metrics  map[string]float64 // etcd's that have no labels
	messages map[string]float64 // that clients have sent, by method
	written  float64            // bytes that etcd has had written to the disk
	waited   time.Duration      // of etcd's threads, ready to run, for a core
	ownCPU   time.Duration
	ownRSS   float64 // bytes
}

// count looks at everything once.
func (s *server) count(ctx context.Context) (counters, error) {
	c := counters{at: time.Now(), metrics: map[string]float64{}, messages: map[string]float64{}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/metrics", nil)
	if err != nil {
		return c, fmt.Errorf("load: %w", err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return c, fmt.Errorf("load: etcd's metrics: %w", err)
	}
	defer answer.Body.Close()
	if err := c.parse(answer.Body); err != nil {
		return c, fmt.Errorf("load: etcd's metrics: %w", err)
	}
	if c.written, err = numberIn(fmt.Sprintf("/proc/%d/io", s.cmd.Process.Pid), "write_bytes:"); err != nil {
		return c, err
	}
	if c.waited, err = waitedForCore(s.cmd.Process.Pid); err != nil {
		return c, err
	}
	kib, err := numberIn("/proc/self/status", "VmRSS:")
	if err != nil {
		return c, err
	}
	c.ownRSS = kib * 1024
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return c, fmt.Errorf("load: own CPU time: %w", err)
	}
	c.ownCPU = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	return c, nil
}

// parse reads the text format of Prometheus.
func (c *counters) parse(text io.Reader) error {
	for lines := bufio.NewScanner(text); lines.Scan(); {
		name, number, ok := cutLast(lines.Text(), " ")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if labels, ok := strings.CutPrefix(name, "grpc_server_msg_received_total{"); ok {
			_, method, _ := strings.Cut(labels, `grpc_method="`)
			method, _, _ = strings.Cut(method, `"`)
			c.messages[method] += n
		} else if !strings.Contains(name, "{") {
			c.metrics[name] = n
		}
	}
	return nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// numberIn finds a line of a file in /proc and the number in it.
func numberIn(path, name string) (float64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("load: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			n, err := strconv.ParseFloat(fields[1], 64)
			if err != nil {
				return 0, fmt.Errorf("load: %s of %s: %w", name, path, err)
			}
			return n, nil
		}
	}
	return 0, fmt.Errorf("load: %s has no %s", path, name)
}

// waitedForCore is how long the threads of a process that still run have been ready
// without running (schedstat in /proc, in nanoseconds).
func waitedForCore(pid int) (sum time.Duration, err error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, fmt.Errorf("load: %w", err)
	}
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // it has just ended
		}
		var ran, waited int64
		if err == nil {
			_, err = fmt.Sscan(string(text), &ran, &waited)
		}
		if err != nil {
			return 0, fmt.Errorf("load: %s: %w", path, err)
		}
		sum += time.Duration(waited)
	}
	return sum, nil
}

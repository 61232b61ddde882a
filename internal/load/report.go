package load

import (
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
)

// report prints what the server and this process used between two looks.
func report(w io.Writer, before, after counters) {
	seconds := after.at.Sub(before.at).Seconds()
	rate := func(name string) float64 { return (after.metrics[name] - before.metrics[name]) / seconds }
	const mib = 1 << 20
	var sum float64
	var parts []string
	for _, method := range slices.Sorted(maps.Keys(after.messages)) {
		n := (after.messages[method] - before.messages[method]) / seconds
		if n == 0 {
			continue
		}
		if method == "Watch" {
			method = "signs of life of watches"
		} else {
			sum += n
		}
		parts = append(parts, fmt.Sprintf("%s %.1f", method, n))
	}
	fmt.Fprintf(w, "  requests a second: %.1f (%s)\n", sum, strings.Join(parts, ", "))
	fmt.Fprintf(w, "  etcd: %.1f %% of a core and %.1f %% waiting for one, %.0f MiB resident, %.0f open files, %.2f MiB/s written, %.1f syncs of its log a second (mean %.1f ms; of its database %.1f ms), database %.1f MiB\n",
		100*rate("process_cpu_seconds_total"), 100*(after.waited-before.waited).Seconds()/seconds, after.metrics["process_resident_memory_bytes"]/mib, after.metrics["process_open_fds"],
		(after.written-before.written)/seconds/mib, rate("etcd_disk_wal_fsync_duration_seconds_count"),
		1000*quotient(rate("etcd_disk_wal_fsync_duration_seconds_sum"), rate("etcd_disk_wal_fsync_duration_seconds_count")),
		1000*quotient(rate("etcd_disk_backend_commit_duration_seconds_sum"), rate("etcd_disk_backend_commit_duration_seconds_count")),
		after.metrics["etcd_mvcc_db_total_size_in_bytes"]/mib)
	fmt.Fprintf(w, "  all members together, in this program: %.1f %% of a core, %.0f MiB resident, %d goroutines\n",
		100*(after.ownCPU-before.ownCPU).Seconds()/seconds, after.ownRSS/mib, runtime.NumGoroutine())
}

func quotient(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

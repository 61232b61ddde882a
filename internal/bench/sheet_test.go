package bench

import (
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestSheet(t *testing.T) {
	s := &sheet{out: io.Discard}
	s.add("ours", "load average", amount(3))
	for _, d := range []time.Duration{900, 250, 300} {
		s.add("ours", "restart: no writes", seconds(d*time.Millisecond))
	}
	s.add("theirs", "restart: no writes", seconds(3*time.Second))
	s.add("theirs", "switchover: acknowledged rows lost", amount(0))
	var out strings.Builder
	s.print(&out, []string{"ours", "theirs"}, []ratio{{"ours / theirs", "ours", "theirs"}})
	got := regexp.MustCompile(` +`).ReplaceAllString(out.String(), " ")
	want := ` unit ours theirs ours / theirs
restart: no writes s 0.30 (0.25–0.90) 3.00 0.10
switchover: acknowledged rows lost – 0 –
load average 3.00 – –
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestParseSettings(t *testing.T) {
	s, err := ParseSettings("20/1/3")
	if want := (Settings{20 * time.Second, time.Second, 3 * time.Second}); s != want || err != nil || s.String() != "20/1/3" {
		t.Errorf("%v, %v", s, err)
	}
	for _, text := range []string{"", "20", "20/1", "20/1/3/4", "20/0/3", "20/1/x"} {
		if _, err := ParseSettings(text); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestReceived(t *testing.T) {
	sums := map[string]float64{}
	err := received(strings.NewReader(`# HELP x
grpc_server_msg_received_total{grpc_method="Range",grpc_service="etcdserverpb.KV",grpc_type="unary"} 12
grpc_server_msg_received_total{grpc_method="Watch",grpc_service="etcdserverpb.Watch",grpc_type="bidi_stream"} 3
grpc_server_msg_sent_total{grpc_method="Range",grpc_service="etcdserverpb.KV",grpc_type="unary"} 7
`), sums)
	if err != nil || len(sums) != 1 || sums["Range"] != 12 {
		t.Errorf("%v, %v", sums, err)
	}
}

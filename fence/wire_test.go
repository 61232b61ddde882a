package fence

import (
	"bytes"
	"encoding/binary"
	"net"
	"strings"
	"testing"
)

func TestFrames(t *testing.T) {
	var b bytes.Buffer
	want := request{ID: 7, Verb: verbDisarm, Number: 9}
	if err := writeFrame(&b, want); err != nil {
		t.Fatal(err)
	}
	var got request
	if err := readFrame(&b, &got); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := readFrame(bytes.NewReader(binary.BigEndian.AppendUint32(nil, maxFrame+1)), &got); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("a frame that is too long: %v", err)
	}
	if err := writeFrame(&b, request{Command: &Command{Env: []string{strings.Repeat("x", maxFrame)}}}); err == nil {
		t.Error("wrote a frame that is too long")
	}
}

func FuzzReadFrame(f *testing.F) {
	var b bytes.Buffer
	writeFrame(&b, request{ID: 1, Verb: verbArm, Arm: &Arm{}})
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, in []byte) {
		var r request
		if readFrame(bytes.NewReader(in), &r) == nil && len(in) < 6 {
			t.Errorf("%q is a request", in)
		}
	})
}

// The guard outlives whatever comes in on its socket.
func TestGarbageOnTheSocket(t *testing.T) {
	alone(t)
	n := newNode(t)
	n.connect()
	p, err := n.place()
	if err != nil {
		t.Fatal(err)
	}
	hello := request{Verb: verbHello, Protocol: protocolVersion}
	say := func(v any) string {
		var b bytes.Buffer
		if err := writeFrame(&b, v); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for _, in := range []string{
		"", "\x00", "\xff\xff\xff\xff", "\x00\x00\x00\x02[]", "GET / HTTP/1.1\r\n\r\n",
		say(request{Verb: verbArm, Arm: &Arm{}}),
		say(hello) + "\x00\x00\x00\x01x",
		say(hello) + say(request{Verb: "reticulate"}) + say(request{Verb: verbArm}) + say(request{Verb: verbLaunch}),
	} {
		conn, err := net.Dial("unix", p.socket())
		if err != nil {
			t.Fatal(err)
		}
		conn.Write([]byte(in))
		conn.Close()
	}
	if s := n.state(); s.Guard != n.guardPID() || s.Armed() {
		t.Errorf("state is %+v", s)
	}
	old := hello
	old.Protocol = protocolVersion + 1
	if _, err := dial(soon(t), p, old); reasonOf(err) != RefusedProtocol {
		t.Errorf("another protocol: %v", err)
	}
	observer, err := dial(soon(t), p, request{Verb: verbHello, Protocol: protocolVersion, Observe: true})
	if err != nil {
		t.Fatal(err)
	}
	defer observer.conn.Close()
	if err := observer.Disarm(soon(t), 1); reasonOf(err) != RefusedBusy {
		t.Errorf("an observer disarms: %v", err)
	}
}

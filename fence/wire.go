package fence

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// The protocol between agent and guard: frames of a four-byte big-endian length
// and that many bytes of JSON, over a Unix socket. The agent sends requests with
// rising ids, hello first; each is answered once, in any order.

const (
	protocolVersion = 1
	maxFrame        = 1 << 20
	maxUnderWay     = 32 // requests of one connection
)

type verb string

const (
	verbHello  verb = "hello" // to be listened to
	verbArm    verb = "arm"
	verbDisarm verb = "disarm"
	verbHold   verb = "hold"
	verbLaunch verb = "launch"
	verbState  verb = "state"
	verbBye    verb = "bye" // another may be listened to although we live
)

type request struct {
	ID       uint64   `json:"id"`
	Verb     verb     `json:"verb"`
	Protocol int      `json:"protocol,omitempty"` // of hello
	Kill     bool     `json:"kill,omitempty"`     // of hello
	Observe  bool     `json:"observe,omitempty"`  // of hello: will ask for nothing but the state
	Arm      *Arm     `json:"arm,omitempty"`
	Number   uint64   `json:"number,omitempty"` // of disarm and hold
	Command  *Command `json:"command,omitempty"`
}

type response struct {
	ID      uint64 `json:"id"`
	PID     int    `json:"pid,omitempty"` // of a launch
	State   *State `json:"state,omitempty"`
	Reason  Reason `json:"reason,omitempty"` // of a refusal
	Problem string `json:"problem,omitempty"`
}

// err is what the response says to the caller.
func (r response) err() error {
	switch {
	case r.Reason != "":
		return &RefusedError{Reason: r.Reason, Detail: r.Problem}
	case r.Problem != "":
		return fmt.Errorf("guard: %s", r.Problem)
	}
	return nil
}

func writeFrame(w io.Writer, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(body) > maxFrame {
		return fmt.Errorf("message of %d bytes, at most %d are possible", len(body), maxFrame)
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
	return err
}

func readFrame(r io.Reader, v any) error {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxFrame {
		return fmt.Errorf("message of %d bytes, at most %d are possible", n, maxFrame)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return err
	}
	return json.Unmarshal(body, v)
}

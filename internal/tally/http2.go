package tally

import (
	"bufio"
	"encoding/binary"
	"path"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Watching is what a watch asks while it stands, so that silence is a proof. It
// isn't counted as a request.
const Watching = "signs of life of the watch"

// stream is one call of gRPC, as far as it was read.
type stream struct {
	method  string
	pending []byte // of a message
}

// readHTTP2 counts the messages that a gRPC client sends.
func readHTTP2(said *bufio.Reader, count func(what string)) error {
	if _, err := said.Discard(len(http2.ClientPreface)); err != nil {
		return err
	}
	frames := http2.NewFramer(nil, said)
	frames.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	frames.SetMaxReadFrameSize(1<<24 - 1)
	streams := map[uint32]*stream{}
	for {
		frame, err := frames.ReadFrame()
		if err != nil {
			return err
		}
		id, ended := frame.Header().StreamID, false
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			if streams[id] == nil { // else these are trailers
				streams[id] = &stream{method: path.Base(f.PseudoValue("path"))}
			}
			ended = f.StreamEnded()
		case *http2.DataFrame:
			if s := streams[id]; s != nil {
				s.take(f.Data(), count)
			}
			ended = f.StreamEnded()
		case *http2.RSTStreamFrame:
			ended = true
		}
		if ended {
			delete(streams, id)
		}
	}
}

// take counts the messages that bytes complete: each has a byte of flags and four
// of length before it (gRPC over HTTP2, Length-Prefixed-Message).
func (s *stream) take(bytes []byte, count func(what string)) {
	const prefix = 5
	s.pending = append(s.pending, bytes...)
	for len(s.pending) >= prefix {
		end := prefix + int(binary.BigEndian.Uint32(s.pending[1:prefix]))
		if len(s.pending) < end {
			return
		}
		const progressRequest = 3<<3 | 2 // the field of etcdserverpb.WatchRequest
		what := s.method
		if what == "Watch" && end > prefix && s.pending[prefix] == progressRequest {
			what = Watching
		}
		count(what)
		s.pending = s.pending[end:]
	}
}

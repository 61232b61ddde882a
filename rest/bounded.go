package rest

import (
	"net/http"
	"time"
)

// bounded gives a client that much time to take each part of an answer. No
// answer as a whole can have a deadline: some take minutes to come.
type bounded struct {
	http.ResponseWriter
	timeout time.Duration
}

func newBounded(w http.ResponseWriter, timeout time.Duration) *bounded {
	b := &bounded{w, timeout}
	b.extend() // it may be from the request before
	return b
}

func (b *bounded) WriteHeader(status int) {
	b.extend()
	b.ResponseWriter.WriteHeader(status)
}

func (b *bounded) Write(text []byte) (int, error) {
	b.extend()
	return b.ResponseWriter.Write(text)
}

func (b *bounded) extend() {
	_ = http.NewResponseController(b.ResponseWriter).SetWriteDeadline(time.Now().Add(b.timeout))
}

// Unwrap lets http.ResponseController find the connection.
func (b *bounded) Unwrap() http.ResponseWriter { return b.ResponseWriter }

package bench

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// Each kind of client counts what was answered, and opens the connections that it
// says it does.
func TestAsk(t *testing.T) {
	for _, keep := range []bool{true, false} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var asked, opened atomic.Int32
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch asked.Add(1) {
			case 3:
				w.WriteHeader(http.StatusServiceUnavailable)
			case 10:
				cancel()
			}
		}))
		server.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
			opened.Add(1)
			return ctx
		}
		server.Start()
		c := ask(ctx, strings.TrimPrefix(server.URL, "http://"), keep)
		server.Close()
		wantOpened := int32(10)
		if keep {
			wantOpened = 2 // another one after the failure
		}
		if len(c.took) != 9 || c.failed != 1 || opened.Load() != wantOpened {
			t.Errorf("keep %v: %d answered, %d failed, %d connections", keep, len(c.took), c.failed, opened.Load())
		}
	}
}

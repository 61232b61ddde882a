package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/regent-ha/regent/clock"
)

// Bounds of one connection.
const (
	defaultHandshakeTimeout = 5 * time.Second
	defaultRequestTimeout   = 10 * time.Second
	idleTimeout             = time.Minute
	headerBytes             = 32 << 10
	bodyBytes               = 1 << 20
	connections             = 1000
)

// Server is the REST API of one member.
type Server struct {
	o        Options
	agent    Agent
	clock    clock.Clock
	log      *slog.Logger
	listener net.Listener
	http     *http.Server
	routes   map[string]route
	access   access
	room     room
	fresh    refresher
	metrics  http.Handler
	started  clock.Instant
	ended    context.Context // of Serve; ends what goes on for longer than its request
	end      context.CancelFunc
}

// New checks o and listens, so that a taken port is known before anything else
// is begun. Whoever doesn't call Serve calls Close.
func New(o Options) (*Server, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	tlsConfig, err := o.TLS.config(o.Logger)
	if err != nil {
		return nil, err
	}
	s := &Server{o: o, agent: o.Agent, clock: o.Clock, log: o.Logger, started: o.Clock.Now(), room: room{limit: connections}}
	s.ended, s.end = context.WithCancel(context.Background())
	if s.access, err = newAccess(o); err != nil {
		return nil, err
	}
	s.routes = s.table()
	s.metrics = s.newMetrics()
	config := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 3 * time.Second, Count: 3}}
	if s.listener, err = config.Listen(context.Background(), "tcp", o.Listen); err != nil {
		return nil, fmt.Errorf("rest: listen: %w", err)
	}
	s.http = &http.Server{
		Handler:                      http.HandlerFunc(s.serve),
		TLSConfig:                    tlsConfig,
		ReadHeaderTimeout:            o.HandshakeTimeout,
		ReadTimeout:                  o.RequestTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               headerBytes,
		DisableGeneralOptionsHandler: true,
		ConnState:                    s.room.changed,
		ConnContext:                  s.room.remember,
		BaseContext:                  func(net.Listener) context.Context { return s.ended },
		ErrorLog:                     slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		TLSNextProto:                 map[string]func(*http.Server, *tls.Conn, http.Handler){}, // no HTTP/2
	}
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve answers requests until ctx ends. Those under way are then given up.
func (s *Server) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, s.end)
	defer stop()
	done := make(chan error, 1)
	go func() {
		if s.http.TLSConfig != nil {
			done <- s.http.ServeTLS(s.listener, "", "")
			return
		}
		done <- s.http.Serve(s.listener)
	}()
	var err error
	select {
	case <-ctx.Done():
	case err = <-done:
		done <- err
	}
	s.end()
	s.shutdown()
	if err = <-done; errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("rest: serve: %w", err)
}

// shutdown lets answers go out for a moment and then cuts them.
func (s *Server) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close()
	}
	s.fresh.wait()
}

// Close lets go of the port of a Server that was never served.
func (s *Server) Close() error {
	s.end()
	return s.listener.Close()
}

package zookeeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Exhibitor tells over HTTP which servers there are. One runs beside each of them,
// and any one knows all.
type Exhibitor struct {
	// Addrs are those to ask, as host:port, one after the other until one answers.
	Addrs []string
	// Interval is between two questions; none is asked at 0.
	Interval time.Duration
}

func (e *Exhibitor) check() error {
	if e == nil {
		return nil
	}
	if len(e.Addrs) == 0 {
		return errors.New("dcs/zookeeper: Options.Exhibitor.Addrs is empty: it must name at least one host:port")
	}
	for _, addr := range e.Addrs {
		if err := checkServer(addr); err != nil {
			return fmt.Errorf("dcs/zookeeper: Options.Exhibitor.Addrs: one %w", err)
		}
	}
	return nil
}

const (
	exhibitorPath    = "/exhibitor/v1/cluster/list"
	exhibitorTimeout = 3100 * time.Millisecond
	largestList      = 1 << 20
)

// Servers asks for the servers, as Options.Servers takes them, in order. The error
// names everyone that was asked.
func (e *Exhibitor) Servers(ctx context.Context) ([]string, error) { return ask(ctx, e.Addrs) }

func ask(ctx context.Context, addrs []string) ([]string, error) {
	var failures []error
	for _, addr := range addrs {
		list := url.URL{Scheme: "http", Host: addr, Path: exhibitorPath}
		servers, err := listOf(ctx, list.String())
		if err == nil {
			return servers, nil
		}
		failures = append(failures, fmt.Errorf("%s: %w", &list, err))
	}
	return nil, fmt.Errorf("no Exhibitor tells the servers: %w", joined(failures))
}

// joined are errors on one line.
type joined []error

func (j joined) Error() (text string) {
	for i, err := range j {
		if i > 0 {
			text += "; "
		}
		text += err.Error()
	}
	return text
}

func (j joined) Unwrap() []error { return j }

// listOf asks one of them.
func listOf(ctx context.Context, list string) ([]string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, exhibitorTimeout, fmt.Errorf("no answer within %v", exhibitorTimeout))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, list, nil)
	if err != nil {
		return nil, err
	}
	// Not kept: it is asked every few minutes.
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if at := (*url.Error)(nil); errors.As(err, &at) {
			err = at.Err
		}
		return nil, plain(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %s", response.Status)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, largestList))
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, plain(err)
	}
	return parseList(text)
}

// parseList reads {"servers": ["host", …], "port": n}. An Exhibitor that knows no
// server, as one that has just begun, hasn't answered.
func parseList(text []byte) ([]string, error) {
	var list struct {
		Servers []string `json:"servers"`
		Port    int      `json:"port"`
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("its answer isn't a list of servers: %w", err)
	}
	if len(list.Servers) == 0 {
		return nil, errors.New("it knows no server")
	}
	var servers []string
	for _, host := range list.Servers {
		server := net.JoinHostPort(host, strconv.Itoa(list.Port))
		if err := checkServer(server); err != nil {
			return nil, fmt.Errorf("its list has a server that %w", err)
		}
		servers = append(servers, server)
	}
	slices.Sort(servers)
	return slices.Compact(servers), nil
}

// follow takes over what Exhibitor tells until the handle is closed. While none
// answers, the last list stays.
func (d *DCS) follow(e *Exhibitor) {
	ticker := time.NewTicker(e.Interval)
	defer ticker.Stop()
	for silent := false; ; {
		select {
		case <-d.open.Done():
			return
		case <-ticker.C:
		}
		known := *d.servers.Load()
		servers, err := ask(d.open, e.withKnown(known))
		switch {
		case d.open.Err() != nil:
			return
		case err != nil:
			if !silent {
				d.log.Warn("the list of ZooKeeper servers isn't renewed, the last one stays", "error", err, "servers", known)
			}
			silent = true
			continue
		case silent:
			d.log.Info("Exhibitor answers again")
			silent = false
		}
		if !slices.Equal(servers, known) {
			d.log.Info("Exhibitor names other ZooKeeper servers", "before", known, "servers", servers)
			d.servers.Store(&servers)
		}
	}
}

// withKnown adds the servers' own Exhibitors, at the port of the first: all that
// were configured may have been replaced meanwhile.
func (e *Exhibitor) withKnown(servers []string) []string {
	addrs := slices.Clone(e.Addrs)
	_, port, _ := net.SplitHostPort(addrs[0])
	for _, server := range servers {
		host, _, _ := net.SplitHostPort(server)
		if addr := net.JoinHostPort(host, port); !slices.Contains(addrs, addr) {
			addrs = append(addrs, addr)
		}
	}
	return addrs
}

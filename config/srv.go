package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// srvServices are under which names servers stand in DNS, in the order in which
// they are looked for: the first that has any counts, so that with one that says
// https nobody comes to http. What only says where servers talk to one another is
// asked for where they serve clients.
var srvServices = []struct {
	name, protocol string
	peers          bool
}{
	{"etcd-client-ssl", "https", false}, {"etcd-client", "http", false},
	{"etcd-ssl", "https", false}, {"etcd", "http", false},
	{"etcd-server-ssl", "https", true}, {"etcd-server", "http", true},
}

// srvLookup is net.Resolver's LookupSRV.
type srvLookup func(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)

// lookUp returns the endpoints, those in DNS if that is where they are (etcd
// documentation, "DNS discovery"). A suffix tells clusters of one domain apart.
func (e Etcd) lookUp(ctx context.Context, lookup srvLookup) ([]string, error) {
	if e.SRV == "" {
		return e.Endpoints, nil
	}
	domain := strings.TrimSuffix(e.SRV, ".") + "." // whole: nothing is to be appended to it
	var asked []string
	for _, service := range srvServices {
		name := service.name
		if e.SRVSuffix != "" {
			name += "-" + e.SRVSuffix
		}
		_, records, err := lookup(ctx, name, "tcp", domain)
		if unknown := (*net.DNSError)(nil); err != nil && len(records) == 0 && !(errors.As(err, &unknown) && unknown.IsNotFound) {
			return nil, fmt.Errorf("look up the servers of %s: %w", e.SRV, err)
		}
		asked = append(asked, "_"+name)
		servers := urlsOf(records, service.protocol)
		switch {
		case len(servers) == 0:
		case service.peers:
			return e.askPeers(ctx, servers)
		default:
			return servers, nil
		}
	}
	return nil, fmt.Errorf("no server found for %s in DNS: none of %s has records below _tcp.%s", e.SRV, strings.Join(asked, ", "), domain)
}

func urlsOf(records []*net.SRV, protocol string) (urls []string) {
	for _, r := range records {
		if host := strings.TrimSuffix(r.Target, "."); host != "" { // else: there is no such service, says RFC 2782
			urls = append(urls, protocol+"://"+net.JoinHostPort(host, strconv.Itoa(int(r.Port))))
		}
	}
	return urls
}

// askPeers asks the servers, where they talk to one another, where all of them
// serve clients.
func (e Etcd) askPeers(ctx context.Context, peers []string) ([]string, error) {
	tls, err := clientTLS(e.CACert, e.Cert, e.Key)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: tls, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	var failures error
	for _, peer := range peers {
		servers, err := clientURLs(ctx, &http.Client{Transport: transport, Timeout: 3 * time.Second}, peer+"/members")
		if err == nil {
			return servers, nil
		}
		failures = errors.Join(failures, err)
	}
	return nil, fmt.Errorf("ask the servers of %s where they serve clients: %s", e.SRV, oneLine(failures))
}

func clientURLs(ctx context.Context, client *http.Client, url string) (urls []string, err error) {
	ask, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(ask)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: %s", url, answer.Status)
	}
	var members []struct {
		ClientURLs []string `json:"clientURLs"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&members); err != nil {
		return nil, fmt.Errorf("get %s: %w", url, err)
	}
	for _, m := range members {
		urls = append(urls, m.ClientURLs...)
	}
	slices.Sort(urls)
	if urls = slices.Compact(urls); len(urls) == 0 {
		return nil, fmt.Errorf("get %s: no member serves clients", url)
	}
	return urls, nil
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

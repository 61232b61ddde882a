package config

import (
	"net"
	"slices"
	"strconv"
	"strings"
)

// address is a host:port.
func (s *section) address(name, fallback string) string {
	a := s.text(name, fallback)
	if a == fallback {
		return a
	}
	if host, _, err := splitAddress(a); err != nil {
		s.bad(name, "%q is not allowed: %v", a, err)
	} else if strings.Contains(host, ",") {
		s.bad(name, "%q is not allowed: one host:port is", a)
	}
	return a
}

// badAddress says what is wrong with an address.
type badAddress string

func (e badAddress) Error() string { return string(e) }

// splitAddress takes host:port apart; the host may be a list with commas.
func splitAddress(a string) (host string, port int, err error) {
	i := strings.LastIndexByte(a, ':')
	if i < 0 || strings.HasSuffix(a, "]") {
		return "", 0, badAddress("host:port is, and the port is missing")
	}
	host = a[:i]
	port, err = strconv.Atoi(a[i+1:])
	if err != nil || port < 1 || port > 65535 {
		return "", 0, badAddress("a port is a number from 1 to 65535")
	}
	if host == "" || strings.ContainsAny(host, " \t/") {
		return "", 0, badAddress("host:port is")
	}
	for part := range strings.SplitSeq(host, ",") {
		bare := unbracket(part)
		if strings.Contains(bare, ":") && net.ParseIP(bare) == nil {
			return "", 0, badAddress("host:port is")
		}
	}
	return host, port, nil
}

// withPort adds a port to a host that has none.
func withPort(host, port string) string {
	if !strings.Contains(unbracket(host), ":") || strings.HasSuffix(host, "]") {
		return host + ":" + port
	}
	return host
}

func unbracket(host string) string {
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		return host[1 : len(host)-1]
	}
	return host
}

// everywhere says whether a host to listen on stands for every address.
func everywhere(host string) bool {
	return slices.Contains([]string{"*", "0.0.0.0", "::", "[::]", ""}, host)
}

// local says whether others on the network can't reach a host by this name.
func local(host string) bool {
	host = unbracket(host)
	ip := net.ParseIP(host)
	return everywhere(host) || host == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsUnspecified())
}

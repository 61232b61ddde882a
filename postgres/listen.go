package postgres

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// splitListen splits "a,b:port" into what listen_addresses takes and the port.
// Without a port it is 5432.
func splitListen(listen string) (hosts string, port int, err error) {
	if listen == "" {
		return "", 0, fmt.Errorf("is empty: it must be addresses and a port, as \"127.0.0.1,10.0.0.1:5432\"")
	}
	hosts, portText := listen, "5432"
	if strings.HasPrefix(listen, "[") || strings.Count(listen, ":") == 1 || strings.Contains(listen, ",") {
		if i := strings.LastIndexByte(listen, ':'); i >= 0 && !strings.HasSuffix(listen, "]") {
			hosts, portText = listen[:i], listen[i+1:]
		}
	} else if h, p, e := net.SplitHostPort(listen); e == nil {
		hosts, portText = h, p
	}
	port, err = strconv.Atoi(portText)
	if err != nil || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("is %q: its port must be a number from 1 to 65535", listen)
	}
	hosts = strings.NewReplacer("[", "", "]", "").Replace(hosts)
	if hosts == "" {
		return "", 0, fmt.Errorf("is %q: it has no address before the port", listen)
	}
	return hosts, port, nil
}

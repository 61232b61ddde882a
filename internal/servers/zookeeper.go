package servers

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ZooKeeperServer is a server of ZooKeeper, as Debian packages it.
type ZooKeeperServer struct {
	Dir  string // for its data and its configuration
	Addr string // host:port for clients
	// ID is its number in an ensemble whose servers Settings name; 0: it is alone.
	ID int
	// MaxSession is the longest session timeout that it grants; 0: five minutes. The
	// shortest is 400 ms.
	MaxSession time.Duration
	// TLS makes clients come by TLS, whose settings are in Settings.
	TLS bool
	// Settings are added to its configuration, Properties to those of the Java
	// virtual machine, all as name=value.
	Settings, Properties []string
}

// zooKeeperJars have the program and what it takes for logs and TLS.
const zooKeeperJars = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar:/usr/share/java/netty-codec.jar:/usr/share/java/netty-resolver.jar"

// FindZooKeeper is the path of Java, if ZooKeeper is there as well.
func FindZooKeeper() (java string, err error) {
	jar, _, _ := strings.Cut(zooKeeperJars, ":")
	if _, err := os.Stat(jar); err != nil {
		return "", errors.New("no ZooKeeper found: apt-get install --no-install-recommends zookeeper")
	}
	return FindPackaged("java", "default-jre-headless")
}

// Args writes the server's configuration and returns its command line.
func (z ZooKeeperServer) Args(java string) ([]string, error) {
	host, port, err := net.SplitHostPort(z.Addr)
	if err != nil {
		return nil, fmt.Errorf("servers: configure ZooKeeper: %w", err)
	}
	longest, client := z.MaxSession, "client"
	if longest <= 0 {
		longest = 5 * time.Minute
	}
	if z.TLS {
		client = "secureClient"
	}
	file := filepath.Join(z.Dir, "zoo.cfg")
	lines := append([]string{
		"tickTime=200", "initLimit=25", "syncLimit=10", "minSessionTimeout=400", fmt.Sprintf("maxSessionTimeout=%d", longest.Milliseconds()),
		"maxClientCnxns=0", "admin.enableServer=false", "4lw.commands.whitelist=*", "standaloneEnabled=true", "reconfigEnabled=false",
		"dataDir=" + z.Dir, client + "Port=" + port, client + "PortAddress=" + host,
	}, z.Settings...)
	err = errors.Join(os.MkdirAll(z.Dir, 0o700), os.WriteFile(filepath.Join(z.Dir, "myid"), fmt.Append(nil, z.ID), 0o600),
		os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	if err != nil {
		return nil, fmt.Errorf("servers: configure ZooKeeper: %w", err)
	}
	args := []string{
		java, "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dzookeeper.jmx.log4j.disable=true",
		"-Djava.net.preferIPv4Stack=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=info", "-Dorg.slf4j.simpleLogger.showDateTime=true",
	}
	if z.TLS {
		args = append(args, "-Dzookeeper.serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory")
	}
	for _, p := range z.Properties {
		args = append(args, "-D"+p)
	}
	return append(args, "-cp", zooKeeperJars, "org.apache.zookeeper.server.quorum.QuorumPeerMain", file), nil
}

// TellZooKeeper sends one of the words of four letters to the server on addr, by
// TLS unless config is nil, and returns the answer.
func TellZooKeeper(addr string, config *tls.Config, word string) (string, error) {
	var link net.Conn
	link, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return "", err
	}
	defer link.Close()
	if config != nil {
		config = config.Clone()
		config.ServerName = "localhost"
		link = tls.Client(link, config)
	}
	link.SetDeadline(time.Now().Add(time.Second))
	if _, err := link.Write([]byte(word)); err != nil {
		return "", err
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(link); err != nil && text.Len() == 0 {
		return "", err
	}
	return text.String(), nil
}

// ZooKeeperMode is what the server on addr is: standalone, leader, follower. That
// it is none of these, since it isn't part of a majority, is an error.
func ZooKeeperMode(addr string, config *tls.Config) (string, error) {
	text, err := TellZooKeeper(addr, config, "srvr")
	_, rest, _ := strings.Cut(text, "Mode: ")
	mode, _, _ := strings.Cut(rest, "\n")
	if err == nil && mode == "" {
		err = errors.New("it isn't part of a majority")
	}
	return mode, err
}

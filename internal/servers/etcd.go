package servers

// EtcdMember is a server of etcd.
type EtcdMember struct {
	Name, Dir      string // Dir is for its data
	Client, Peer   string // URLs
	InitialCluster string // name=URL,... of all members; empty: it is alone
	Token          string // the cluster's
	V2             bool   // API v2 is served as well, which takes etcd's program of a version that has it
}

func (m EtcdMember) cluster() string {
	if m.InitialCluster == "" {
		return m.Name + "=" + m.Peer
	}
	return m.InitialCluster
}

// Args is the command line of etcd's own program.
func (m EtcdMember) Args(program string) []string {
	args := []string{
		program, "--name", m.Name, "--data-dir", m.Dir,
		"--listen-client-urls", m.Client, "--advertise-client-urls", m.Client,
		"--listen-peer-urls", m.Peer, "--initial-advertise-peer-urls", m.Peer,
		"--initial-cluster", m.cluster(), "--initial-cluster-token", m.Token,
		"--logger", "zap", "--log-level", "warn",
	}
	if m.V2 {
		args = append(args, "--enable-v2")
	}
	return args
}

// RegentStoreArgs is the command line of cmd/regent-store, of a member that makes
// its store if Dir holds none.
func (m EtcdMember) RegentStoreArgs(program string) []string {
	return []string{
		program, "run", "--new", "--name", m.Name, "--data-dir", m.Dir,
		"--listen-client", m.Client, "--listen-peer", m.Peer,
		"--initial-cluster", m.cluster(), "--cluster-token", m.Token,
	}
}

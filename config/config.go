package config

import (
	"strings"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/postgres"
)

// Config is the local configuration of one member.
type Config struct {
	Scope     string // the cluster
	Namespace string // where clusters live in the store; default "service"
	Name      string // the member
	RunDir    string // for the guard's socket, the lease file and locks; default /run/regent/SCOPE-NAME
	Fence     Fence

	Log        Log
	RESTAPI    RESTAPI
	Ctl        Ctl
	Store      Store
	Bootstrap  *Bootstrap // nil: this member never initialises a cluster
	PostgreSQL postgres.Options
	Watchdog   Watchdog
	Tags       dcs.Tags

	ProxyAddress string // where clients reach this PostgreSQL through a pooler, host:port; empty: none

	local    *tree     // as it was read
	warnings []Warning // that Load gave
}

// tree is a configuration as it was read, old spellings renamed. It has the
// secrets as plain text: behind a pointer, no verb of fmt prints it.
type tree struct{ values map[string]any }

// Fence is how much the agent relies on the guard.
type Fence string

// Values of fence.
const (
	FenceRequired  Fence = "required"  // no guard, no primary
	FenceAutomatic Fence = "automatic" // a guard wherever one can run
	FenceOff       Fence = "off"       // none
)

// Watchdog is the kernel's one.
type Watchdog struct {
	Mode   string // off, automatic, required
	Device string
}

// defaultNamespace is where clusters live unless said otherwise.
const defaultNamespace = "service"

// longestSocketPath is what fits into a socket's address (unix(7)).
const longestSocketPath = 107

// longestSocketName is kept free for a socket's name in the run directory.
const longestSocketName = len("/guard.sock")

// Load reads the configuration of one member: path is a file or a directory of
// files, env is like os.Environ. With an empty path a whole configuration may
// stand in PATRONI_CONFIGURATION, which then counts alone; else variables go
// over files. An error that lists what is wrong with the content is an InvalidError.
func Load(path string, env []string) (*Config, []Warning, error) {
	r := &report{}
	values, err := read(path, env, r)
	if err != nil {
		return nil, r.warnings, err
	}
	renameFormer(values)
	c := &Config{local: &tree{values}}
	c.parse(newSection("", values, r))
	warnings, err := r.result()
	if err != nil {
		return nil, warnings, err
	}
	c.warnings = warnings
	return c, warnings, nil
}

func (c *Config) parse(s *section) {
	c.Scope = c.required(s, "scope")
	c.Name = c.required(s, "name")
	if c.Name == reservedName {
		s.bad("name", "%s is reserved", reservedName)
	}
	if strings.Contains(c.Name, "/") {
		s.bad("name", "%q is not allowed: it has a slash", c.Name)
	}
	c.Namespace = strings.Trim(s.text("namespace", defaultNamespace), "/")
	c.Fence = Fence(s.oneOf("fence", string(FenceAutomatic), string(FenceRequired), string(FenceAutomatic), string(FenceOff)))
	c.RunDir = s.text("run_dir", "/run/regent/"+strings.ReplaceAll(c.Scope, "/", "-")+"-"+c.Name)
	if len(c.RunDir)+longestSocketName > longestSocketPath {
		s.bad("run_dir", "%q is too long: at most %d bytes are allowed", c.RunDir, longestSocketPath-longestSocketName)
	}
	c.Log = parseLog(s.sub("log"))
	c.RESTAPI = parseRESTAPI(s.sub("restapi"))
	c.Ctl = parseCtl(s.sub("ctl"))
	c.Store = parseStore(s)
	c.Watchdog = parseWatchdog(s.sub("watchdog"))
	c.Tags = parseTags(s.sub("tags"))
	c.Bootstrap = parseBootstrap(s.sub("bootstrap"))
	c.parsePostgreSQL(s.sub("postgresql"))
	if citus := s.sub("citus"); citus.present {
		s.refuse("citus", "isn't supported yet: without it the members of several groups would form one cluster")
	}
	s.noEffect("thread_pool_size", "thread_stack_size")
	warnClusterWide(s)
	s.rest()
}

func (c *Config) parsePostgreSQL(s *section) {
	c.parseOptions(s)
	if s.has("use_slots") {
		s.warn(s.key("use_slots"), onlyClusterWide)
	}
	settings := s.shared(false)
	c.own(s, &settings)
	readParameters(s, s.values["parameters"], nil, &settings)
	s.rest()
}

// reservedName stands for nobody in the sync document.
const reservedName = "__patroni_strict_sync_replica_placeholder__"

func (c *Config) required(s *section, name string) string {
	v := s.text(name, "")
	s.missing(name, "")
	if s.values[name] == "" {
		s.bad(name, "is empty")
	}
	return v
}

// clusterWide are the keys that only count in the cluster's own configuration.
var clusterWide = []string{
	"ttl", "loop_wait", "retry_timeout", "maximum_lag_on_failover", "maximum_lag_on_syncnode", "max_timelines_history",
	"check_timeline", "primary_start_timeout", "master_start_timeout", "primary_stop_timeout", "master_stop_timeout",
	"primary_stall_timeout", "synchronous_mode", "synchronous_mode_strict", "synchronous_node_count", "failsafe_mode",
	"pause", "standby_cluster", "slots", "permanent_slots", "permanent_replication_slots", "ignore_slots", "member_slots_ttl",
}

const onlyClusterWide = "ignored here: it counts in the cluster's configuration alone (regentctl edit-config; bootstrap.dcs before there is a cluster)"

func warnClusterWide(s *section) {
	for _, name := range clusterWide {
		if _, given := s.take(name); given {
			s.warn(s.key(name), onlyClusterWide)
		}
	}
}

// renameFormer gives old spellings their present name, in place.
func renameFormer(values map[string]any) {
	if zk, ok := values["zookeeper"].(map[string]any); ok && zk["exhibitor"] != nil && values["exhibitor"] == nil {
		values["exhibitor"] = zk["exhibitor"]
		delete(values, "zookeeper")
	}
	pg, ok := values["postgresql"].(map[string]any)
	if !ok {
		return
	}
	if name := pg["name"]; name != nil && values["name"] == nil {
		values["name"] = name
	}
	delete(pg, "name")
	auth, _ := pg["authentication"].(map[string]any)
	for former, name := range map[string]string{"superuser": "superuser", "replication": "replication", "pg_rewind": "rewind"} {
		account, ok := pg[former].(map[string]any)
		if !ok {
			continue
		}
		if pg["authentication"] == nil {
			auth = map[string]any{}
			pg["authentication"] = auth
		}
		if auth != nil && auth[name] == nil {
			auth[name] = account
		}
		delete(pg, former)
	}
}

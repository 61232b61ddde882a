package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/regent-ha/regent/internal/value"
)

const envPrefix = "PATRONI_"

// envShape is how the text of a variable is read.
type envShape int

const (
	envText envShape = iota
	envInt
	envBool
	envList // YAML, brackets optional
	envMap  // YAML, braces optional
)

// envNames are the variables by the part of the configuration that they set,
// without the prefix. A variable's key is its lower-case rest unless after "=".
var envNames = []struct {
	prefix, path, names string
	shape               envShape
}{
	{"", "", "SCOPE NAMESPACE NAME FENCE RUN_DIR LOGLEVEL=log.level", envText},
	{"", "", "THREAD_POOL_SIZE THREAD_STACK_SIZE", envInt},
	{"LOG_", "log", "TYPE LEVEL TRACEBACK_LEVEL FORMAT DATEFORMAT DIR MODE", envText},
	{"LOG_", "log", "MAX_QUEUE_SIZE FILE_NUM FILE_SIZE", envInt},
	{"LOG_", "log", "STATIC_FIELDS LOGGERS", envMap},
	{"LOG_", "log", "DEDUPLICATE_HEARTBEAT_LOGS", envBool},
	{"RESTAPI_", "restapi", "LISTEN CONNECT_ADDRESS USERNAME=authentication.username PASSWORD=authentication.password" +
		" CERTFILE KEYFILE KEYFILE_PASSWORD CAFILE CIPHERS VERIFY_CLIENT SERVER_TOKENS", envText},
	{"RESTAPI_", "restapi", "REQUEST_QUEUE_SIZE", envInt},
	{"RESTAPI_", "restapi", "ALLOWLIST_INCLUDE_MEMBERS", envBool},
	{"RESTAPI_", "restapi", "ALLOWLIST", envList},
	{"RESTAPI_", "restapi", "HTTP_EXTRA_HEADERS HTTPS_EXTRA_HEADERS", envMap},
	{"CTL_", "ctl", "USERNAME=authentication.username PASSWORD=authentication.password CACERT CERTFILE KEYFILE KEYFILE_PASSWORD", envText},
	{"CTL_", "ctl", "INSECURE", envBool},
	{"ETCD_", "etcd", etcdNames, envText}, {"ETCD_", "etcd", "HOSTS", envList}, {"ETCD_", "etcd", "USE_PROXIES", envBool},
	{"ETCD3_", "etcd3", etcdNames, envText}, {"ETCD3_", "etcd3", "HOSTS", envList}, {"ETCD3_", "etcd3", "USE_PROXIES", envBool},
	{"CONSUL_", "consul", "HOST URL SCHEME TOKEN CACERT CERT KEY DC CONSISTENCY SERVICE_CHECK_INTERVAL SERVICE_CHECK_TLS_SERVER_NAME", envText},
	{"CONSUL_", "consul", "PORT", envInt},
	{"CONSUL_", "consul", "CHECKS SERVICE_TAGS", envList},
	{"CONSUL_", "consul", "REGISTER_SERVICE VERIFY", envBool},
	{"ZOOKEEPER_", "zookeeper", "CACERT CERT KEY KEY_PASSWORD", envText},
	{"ZOOKEEPER_", "zookeeper", "HOSTS", envList},
	{"ZOOKEEPER_", "zookeeper", "USE_SSL VERIFY", envBool},
	{"ZOOKEEPER_", "zookeeper", "SET_ACLS AUTH_DATA", envMap},
	{"EXHIBITOR_", "exhibitor", "HOSTS", envList}, {"EXHIBITOR_", "exhibitor", "PORT", envInt},
	{"KUBERNETES_", "kubernetes", "SCOPE_LABEL ROLE_LABEL LEADER_LABEL_VALUE FOLLOWER_LABEL_VALUE STANDBY_LEADER_LABEL_VALUE" +
		" TMP_ROLE_LABEL NAMESPACE POD_IP CACERT CONTEXT", envText},
	{"KUBERNETES_", "kubernetes", "PORTS RETRIABLE_HTTP_CODES", envList},
	{"KUBERNETES_", "kubernetes", "LABELS BOOTSTRAP_LABELS", envMap},
	{"KUBERNETES_", "kubernetes", "USE_ENDPOINTS BYPASS_API_SERVICE", envBool},
	{"RAFT_", "raft", "SELF_ADDR BIND_ADDR DATA_DIR PASSWORD", envText},
	{"RAFT_", "raft", "PARTNER_ADDRS", envList},
	{"CITUS_", "citus", "GROUP", envInt}, {"CITUS_", "citus", "DATABASE", envText},
	{"POSTGRESQL_", "postgresql", "LISTEN CONNECT_ADDRESS PROXY_ADDRESS DATA_DIR CONFIG_DIR BIN_DIR PGPASS" +
		" BIN_PG_CTL=bin_name.pg_ctl BIN_INITDB=bin_name.initdb BIN_PG_CONTROLDATA=bin_name.pg_controldata" +
		" BIN_PG_BASEBACKUP=bin_name.pg_basebackup BIN_POSTGRES=bin_name.postgres BIN_PG_ISREADY=bin_name.pg_isready" +
		" BIN_PG_REWIND=bin_name.pg_rewind", envText},
	{"SUPERUSER_", "postgresql.authentication.superuser", credentialNames, envText},
	{"REPLICATION_", "postgresql.authentication.replication", credentialNames, envText},
	{"REWIND_", "postgresql.authentication.rewind", credentialNames, envText},
}

const (
	etcdNames       = "HOST URL PROXY SRV SRV_SUFFIX PROTOCOL USERNAME PASSWORD CACERT CERT KEY"
	credentialNames = "USERNAME PASSWORD SSLMODE SSLCERT SSLKEY SSLPASSWORD SSLROOTCERT SSLCRL SSLCRLDIR GSSENCMODE CHANNEL_BINDING SSLNEGOTIATION"
)

type envTarget struct {
	path  string
	shape envShape
}

func envTargets() map[string]envTarget {
	targets := map[string]envTarget{}
	for _, group := range envNames {
		for name := range strings.FieldsSeq(group.names) {
			name, key, renamed := strings.Cut(name, "=")
			if !renamed {
				key = strings.ToLower(name)
			}
			if group.path != "" {
				key = group.path + "." + key
			}
			targets[envPrefix+group.prefix+name] = envTarget{key, group.shape}
		}
	}
	return targets
}

// notOurs are variables that others set under our prefix: paths and versions in
// images, and what Kubernetes makes of a service that is named patroni-something.
var notOurs = regexp.MustCompile(`^PATRONI_(CONFIGURATION|CONFIG_FILE|VERSION|HOME|.*_SERVICE_(HOST|PORT)(_.*)?|.*_PORT(_\d+_.*)?)$`)

// fromEnvironment makes the variables a tree like that of a file.
func fromEnvironment(variables map[string]string, r *report) map[string]any {
	tree, targets := map[string]any{}, envTargets()
	// In the order of the names PATRONI_LOG_LEVEL comes after, and wins over, PATRONI_LOGLEVEL.
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		target, known := targets[name]
		text := variables[name]
		switch {
		case !known:
			if !notOurs.MatchString(name) {
				r.warn(name, "unknown variable, ignored")
			}
			continue
		case text == "":
			continue
		}
		v, err := target.shape.parse(text)
		if err != nil {
			r.refuse(name, "%v", err)
			continue
		}
		put(tree, strings.Split(target.path, "."), v)
	}
	return tree
}

func put(tree map[string]any, path []string, v any) {
	for ; len(path) > 1; path = path[1:] {
		below, _ := tree[path[0]].(map[string]any)
		if below == nil {
			below = map[string]any{}
			tree[path[0]] = below
		}
		tree = below
	}
	tree[path[0]] = v
}

func (shape envShape) parse(text string) (any, error) {
	switch shape {
	case envInt:
		n, err := value.Int(text)
		return int(n), err
	case envBool:
		return value.Bool(text)
	case envList:
		return parseLoose[[]any](text, "[", "]", "a list: 'a','b' or ['a','b']")
	case envMap:
		return parseLoose[map[string]any](text, "{", "}", "a map: a: x, b: y or {a: x, b: y}")
	}
	return text, nil
}

// parseLoose reads YAML of one kind whose brackets may be left out. The text may
// hold secrets, so that errors don't show it.
func parseLoose[T any](text, open, end, allowed string) (any, error) {
	for _, try := range []string{text, open + text + end} {
		var v any
		if parseInto([]byte(try), &v) == nil {
			if list, ok := v.(T); ok {
				return list, nil
			}
		}
	}
	return nil, fmt.Errorf("must be %s", allowed)
}

package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// LoadControl reads what a control program needs of a configuration: the scope,
// which may be missing, the namespace, the store, and how the members' REST API
// is asked. Whatever else there is isn't looked at. With an empty path the
// environment counts alone.
//
// A storeURL takes the place of every store that is configured: as
// etcd3://host:port/namespace, where scheme and namespace may be missing.
func LoadControl(path string, env []string, storeURL string) (*Config, []Warning, error) {
	r := &report{}
	values := map[string]any{}
	if path != "" || len(environment(env)) > 0 {
		var err error
		if values, err = read(path, env, r); err != nil {
			return nil, r.warnings, err
		}
	}
	renameFormer(values)
	if storeURL != "" {
		if err := replaceStore(values, storeURL); err != nil {
			return nil, nil, err
		}
	}
	s := newSection("", values, r)
	api := s.sub("restapi")
	c := &Config{
		Scope:     s.text("scope", ""),
		Namespace: strings.Trim(s.text("namespace", defaultNamespace), "/"),
		RESTAPI:   RESTAPI{Auth: api.auth(), CAFile: api.text("cafile", "")},
		Ctl:       parseCtl(s.sub("ctl")),
		Store:     parseStore(s),
	}
	warnings, err := r.result()
	return c, warnings, err
}

// replaceStore makes storeURL the one store of a configuration. Without a scheme
// the port tells which store it is, as it does for Patroni, and etcd's port is etcd3.
func replaceStore(values map[string]any, storeURL string) error {
	text := storeURL
	if !strings.Contains(text, "://") {
		text = "//" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return fmt.Errorf("the URL of the store is %q: allowed is etcd3://host:port/namespace, or another store's in place of etcd3", hidePassword(storeURL))
	}
	kind, port := u.Scheme, u.Port()
	for _, known := range storeKinds {
		if kind == "" && port != etcdPort && port != "" && known.port == port {
			kind = known.kind
		}
	}
	if kind == "" {
		kind = "etcd3"
	}
	i := slices.IndexFunc(storeKinds, func(known storeKind) bool { return known.kind == kind && known.host != "" })
	if i < 0 {
		return fmt.Errorf("the URL of the store is %q: %w", hidePassword(storeURL), Store{Kind: kind}.unsupported())
	}
	for _, known := range storeKinds {
		delete(values, known.kind)
	}
	if port == "" {
		port = storeKinds[i].port
	}
	values[kind] = map[string]any{storeKinds[i].host: net.JoinHostPort(u.Hostname(), port)}
	if namespace := strings.Trim(u.Path, "/"); namespace != "" {
		values["namespace"] = namespace
	}
	return nil
}

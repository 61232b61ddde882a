package dcs

import (
	"strconv"
	"strings"
)

// DefaultNamespace is where clusters live unless the configuration says otherwise.
const DefaultNamespace = "service"

// Path is where a cluster lives in its store.
type Path struct {
	Namespace string // default "service"
	Scope     string // the cluster's name
	Group     *int   // a Citus group
}

// String is the path with one leading slash and none at its end, each run of
// slashes being one: /service/demo, or /service/demo/0 for a Citus group.
func (p Path) String() string {
	namespace := p.Namespace
	if strings.Trim(namespace, "/") == "" {
		namespace = DefaultNamespace
	}
	elements := strings.FieldsFunc(namespace+"/"+p.Scope, func(r rune) bool { return r == '/' })
	if p.Group != nil {
		elements = append(elements, strconv.Itoa(*p.Group))
	}
	return "/" + strings.Join(elements, "/")
}

// Prefix is what every key of the cluster begins with, a slash at its end.
func (p Path) Prefix() string { return p.String() + "/" }

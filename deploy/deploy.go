// Package deploy holds the manifests of this folder, for programs that apply them
// as they are.
package deploy

import _ "embed"

// RBAC is what regent and regentctl may do in the namespace of a cluster.
//
//go:embed kubernetes/rbac.yaml
var RBAC []byte

package main

import "go.etcd.io/etcd/client/pkg/v3/transport"

func (c certificates) apply(info *transport.TLSInfo) {
	info.CertFile, info.KeyFile, info.TrustedCAFile = c.cert, c.key, c.ca
	info.ClientCertAuth = c.ca != ""
}

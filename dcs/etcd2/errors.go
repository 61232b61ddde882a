package etcd2

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
)

// keysError is the server's reason to refuse a request.
type keysError struct {
	Code    int    `json:"errorCode"`
	Message string `json:"message"`
	Cause   string `json:"cause"`
	Index   uint64 `json:"index"`
}

func (e *keysError) Error() string {
	text := fmt.Sprintf("%s (%d)", e.Message, e.Code)
	if e.Cause != "" {
		text += ": " + e.Cause
	}
	return text
}

// Codes of the server (etcd, package etcdserver/api/v2error).
const (
	codeAbsent       = 100 // there is no such key
	codeMoved        = 101 // the key isn't at that index, or hasn't that value
	codeExists       = 105
	codeUnauthorized = 110
	codeRaft         = 300 // no majority, or no leader for now: the outcome is unknown
	codeElection     = 301
	codeCleared      = 401 // the events after that index are forgotten
)

func hasCode(err error, codes ...int) bool {
	var refusal *keysError
	return errors.As(err, &refusal) && slices.Contains(codes, refusal.Code)
}

func isAbsent(err error) bool { return hasCode(err, codeAbsent) }
func isMoved(err error) bool  { return hasCode(err, codeMoved, codeAbsent) }

// statusError is an answer that says nothing about keys.
type statusError struct {
	code    int
	message string
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("%d %s", e.code, http.StatusText(e.code))
	if e.message != "" {
		text += ": " + e.message
	}
	return text
}

var (
	errNotOurs = errors.New("the answer isn't one of etcd's API v2")
	errNoV2    = errors.New("no API v2 at /v2/keys: etcd 3.4 and 3.5 serve it with --enable-v2 only, later versions not at all;" +
		" the section etcd3: uses API v3, whose keys are others")
	errNoDirectory = errors.New("there is a value in the place of the cluster's directory")
	errOtherStore  = errors.New("another etcd cluster than before answers")
)

// isFinal says that a server's word on a request is in.
func isFinal(err error) bool {
	var refusal *keysError
	return errors.As(err, &refusal) && refusal.Code != codeUnauthorized && (refusal.Code < 300 || refusal.Code >= 400)
}

// isPermanent says that asking the same server again won't help.
func isPermanent(err error) bool {
	var certificate *tls.CertificateVerificationError
	var alert tls.AlertError
	var status *statusError
	if errors.As(err, &status) {
		return status.code < 500 && status.code != http.StatusTooManyRequests
	}
	return errors.As(err, &certificate) || errors.As(err, &alert) || errors.Is(err, http.ErrSchemeMismatch) ||
		errors.Is(err, errNotOurs) || errors.Is(err, errNoV2) || errors.Is(err, errOtherStore) || hasCode(err, codeUnauthorized)
}

// isUnsent says that the request didn't get as far as a server.
func isUnsent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// IsLoginRefused says whether err is the server's answer to a user name and a
// password that it doesn't accept or that may not do what was asked, or to none
// where it wants them.
func IsLoginRefused(err error) bool {
	var status *statusError
	return errors.As(err, &status) && status.code == http.StatusUnauthorized || hasCode(err, codeUnauthorized)
}

// identity is which store the handle is of: that of the first answer.
type identity struct {
	mu sync.Mutex
	id string
}

func (i *identity) check(id string) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.id == "" {
		i.id = id
	}
	if i.id != id {
		return fmt.Errorf("%w (%s, not %s): a restart makes it the one to use", errOtherStore, id, i.id)
	}
	return nil
}

func (i *identity) current() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.id
}

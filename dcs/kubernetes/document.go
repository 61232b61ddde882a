package kubernetes

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/regent-ha/regent/dcs"
)

// Annotations of ours. Patroni leaves what it doesn't know alone.
const (
	ourPrefix     = "regent/"
	versionPrefix = ourPrefix + "version." // + key: another text after each of our writes
	valuePrefix   = ourPrefix + "value."   // + key: the value, where its fields don't say all
	claimName     = ourPrefix + "leader"   // the grant whose holder may write what only the leader may
)

// documentName is what a key must look like to be an annotation.
var documentName = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,50}[A-Za-z0-9])?$`)

func checkKey(key dcs.Key) error {
	if key == dcs.LeaderKey || !documentName.MatchString(string(key)) {
		return fmt.Errorf("%s has no place on Kubernetes", key)
	}
	return nil
}

// readDocument finds a document in the annotations of its object.
func readDocument(key dcs.Key, annotations map[string]string) (doc dcs.Document, ok bool) {
	var value string
	if f, spread := fieldsOf(key); spread {
		value, ok = f.value(annotations, valuePrefix+string(key))
	} else {
		value, ok = annotations[string(key)]
	}
	if !ok {
		return dcs.Document{}, false
	}
	return dcs.Document{Value: []byte(value), Version: version(annotations[versionPrefix+string(key)], value)}, true
}

// version tells two writes of the same value apart if they are ours, and two
// values always.
func version(mark, value string) dcs.Version {
	sum := sha256.Sum256([]byte(value))
	return dcs.Version(mark + "-" + hex.EncodeToString(sum[:8]))
}

// writeDocument is the patch that makes a document be value, nil: be absent, with
// a mark for its version.
func writeDocument(key dcs.Key, value []byte, mark string, annotations map[string]string) (map[string]any, error) {
	if !utf8.Valid(value) {
		return nil, fmt.Errorf("write %s: the value is no UTF-8, which an annotation must be", key)
	}
	p := map[string]any{}
	f, spread := fieldsOf(key)
	switch {
	case spread:
		maps.Copy(p, f.spread(value, annotations, valuePrefix+string(key)))
	case value == nil:
		p[string(key)] = nil
	default:
		p[string(key)] = string(value)
	}
	p[versionPrefix+string(key)] = mark
	if value == nil {
		p[versionPrefix+string(key)] = nil
	}
	return p, nil
}

// isAt says whether a document is as a write expects it. Deleting what is absent
// needs no version.
func isAt(w dcs.Write, doc dcs.Document, exists bool) bool {
	switch w.Prev {
	case dcs.Any:
		return true
	case dcs.Absent:
		return !exists
	}
	return exists && doc.Version == w.Prev
}

// documents are all that an object holds.
func (n names) documents(o *object) map[dcs.Key]dcs.Document {
	docs := map[dcs.Key]dcs.Document{}
	add := func(key dcs.Key) {
		if doc, ok := readDocument(key, o.annotations()); ok {
			docs[key] = doc
		}
	}
	switch o.Metadata.Name {
	case n.leader:
		add(dcs.StatusKey)
		add(dcs.FailsafeKey)
	case n.failover:
		add(dcs.FailoverKey)
	case n.sync:
		add(dcs.SyncKey)
	case n.config:
		for name := range o.annotations() {
			if !strings.Contains(name, "/") {
				add(dcs.Key(name))
			}
		}
	}
	return docs
}

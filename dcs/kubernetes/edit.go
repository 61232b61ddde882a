package kubernetes

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/regent-ha/regent/dcs"
)

// edit is the documents to be written to one object. Its mark makes their versions,
// and tells our own write when an answer was lost.
type edit struct {
	name string
	docs []dcs.Write
	mark string
	at   *object // as it was read; nil: not yet
}

func newEdit(name string, docs ...dcs.Write) edit {
	return edit{name: name, docs: docs, mark: strconv.FormatUint(rand.Uint64(), 36)}
}

// plan splits documents by their objects: those of the leader object and the others.
func (d *DCS) plan(docs []dcs.Write) (own edit, others []*edit, err error) {
	own = newEdit(d.names.leader)
	for _, w := range docs {
		if err := checkKey(w.Key); err != nil {
			return own, nil, err
		}
		name := d.names.of(w.Key)
		if name == own.name {
			own.docs = append(own.docs, w)
			continue
		}
		i := slices.IndexFunc(others, func(e *edit) bool { return e.name == name })
		if i < 0 {
			e := newEdit(name)
			others, i = append(others, &e), len(others)
		}
		others[i].docs = append(others[i].docs, w)
	}
	return own, others, nil
}

// apply adds the documents to a patch of the object, if all are as their writes
// expect them. A document that has our mark is written already.
func (e edit) apply(o *object, p *patch) error {
	for _, w := range e.docs {
		if o.annotations()[versionPrefix+string(w.Key)] == e.mark {
			continue
		}
		doc, exists := readDocument(w.Key, o.annotations())
		if !isAt(w, doc, exists) {
			return fmt.Errorf("write %s: %w", w.Key, dcs.ErrConflict)
		}
		if w.Value == nil && !exists {
			continue
		}
		changed, err := writeDocument(w.Key, w.Value, e.mark, o.annotations())
		if err != nil {
			return err
		}
		p.annotate(changed)
	}
	return nil
}

// prepare reads the objects that are to be written, and says whether the documents
// in them are as expected.
func (d *DCS) prepare(ctx context.Context, edits []*edit) (conflicted error) {
	for _, e := range edits {
		o, err := d.look(ctx, d.resource(), e.name)
		if err != nil {
			return fmt.Errorf("get %s %s: %w", d.resource(), e.name, err)
		}
		e.at = o
		if err := e.apply(o, &patch{}); err != nil {
			conflicted = err
		}
	}
	return conflicted
}

// writeElsewhere writes documents of another object than the leader's. The grant
// was confirmed after that object was read; if it has moved, it is read again and
// the grant confirmed again.
func (d *DCS) writeElsewhere(ctx context.Context, id string, e *edit) error {
	_, err := d.modify(ctx, e.name, e.at, func(o *object) (*patch, error) {
		if o != e.at {
			leader, err := d.look(ctx, d.resource(), d.names.leader)
			if err != nil {
				return nil, err
			}
			if _, err := d.own(ctx, leader, id); err != nil {
				return nil, err
			}
		}
		p := &patch{}
		if err := e.apply(o, p); err != nil || len(p.annotations) == 0 {
			return nil, err
		}
		return p, nil
	})
	return err
}

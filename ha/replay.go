package ha

import "fmt"

// keptViews is how many decisions are remembered together with their views.
const keptViews = 20

// kept is a decision as it was first made, and what it was made from.
type kept struct {
	decision Decision
	view     view
}

// keep remembers a decision that differs from the one before.
func (r *reports) keep(d Decision, v view) {
	if len(r.kept) == keptViews {
		r.kept = r.kept[1:]
	}
	r.kept = append(r.kept, kept{d, v})
}

// Views are the last different decisions, oldest first, each as it was first
// made and with its View. There are fewer than Decisions.
func (a *Agent) Views() ([]Decision, error) {
	a.reports.mu.Lock()
	last := append([]kept(nil), a.reports.kept...)
	a.reports.mu.Unlock()
	decisions := make([]Decision, 0, len(last))
	for _, k := range last {
		text, err := writeView(k.view)
		if err != nil {
			return nil, err
		}
		k.decision.View = text
		decisions = append(decisions, k.decision)
	}
	return decisions, nil
}

// Replayed is what this release makes of a decision's view.
type Replayed struct {
	Decision Decision // with the View of the old one
	Member   string   // whose decision it was
	Release  string   // of the program that made it
}

// Replay decides once more from the view of d. It does nothing, and the answer
// depends on nothing but the view and this release. A view that has what this
// release doesn't know is an error.
func Replay(d Decision) (Replayed, error) {
	if len(d.View) == 0 {
		return Replayed{}, fmt.Errorf("ha: replay %s: the decision was saved without its view", d.Rule)
	}
	v, err := readView(d.View)
	if err != nil {
		return Replayed{}, err
	}
	again := forPeople(v, decide(v))
	again.View = d.View
	return Replayed{Decision: again, Member: v.Self.Name, Release: v.Self.Regent}, nil
}

package ha

import (
	"strings"
	"testing"
	"time"

	"github.com/regent-ha/regent/dcs"
)

const ourSystem, otherSystem = "7300000000000000001", "7300000000000000002"

// asked is what leader a asks of b, and aSeen how b saw a lead.
func asked(change ...func(r *PledgeRequest)) PledgeRequest {
	r := PledgeRequest{
		Name: "a", ConnURL: "postgres://a:5432/postgres", APIURL: "http://a:8008/patroni",
		Terms: &PledgeTerms{SystemID: ourSystem, Scope: "demo", Giver: "b", Taker: "a", Grant: "g1", TTL: 30},
	}
	for _, c := range change {
		c(&r)
	}
	return r
}

func aSeen() LeaderNote {
	return LeaderNote{
		SystemID: ourSystem, Scope: "demo", Name: "a", Grant: "g1", Ours: true,
		ConnURL: "postgres://a:5432/postgres", APIURL: "http://a:8008/patroni",
	}
}

func unnamed(r *PledgeRequest) { r.Terms = nil }

func TestPledgeGiver(t *testing.T) {
	patroni := aSeen()
	patroni.Ours = false
	for name, c := range map[string]struct {
		giver   func(g *pledgeGiver)
		request PledgeRequest
		want    string // what the refusal says; empty: it pledges
	}{
		"asked by the leader":                   {nil, asked(), ""},
		"which the store names, too":            {func(g *pledgeGiver) { g.Readable, g.Holder = true, &dcs.Holder{Name: "a", Grant: "g1"} }, asked(), ""},
		"whose key has ended":                   {func(g *pledgeGiver) { g.Readable = true }, asked(), ""},
		"another scope":                         {nil, asked(func(r *PledgeRequest) { r.Terms.Scope = "other" }), `of the cluster "other"`},
		"another system":                        {nil, asked(func(r *PledgeRequest) { r.Terms.SystemID = otherSystem }), `of the system "` + otherSystem},
		"no system":                             {nil, asked(func(r *PledgeRequest) { r.Terms.SystemID = "" }), `of the system ""`},
		"no data here":                          {func(g *pledgeGiver) { g.SystemID = "" }, asked(func(r *PledgeRequest) { r.Terms.SystemID = "" }), "no data"},
		"another member":                        {nil, asked(func(r *PledgeRequest) { r.Terms.Giver = "c" }), `of the member "c"`},
		"for somebody else":                     {nil, asked(func(r *PledgeRequest) { r.Terms.Taker = "c" }), `to "c" is asked for by "a"`},
		"without a grant":                       {nil, asked(func(r *PledgeRequest) { r.Terms.Grant = "" }), "no grant"},
		"for no time":                           {nil, asked(func(r *PledgeRequest) { r.Terms.TTL = 0 }), "0 s"},
		"for less":                              {nil, asked(func(r *PledgeRequest) { r.Terms.TTL = -5 }), "-5 s"},
		"a stranger":                            {nil, asked(func(r *PledgeRequest) { r.Name, r.Terms.Taker = "m", "m" }), `saw last in the store is "a", not "m"`},
		"the giver's own name":                  {nil, asked(func(r *PledgeRequest) { r.Name, r.Terms.Taker = "b", "b" }), "that is this member"},
		"another grant":                         {nil, asked(func(r *PledgeRequest) { r.Terms.Grant = "g0" }), "another grant"},
		"the store names another":               {func(g *pledgeGiver) { g.Readable, g.Holder = true, &dcs.Holder{Name: "c", Grant: "g2"} }, asked(), `names "c" as the leader`},
		"nobody was seen":                       {func(g *pledgeGiver) { g.Seen = LeaderNote{} }, asked(), "no leader in the store"},
		"Patroni's leader":                      {func(g *pledgeGiver) { g.Seen = patroni }, asked(unnamed), ""},
		"Patroni's leader, nobody was seen":     {func(g *pledgeGiver) { g.Seen = LeaderNote{} }, asked(unnamed), "no leader in the store"},
		"Patroni's leader, the store names c":   {func(g *pledgeGiver) { g.Seen, g.Readable, g.Holder = patroni, true, &dcs.Holder{Name: "c"} }, asked(unnamed), `names "c"`},
		"without terms, by one of ours":         {nil, asked(unnamed), "is regent by its entry"},
		"Patroni's leader without an entry":     {func(g *pledgeGiver) { g.Seen = LeaderNote{Name: "a", Grant: "g1"} }, asked(unnamed), "the entry of \"a\" isn't known"},
		"another cluster's Patroni":             {func(g *pledgeGiver) { g.Seen = patroni }, asked(unnamed, func(r *PledgeRequest) { r.ConnURL = "postgres://z:5432/postgres" }), "z:5432"},
		"another cluster's Patroni, by its API": {func(g *pledgeGiver) { g.Seen = patroni }, asked(unnamed, func(r *PledgeRequest) { r.APIURL = "http://z:8008/patroni" }), "z:8008"},
	} {
		g := pledgeGiver{Name: "b", Scope: "demo", SystemID: ourSystem, TTL: 30 * time.Second, Seen: aSeen()}
		if c.giver != nil {
			c.giver(&g)
		}
		err := g.refuses(c.request)
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// The leader counts an answer as a pledge only if it is that member's of this cluster,
// to it, under its grant.
func TestPledgeGiven(t *testing.T) {
	ours := func(change ...func(terms *PledgeTerms)) PledgeAnswer {
		a := PledgeAnswer{Terms: *asked().Terms}
		for _, c := range change {
			c(&a.Terms)
		}
		return a
	}
	patronis := func(system, scope, name string) PledgeAnswer {
		return PledgeAnswer{Patroni: true, Terms: PledgeTerms{SystemID: system, Scope: scope, Giver: name}}
	}
	for name, c := range map[string]struct {
		answer  PledgeAnswer
		notOurs bool
		lasts   time.Duration
		want    string
	}{
		"as asked":                          {ours(), false, 30 * time.Second, ""},
		"as asked, by one that was Patroni": {ours(), true, 30 * time.Second, ""},
		"for longer":                        {ours(func(t *PledgeTerms) { t.TTL = 1 << 62 }), false, 30 * time.Second, ""},
		"for less":                          {ours(func(t *PledgeTerms) { t.TTL = 20 }), false, 20 * time.Second, ""},
		"for no time":                       {ours(func(t *PledgeTerms) { t.TTL = 0 }), false, 0, "for 0 s"},
		"of another system":                 {ours(func(t *PledgeTerms) { t.SystemID = otherSystem }), false, 0, otherSystem},
		"of another scope":                  {ours(func(t *PledgeTerms) { t.Scope = "other" }), false, 0, `"other"`},
		"by another member":                 {ours(func(t *PledgeTerms) { t.Giver = "c" }), false, 0, `member "c" answers`},
		"to another":                        {ours(func(t *PledgeTerms) { t.Taker = "c" }), false, 0, `to "c"`},
		"for another grant":                 {ours(func(t *PledgeTerms) { t.Grant = "g0" }), false, 0, "another grant"},
		"of nothing":                        {PledgeAnswer{}, false, 0, "system"},
		"Patroni's":                         {patronis(ourSystem, "demo", "b"), true, 30 * time.Second, ""},
		"Patroni's without a name":          {patronis(ourSystem, "demo", ""), true, 30 * time.Second, ""},
		"Patroni's, from one of ours":       {patronis(ourSystem, "demo", "b"), false, 0, "isn't known to be a member of another program"},
		"Patroni's of another name":         {patronis(ourSystem, "demo", "c"), true, 0, `member "c" answers`},
		"Patroni's of another system":       {patronis(otherSystem, "demo", "b"), true, 0, otherSystem},
		"Patroni's without data":            {patronis("", "demo", "b"), true, 0, `system ""`},
		"Patroni's of another scope":        {patronis(ourSystem, "other", ""), true, 0, `"other"`},
	} {
		lasts, err := asked().given(c.answer, c.notOurs)
		if lasts != c.lasts || (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v, want %v %q", name, lasts, err, c.lasts, c.want)
		}
	}
}

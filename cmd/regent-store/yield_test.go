package main

import (
	"context"
	"net/url"
	"slices"
	"testing"
)

func TestSuccessor(t *testing.T) {
	b, c := voter{id: 2, name: "b", sane: true, free: true}, voter{id: 3, name: "c", sane: true, free: true}
	ill := func(v voter) voter { v.sane = false; return v }
	taken := func(v voter) voter { v.free = false; return v }
	here := []string{"/service/demo"}
	for _, x := range []struct {
		name    string
		s       situation
		want    string
		refused bool
		passing bool
	}{
		{name: "no primary here", s: situation{voters: 3, others: []voter{b, c}}},
		{name: "to the first", s: situation{here: here, voters: 3, others: []voter{b, c}}, want: "b"},
		{name: "not to where a primary is", s: situation{here: here, voters: 3, others: []voter{taken(b), c}}, want: "c"},
		{name: "nowhere is none", s: situation{here: here, voters: 3, others: []voter{taken(b), taken(c)}}, refused: true},
		{name: "one is ill", s: situation{here: here, voters: 3, others: []voter{ill(b), c}}, refused: true},
		{name: "two members", s: situation{here: here, voters: 2, others: []voter{b}}, refused: true},
		{name: "one member", s: situation{here: here, voters: 1}, refused: true},
		{name: "a lease is about to end", s: situation{here: here, voters: 3, others: []voter{b, c}, waning: here}, refused: true, passing: true},
	} {
		to, refused := x.s.successor()
		if (to == nil) != (x.want == "") || to != nil && to.name != x.want {
			t.Errorf("%s: %+v, want %q", x.name, to, x.want)
		}
		if (refused != nil) != x.refused || refused != nil && refused.passing != x.passing {
			t.Errorf("%s: %+v", x.name, refused)
		}
	}
}

func TestMovesBecomeRare(t *testing.T) {
	if patience(0) != looks || patience(1) != 2*looks || patience(100) != patience(10) {
		t.Errorf("patience: %d, %d, %d", patience(0), patience(1), patience(100))
	}
}

func TestHostsOfAnEntry(t *testing.T) {
	for entry, want := range map[string][]string{
		`{"conn_url":"postgres://10.0.0.1:5432/postgres","api_url":"http://pg1.example:8008/patroni"}`: {"10.0.0.1", "pg1.example"},
		`{"conn_url":"postgres://[fd00::1]:5432/postgres"}`:                                            {"fd00::1"},
		`{"role":"primary"}`: nil,
		`no JSON`:            nil,
		``:                   nil,
	} {
		if got := hostsOf([]byte(entry)); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", entry, got, want)
		}
	}
}

func TestHere(t *testing.T) {
	h := newHosts(url.URL{Host: "127.0.0.2:2379"})
	for name, want := range map[string]bool{
		"127.0.0.2":        true,
		"127.0.0.3":        false, // another machine of a laboratory
		"127.0.0.1":        false,
		"localhost":        true,
		"192.0.2.7":        false,
		"host.invalid":     false,
		"::ffff:127.0.0.2": true,
	} {
		if got := h.here(context.Background(), name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

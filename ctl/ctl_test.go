package ctl

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/regent-ha/regent/dcs"
	"github.com/regent-ha/regent/dcs/memory"
	"github.com/regent-ha/regent/ha"
	"github.com/regent-ha/regent/rest"
)

var rewrite = flag.Bool("rewrite", false, "write what the program says into testdata; review the diff")

// options run the program on the cluster.
func (c *fakeCluster) options(t *testing.T, in string, out, err *bytes.Buffer) Options {
	client, clientErr := rest.NewClient(rest.ClientOptions{})
	if clientErr != nil {
		t.Fatal(clientErr)
	}
	return Options{
		Release: "0.1.0", In: strings.NewReader(in), Out: out, Err: err, Env: []string{}, Now: func() time.Time { return today },
		Scope: "shop", Client: client,
		Open: func(_ context.Context, scope string) (dcs.DCS, error) {
			return c.store.Open(memory.Options{Path: dcs.Path{Scope: scope}})
		},
	}
}

// run is a transcript: the command, what it said, and how it ended.
func (c *fakeCluster) run(t *testing.T, in string, args ...string) string {
	t.Helper()
	var out, err bytes.Buffer
	code := Run(context.Background(), c.options(t, in, &out, &err), args)
	quoted := make([]string, len(args))
	for i, a := range args {
		if quoted[i] = a; strings.ContainsAny(a, " {}\"") || a == "" {
			quoted[i] = "'" + a + "'"
		}
	}
	text := fmt.Sprintf("$ regentctl %s\n%s", strings.Join(quoted, " "), out.String())
	if err.Len() > 0 {
		text += "# on stderr:\n" + err.String()
	}
	return hideAddresses(text) + fmt.Sprintf("# exit code %d\n", code)
}

var address = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// hideAddresses takes out what is another one in each run.
func hideAddresses(text string) string { return address.ReplaceAllString(text, "ADDRESS") }

// golden compares a transcript with the file of the test's name.
func golden(t *testing.T, got string) {
	t.Helper()
	file := filepath.Join("testdata", strings.ReplaceAll(t.Name(), "/", "-")+".txt")
	if *rewrite {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

// transcript runs one command after the other on one cluster; a line after the
// first with < is what is typed.
func (c *fakeCluster) transcript(t *testing.T, commands ...string) {
	t.Helper()
	var all strings.Builder
	for _, command := range commands {
		line, in, _ := strings.Cut(command, "\n")
		all.WriteString(c.run(t, in, strings.Fields(line)...) + "\n")
	}
	golden(t, all.String())
}

func TestList(t *testing.T) {
	at := time.Date(2026, 12, 1, 2, 0, 0, 0, time.UTC)
	detailed := func(m *dcs.Member) {
		m.PendingRestart = map[string]dcs.PendingChange{
			"max_connections": {Old: "100", New: "200"}, "shared_preload_libraries": {Old: "pg_stat_statements", New: strings.Repeat("x", 60)},
		}
		m.Tags = dcs.Tags{"clonefrom": true, "zone": "a: b", "replicatefrom": "db-b"}
		m.ScheduledRestart = map[string]any{"schedule": "2026-12-01T02:00:00+00:00", "postgres_version": "15.21"}
	}
	for name, make := range map[string]func(t *testing.T) *fakeCluster{
		"plain": func(t *testing.T) *fakeCluster {
			c := newCluster(t, map[string]any{"synchronous_mode": true, "pause": true},
				member("db-a", "10.9.0.1", leads), member("db-b", "10.9.0.2"), member("db-c", "10.9.0.3", stopped))
			c.write(dcs.SyncKey, `{"leader":"db-a","sync_standby":"db-b","quorum":0}`)
			f := dcs.Failover{Leader: "db-a", Candidate: "db-b", ScheduledAt: at}
			if _, err := c.agents["db-a"].client.PutFailover(context.Background(), f, dcs.Any); err != nil {
				t.Fatal(err)
			}
			return c
		},
		"details": func(t *testing.T) *fakeCluster {
			return newCluster(t, map[string]any{"synchronous_mode": "quorum"}, member("db-a", "10.9.0.1:5433", leads), member("db-b", "10.9.0.2:5432"),
				member("db-c", "[fd00::3]", detailed), member("db-d", "10.9.0.1", func(m *dcs.Member) { m.ReceiveLSN, m.ReplayLSN = 67109192, 67109192-5<<20 }))
		},
		"standby": func(t *testing.T) *fakeCluster {
			return newCluster(t, map[string]any{"standby_cluster": map[string]any{"host": "elsewhere"}},
				member("db-b", "10.9.0.2", func(m *dcs.Member) { m.ReplicationState = "in archive recovery" }), member("db-a", "10.9.0.1"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			make(t).transcript(t, "list", "list -e -t", "list -f tsv", "list -f json", "list -f yaml", "topology", "list -f csv")
		})
	}
}

func TestListOfNoCluster(t *testing.T) {
	c := shop(t)
	c.transcript(t, "list other", "list shop other")
	var out, err bytes.Buffer
	o := c.options(t, "", &out, &err)
	o.Scope = ""
	if code := Run(context.Background(), o, []string{"list"}); code != 0 || out.Len() > 0 || err.String() != "Listing members: No cluster names were provided\n" {
		t.Errorf("%d %q %q", code, out.String(), err.String())
	}
}

func TestListAgainAndAgain(t *testing.T) {
	c := shop(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var out, err bytes.Buffer
	o := c.options(t, "", &out, &err)
	shown := 0
	o.Now = func() time.Time {
		if shown++; shown == 3 {
			cancel()
		}
		return today
	}
	if code := Run(ctx, o, []string{"list", "-t", "-w", "0.01"}); code != 1 || strings.Count(out.String(), "db-a") != 3 || err.String() != "Aborted!\n" {
		t.Errorf("%d %q %q", code, out.String(), err.String())
	}
}

func TestUsage(t *testing.T) {
	shop(t).transcript(t, "list --nonsense", "nonsense", "restart", "switchover a b", "restart shop --role king", "explain -n 0")
}

func TestHistory(t *testing.T) {
	c := shop(t)
	c.write(dcs.HistoryKey, `[[1,83886080,"no recovery target specified"],[2,100663296,"no recovery target specified","2026-11-23T01:00:00.123456+00:00","db-a"]]`)
	c.transcript(t, "history", "history -f tsv", "history shop -f json", "history -f yaml", "history other")
}

func TestSwitchover(t *testing.T) {
	for name, commands := range map[string][]string{
		"asked":            {"switchover\n\n\n\ny\n", "list"},
		"to a candidate":   {"switchover shop\ndb-a\ndb-b\nnow\nyes\n"},
		"forced":           {"switchover --force", "switchover --leader db-b --candidate db-a --force"},
		"no":               {"switchover\n\n\n\nn\n", "switchover --leader db-a --candidate db-b\n\nwhat\n\n"},
		"given up":         {"switchover\n", "switchover\ndb-a\n"},
		"wrong":            {"switchover --leader db-b --force", "switchover --candidate db-a --force", "switchover --candidate db-x --force", "switchover --scheduled tomorrow --force"},
		"later":            {"switchover --candidate db-b --scheduled 2099-12-01T03:00 \n\ny\n", "list", "switchover --candidate db-b --scheduled 2099-12-01T03:00+00:00\n\n\n"},
		"in the past":      {"switchover --scheduled 2020-12-01T03:00Z --force"},
		"to nobody good":   {"switchover --candidate db-d --force"},
		"failover":         {"failover --candidate db-b\ny\n", "failover --candidate db-a --force"},
		"failover to whom": {"failover --force", "failover\n\n", "failover\ndb-a\n", "failover\ndb-e\n", "failover\ndb-b\n\n"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, map[string]any{"ttl": 30}, member("db-a", "10.9.0.1", leads), member("db-b", "10.9.0.2"), member("db-c", "10.9.0.3"),
				member("db-d", "10.9.0.4"), member("db-e", "10.9.0.5", tagged(dcs.Tags{"nofailover": true})))
			c.agents["db-d"].report.Server.Role = "" // its server doesn't answer
			c.transcript(t, commands...)
		})
	}
}

func TestSwitchoverThatFails(t *testing.T) {
	c := shop(t)
	c.obeys = false
	c.transcript(t, "switchover --force", "failover --candidate db-b --force")
}

func TestSwitchoverInPause(t *testing.T) {
	c := newCluster(t, map[string]any{"pause": true}, member("db-a", "10.9.0.1", leads), member("db-b", "10.9.0.2"))
	c.transcript(t, "switchover --scheduled 2099-12-01T03:00Z --force", "switchover --force")
}

func TestFailoverToAnAsynchronousMember(t *testing.T) {
	c := newCluster(t, map[string]any{"synchronous_mode": true}, member("db-a", "10.9.0.1", leads), member("db-b", "10.9.0.2"), member("db-c", "10.9.0.3"))
	c.write(dcs.SyncKey, `{"leader":"db-a","sync_standby":"db-b","quorum":0}`)
	c.transcript(t, "failover --candidate db-c\nn\n", "failover --candidate db-c\ny\ny\n")
}

// A leader whose agent is gone can't be asked: the request goes into the store.
func TestSwitchoverPastADeadAgent(t *testing.T) {
	c := newCluster(t, nil, member("db-a", "10.9.0.1", leads, func(m *dcs.Member) { m.APIURL = "http://127.0.0.1:1/patroni" }), member("db-b", "10.9.0.2"))
	c.transcript(t, "switchover --force")
	view, err := c.agents["db-a"].client.Read(context.Background())
	if err != nil || view.Failover.Leader != "db-a" || view.Failover.Candidate != "" {
		t.Errorf("%+v, %v", view.Failover, err)
	}
}

func TestNobodyLeads(t *testing.T) {
	c := shop(t)
	if err := c.agents["db-a"].client.Release(context.Background(), c.lease); err != nil {
		t.Fatal(err)
	}
	c.transcript(t, "list", "switchover --force", "explain")
}

func TestRestart(t *testing.T) {
	for name, commands := range map[string][]string{
		"asked":   {"restart shop\n\ny\n\n", "restart shop db-b\n\ny\n99.1\n", "restart shop\n\nn\n"},
		"forced":  {"restart shop --force", "restart shop db-b db-x --force", "restart shop db-x --force", "restart shop --role leader --force", "restart shop db-a --role replica --force"},
		"filters": {"restart shop --pending --force", "restart shop db-b --pg-version 9.6.1 --force", "restart shop db-b --pg-version x --force", "restart shop db-b --timeout never --force"},
		"later": {"restart shop db-b --scheduled 2099-12-01T03:00+00:00\ny\n\n", "restart shop db-b --scheduled 2099-12-01T04:00+00:00\ny\n\n",
			"restart shop db-b --scheduled x --force"},
		"no such":      {"restart other --force", "restart other"},
		"unreachable":  {"restart shop db-gone --force"},
		"any of one":   {"restart shop db-b --any --force"},
		"reload":       {"reload shop\ny\n", "reload shop db-b --force", "reload shop db-gone --force", "reload shop\n\n"},
		"reinitialize": {"reinit shop db-b\ny\n", "reinit shop\ndb-b\ny\n", "reinit shop\ndb-x\n", "reinit shop db-a --force", "reinit shop db-b db-busy --from-leader --force --wait", "reinit shop --force"},
		"busy":         {"restart shop db-busy --force", "reinit shop db-busy\ny\nn\n", "reinit shop db-busy\ny\ny\n"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, nil, member("db-a", "10.9.0.1", leads), member("db-b", "10.9.0.2"), member("db-busy", "10.9.0.3"),
				member("db-gone", "10.9.0.4", func(m *dcs.Member) { m.APIURL = "http://127.0.0.1:1/patroni" }))
			c.agents["db-busy"].report.Job = "clone"
			c.agents["db-busy"].refuses = errors.New("clone already in progress")
			c.transcript(t, commands...)
		})
	}
}

func TestFlush(t *testing.T) {
	later := func(m *dcs.Member) { m.ScheduledRestart = map[string]any{"schedule": "2099-12-01T03:00:00+00:00"} }
	c := newCluster(t, nil, member("db-a", "10.9.0.1", leads), member("db-b", "10.9.0.2", later),
		member("db-gone", "10.9.0.4", later, func(m *dcs.Member) { m.APIURL = "http://127.0.0.1:1/patroni" }))
	c.obeys = false
	c.transcript(t, "restart shop db-b --force --scheduled 2099-12-01T03:00Z", "restart shop db-b --force --scheduled 2099-12-01T04:00Z",
		"flush shop db-a db-b restart\nn\n", "flush shop restart --force", "flush shop db-b restart --force",
		"flush shop switchover", "switchover --scheduled 2099-12-01T03:00Z --force", "flush shop switchover", "flush shop failover", "flush restart")
}

// Nobody answers: the request is taken out of the store.
func TestFlushPastDeadAgents(t *testing.T) {
	c := newCluster(t, nil, member("db-a", "10.9.0.1", leads, func(m *dcs.Member) { m.APIURL = "http://127.0.0.1:1/patroni" }))
	f := dcs.Failover{Leader: "db-a", ScheduledAt: today.Add(time.Hour)}
	if _, err := c.agents["db-a"].client.PutFailover(context.Background(), f, dcs.Any); err != nil {
		t.Fatal(err)
	}
	c.transcript(t, "flush shop switchover", "flush shop switchover")
}

func TestRestartOfWhatIsPending(t *testing.T) {
	pending := func(m *dcs.Member) {
		m.PendingRestart = map[string]dcs.PendingChange{"max_connections": {Old: "100", New: "200"}}
	}
	newCluster(t, nil, member("db-a", "10.9.0.1", leads), member("db-b", "10.9.0.2", pending)).transcript(t, "restart shop --pending --force", "restart shop --any --pending --force")
}

func TestVersion(t *testing.T) {
	c := newCluster(t, nil, member("db-a", "10.9.0.1", leads), member("db-b", "10.9.0.2"),
		member("db-gone", "10.9.0.4", func(m *dcs.Member) { m.APIURL = "http://127.0.0.1:1/patroni" }))
	c.transcript(t, "version", "version shop", "version shop db-b")
}

func TestExplain(t *testing.T) {
	c := newCluster(t, nil, member("db-a", "10.9.0.1", leads), member("db-b", "10.9.0.2", func(m *dcs.Member) {
		m.Problem = "diverged: my timeline 3 ended at 0/5000148"
		m.ScheduledRestart = map[string]any{"schedule": "2026-12-01T02:00:00+00:00"}
	}),
		member("db-gone", "10.9.0.4", func(m *dcs.Member) { m.APIURL = "http://127.0.0.1:1/patroni" }))
	at := func(seconds int) time.Time { return today.Add(time.Duration(seconds) * time.Second).UTC() }
	c.agents["db-a"].decided = []ha.Decision{
		{At: at(-60), Rule: "start/first", Reason: "a first look"},
		{At: at(-50), Rule: "vacant/acquire", Reason: "acquiring the leader key", Actions: []string{"acquire", "promote"},
			Verdicts: []ha.Verdict{{Member: "db-b", Reason: "tagged nofailover"}, {Member: "db-c", Fit: true, Reason: "could lead"}}},
		{At: at(-40), Rule: "lead/renew", Reason: "I am (db-a), the leader with the lock", Repeated: 11},
	}
	c.agents["db-b"].decided = []ha.Decision{{At: at(-30), Rule: "follow", Reason: "I am (db-b), a secondary, and following a leader (db-a)"}}
	c.transcript(t, "explain", "explain shop db-a -n 1", "explain shop db-x")
}

func TestConfig(t *testing.T) {
	config := map[string]any{"ttl": 30, "loop_wait": 10, "postgresql": map[string]any{"use_pg_rewind": true, "pg_hba": []any{"local all all trust"},
		"parameters": map[string]any{"work_mem": "4MB", "auto_explain.log_min_duration": "1s"}}}
	patch := filepath.Join(t.TempDir(), "patch.yaml")
	if err := os.WriteFile(patch, []byte("ttl: 20\nslots: {x: null, y: {type: physical}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	newTest := func(t *testing.T) *fakeCluster { return newCluster(t, config, member("db-a", "10.9.0.1", leads)) }
	for name, commands := range map[string][]string{
		"shown":    {"show-config", "show-config shop"},
		"set":      {"edit-config -s ttl=40 -s postgresql.use_slots=false -s postgresql.parameters.a.b=1 -p work_mem=8MB -p auto_explain.log_min_duration=null\ny\n", "show-config"},
		"emptied":  {"edit-config --force -s postgresql.parameters=null -s postgresql.use_pg_rewind=null -s postgresql.pg_hba=null", "show-config"},
		"no":       {"edit-config -s ttl=40\n\n", "show-config"},
		"the same": {"edit-config -s ttl=30", "edit-config -s gone=null"},
		"wrong":    {"edit-config -s ttl", "edit-config -s =5", "edit-config -s a={", "edit-config --force -s ttl=soon", "edit-config --apply missing.yaml", "edit-config other -s ttl=40"},
		"quiet":    {"edit-config -q --force -s ttl=40"},
		"input":    {"edit-config --apply -\nttl: 25\n", "edit-config --replace - --force\nttl: 25\nloop_wait: 5\n", "show-config", "edit-config --replace -\n5\n"},
	} {
		t.Run(name, func(t *testing.T) { newTest(t).transcript(t, commands...) })
	}
	c := newTest(t)
	c.run(t, "", "edit-config", "--force", "--apply", patch)
	got, err := c.agents["db-a"].client.Read(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"y": map[string]any{"type": "physical"}}, got.Config.Values["slots"]); diff != "" || got.Config.Values["ttl"] != 20 {
		t.Errorf("%v %s", got.Config.Values, diff)
	}
}

func TestConfigByEditor(t *testing.T) {
	c := newCluster(t, map[string]any{"ttl": 30}, member("db-a", "10.9.0.1", leads))
	editor := filepath.Join(t.TempDir(), "editor")
	if err := os.WriteFile(editor, []byte("#!/bin/sh\ntest \"$(stat -c %a \"$2\")\" = 600 || exit 1\nsed -i s/30/35/ \"$2\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	o := c.options(t, "", &out, &errs)
	in, typed, err := os.Pipe() // as a terminal: the editor gets it as it is
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	fmt.Fprintln(typed, "y")
	typed.Close()
	o.In = in
	o.Env = []string{"EDITOR=" + editor + " --wait"}
	if code := Run(context.Background(), o, []string{"edit-config"}); code != 0 || !strings.Contains(out.String(), "-ttl: 30\n+ttl: 35\n") {
		t.Errorf("%d %s %s", code, out.String(), errs.String())
	}
	if got := c.run(t, "", "show-config"); !strings.Contains(got, "ttl: 35\n") {
		t.Error(got)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "shop-config-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Somebody else's change while the operator thinks isn't overwritten.
func TestConfigChangedMeanwhile(t *testing.T) {
	c := newCluster(t, map[string]any{"ttl": 30}, member("db-a", "10.9.0.1", leads))
	var out, errs bytes.Buffer
	o := c.options(t, "", &out, &errs)
	o.In = readerFunc(func(b []byte) (int, error) {
		if _, err := c.agents["db-a"].client.PutConfig(context.Background(), map[string]any{"ttl": 50}, dcs.Any); err != nil {
			return 0, err
		}
		return copy(b, "y\n"), nil
	})
	if code := Run(context.Background(), o, []string{"edit-config", "-s", "ttl=40"}); code != 1 || errs.String() != "Error: Config modification aborted due to concurrent changes\n" {
		t.Errorf("%d %s %s", code, out.String(), errs.String())
	}
}

type readerFunc func(b []byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDiff(t *testing.T) {
	old, _, err := loadText(t, "")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][]string{
		"":                   nil,
		"namespace: service": nil,
		"tags: {nosync: true}\npostgresql: {pg_hba: [local all all trust], use_pg_rewind: true}": nil,
		"log: {level: DEBUG}\nrestapi: {listen: '127.0.0.1:1'}\nctl: {insecure: true}":           {"log", "restapi", "ctl"},
		"postgresql: {listen: '127.0.0.1:1', proxy_address: 'p:1'}":                              {"postgresql.listen", "postgresql.proxy_address"},
		"scope: x\nfence: off\nrun_dir: /tmp/x":                                                  {"scope", "run_dir", "fence"},
		"etcd3: {username: a, password: b}":                                                      {"etcd3"},
		"etcd3: null\nconsul: {host: 'a:1'}":                                                     {"the store", "etcd3"},
		"postgresql: {data_dir: /x, bin_dir: /y}":                                                {"postgresql.data_dir", "postgresql.bin_dir"},
		"postgresql: {bin_name: {initdb: i}, pgpass: p}":                                         {"postgresql.bin_name", "postgresql.pgpass"},
	} {
		c, _, err := loadText(t, text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, Diff(old, c)); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

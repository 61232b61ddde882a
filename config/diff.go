package config

import "reflect"

// Diff names the keys whose change takes effect at the agent's next start only,
// in a stable order. All others take effect on a reload.
func Diff(old, new *Config) (needRestart []string) {
	was, is := old.fixed(), new.fixed()
	for i, f := range was {
		if !reflect.DeepEqual(f.value, is[i].value) {
			needRestart = append(needRestart, f.key)
		}
	}
	return needRestart
}

type fixedKey struct {
	key   string
	value any
}

// fixed is what a running agent is made of.
func (c *Config) fixed() []fixedKey {
	pg := c.PostgreSQL
	local, _ := c.local.values["postgresql"].(map[string]any)
	return []fixedKey{
		{"scope", c.Scope},
		{"namespace", c.Namespace},
		{"name", c.Name},
		{"run_dir", c.RunDir},
		{"fence", c.Fence},
		{"log", c.Log},
		{"restapi", c.RESTAPI},
		{"ctl", c.Ctl},
		{"the store", c.Store.Kind},
		{c.Store.Kind, c.Store.Section},
		{"postgresql.listen", local["listen"]},
		{"postgresql.connect_address", local["connect_address"]},
		{"postgresql.proxy_address", c.ProxyAddress},
		{"postgresql.database", local["database"]},
		{"postgresql.data_dir", pg.DataDir},
		{"postgresql.config_dir", pg.ConfigDir},
		{"postgresql.config_base_name", pg.ConfigBaseName},
		{"postgresql.bin_dir", pg.BinDir},
		{"postgresql.bin_name", pg.BinNames},
		{"postgresql.pgpass", pg.PassFile},
		{"postgresql.remove_failed_data_directory", pg.RemoveFailed},
	}
}

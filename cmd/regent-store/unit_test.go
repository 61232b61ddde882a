package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// The unit as it is shipped starts the program as it is.
func TestUnit(t *testing.T) {
	text, err := os.ReadFile("../../deploy/systemd/regent-store.service")
	if err != nil {
		t.Fatal(err)
	}
	settings := assignments(string(text))
	words := strings.Fields(settings["ExecStart"])
	if len(words) < 3 || filepath.Base(words[0]) != "regent-store" || words[1] != "run" || words[len(words)-1] != "$REGENT_STORE_OPTIONS" {
		t.Fatalf("ExecStart=%s", settings["ExecStart"])
	}
	shipped, err := os.ReadFile("../../deploy/systemd/regent-store.default")
	if err != nil {
		t.Fatal(err)
	}
	more := strings.Fields(strings.Trim(assignments(string(shipped))["REGENT_STORE_OPTIONS"], `"`))
	var o options
	f := pflag.NewFlagSet("run", pflag.ContinueOnError)
	o.flags(f)
	if err := f.Parse(slices.Concat(words[2:len(words)-1], more)); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(o.dataDir, "/var/lib/"+settings["StateDirectory"]+"/") {
		t.Errorf("--data-dir %s is not in the unit's StateDirectory=%s", o.dataDir, settings["StateDirectory"])
	}
	if o.fresh || o.join {
		t.Error("a service must not make a store: after the loss of a disk there would be two")
	}
	if settings["EnvironmentFile"] != "-/etc/default/regent-store" || !strings.Contains(string(shipped), "/etc/default/regent-store") {
		t.Errorf("EnvironmentFile=%s", settings["EnvironmentFile"])
	}
	if settings["RestartPreventExitStatus"] != "3" || removedStatus != 3 {
		t.Errorf("RestartPreventExitStatus=%s, and a member that was removed ends with %d", settings["RestartPreventExitStatus"], removedStatus)
	}
	if analyze, err := exec.LookPath("systemd-analyze"); err == nil {
		verify(t, analyze, string(text), words[0])
	}
}

// verify asks systemd itself. The program is where the test has it.
func verify(t *testing.T, analyze, text, program string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "regent-store.service")
	if err := os.WriteFile(unit, []byte(strings.Replace(text, program, self, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(analyze, "verify", "--man=no", unit).CombinedOutput()
	if err != nil || strings.Contains(string(out), unit) {
		t.Errorf("systemd-analyze verify: %v: %s", err, out)
	}
}

// assignments are the last of each in a unit or an environment file.
func assignments(text string) map[string]string {
	found := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(name, "#") {
			found[name] = value
		}
	}
	return found
}

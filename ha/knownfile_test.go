package ha

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestKnownFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	f := NewKnownFile(dir)
	m := Membership{SystemID: sceneCluster, Members: map[string]string{"a": "http://a:8008/patroni", "b": ""}}
	if got, err := f.ReadKnown(); err != nil || got.SystemID != "" {
		t.Errorf("without a file: %+v %v", got, err)
	}
	if err := f.WriteKnown(m); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a data directory: %v", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteKnown(m); err != nil {
		t.Fatal(err)
	}
	if got, err := f.ReadKnown(); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("got %+v %v, want %+v", got, err, m)
	}
	if err := os.WriteFile(filepath.Join(dir, knownFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := f.ReadKnown(); err == nil {
		t.Errorf("half a file: %+v", got)
	}
}

package ha

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
)

// probeSize is more than any note has.
const probeSize = 4096

// Probe implements Notes: it writes a file beside the notes and removes it.
func (f *Files) Probe() error {
	path := filepath.Join(filepath.Dir(f.lease), "probe")
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(bytes.Repeat([]byte{'\n'}, probeSize))
	return errors.Join(err, file.Close(), os.Remove(path))
}

package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// copied is the copy that is made.
type copied struct {
	dir      string
	complete bool // an archive has come to its end

	archive *io.PipeWriter // of the archive under way; nil: none is
	done    chan error     // gets the end of its extraction
}

// beginArchive is for what lies at location, which is empty for the data
// directory itself.
func (c *copied) beginArchive(location string) {
	if location == "" {
		location = c.dir
	}
	r, w := io.Pipe()
	c.archive, c.done = w, make(chan error, 1)
	go func() {
		err := extract(location, r)
		r.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // nobody reads what is still to come
		c.done <- err
	}()
}

// endArchive waits until all of the archive under way is there.
func (c *copied) endArchive() error {
	if c.archive == nil {
		return nil
	}
	c.archive.Close()
	c.archive = nil
	err := <-c.done
	c.complete = err == nil
	return err
}

// close gives up.
func (c *copied) close() {
	if c.archive != nil {
		c.archive.CloseWithError(errors.New("the backup has ended early"))
		<-c.done
	}
}

func extract(dir string, from io.Reader) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for archive := tar.NewReader(from); ; {
		h, err := archive.Next()
		if err == io.EOF {
			_, err = io.Copy(io.Discard, from) // the padding
			return err
		}
		if err != nil {
			return err
		}
		if !filepath.IsLocal(h.Name) {
			return fmt.Errorf("the backup has a file %q", h.Name)
		}
		if err := write(filepath.Join(dir, h.Name), h, archive); err != nil {
			return err
		}
	}
}

func write(path string, h *tar.Header, content io.Reader) error {
	mode := fs.FileMode(h.Mode).Perm()
	switch h.Typeflag {
	case tar.TypeDir:
		return os.MkdirAll(path, mode)
	case tar.TypeSymlink:
		return os.Symlink(h.Linkname, path)
	case tar.TypeReg:
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, content)
		return errors.Join(err, f.Close())
	}
	return fmt.Errorf("%s: files of type %q are not expected in a backup", h.Name, h.Typeflag)
}

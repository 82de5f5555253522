package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// copySparse copies a file with its holes and its time; dst appears at once
// and whole, and is a file of its own.
func copySparse(src, dst string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.CreateTemp(filepath.Dir(dst), ".copy-*")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	if err := out.Truncate(st.Size()); err != nil {
		return err
	}
	if err := eachExtent(in, func(start, end int64) error {
		if _, err := out.Seek(start, io.SeekStart); err != nil {
			return err
		}
		if _, err := in.Seek(start, io.SeekStart); err != nil {
			return err
		}
		_, err := io.CopyN(out, in, end-start)
		return err
	}); err != nil {
		return err
	}
	if err := errors.Join(out.Chmod(0o644), out.Close()); err != nil {
		return err
	}
	if err := os.Chtimes(out.Name(), st.ModTime(), st.ModTime()); err != nil {
		return err
	}
	return os.Rename(out.Name(), dst)
}

// eachExtent calls f for each part of the file that is not a hole.
func eachExtent(file *os.File, f func(start, end int64) error) error {
	for at := int64(0); ; {
		start, err := file.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil
		}
		if err != nil {
			return err
		}
		if at, err = file.Seek(start, unix.SEEK_HOLE); err != nil {
			return err
		}
		if err := f(start, at); err != nil {
			return err
		}
	}
}

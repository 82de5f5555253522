//go:build !node

package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// target is a file that is received: one that takes its name when it is
// complete, or one like /dev/null.
type target struct {
	file *os.File
	path string // to be
	temp bool   // it has another name until then
}

// openTarget makes the file. A disk is refused.
func openTarget(path string) (*target, error) {
	st, err := os.Stat(path)
	if err == nil && !st.Mode().IsRegular() {
		if st.Mode()&fs.ModeCharDevice == 0 {
			return nil, fmt.Errorf("%s is neither a regular file nor /dev/null (imagenode writes disks)", path)
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		return &target{file: f}, err
	}
	if err == nil {
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return nil, err
		}
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".orbit-*.partial")
	if err != nil {
		return nil, err
	}
	return &target{f, path, true}, nil
}

func (t *target) write(data []byte, off int64) error {
	_, err := t.file.WriteAt(data, off)
	return err
}

// publish puts the file on stable storage and gives it its name.
func (t *target) publish() error {
	if !t.temp {
		return nil
	}
	if err := t.file.Chmod(0o644); err != nil {
		return err
	}
	if err := t.file.Sync(); err != nil {
		return err
	}
	if err := os.Rename(t.file.Name(), t.path); err != nil {
		return err
	}
	t.temp = false
	return nil
}

// discard ends it. What has no name yet is gone then.
func (t *target) discard() {
	t.file.Close()
	if t.temp {
		os.Remove(t.file.Name())
	}
}

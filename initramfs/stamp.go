package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// inputs is a hash of everything the initramfs is built from.
func (b *builder) inputs(ctx context.Context) (string, error) {
	h := sha256.New()
	source, err := b.source.hash(ctx, generated)
	if err != nil {
		return "", err
	}
	fmt.Fprintln(h, source)
	if err := hashFile(h, b.commands); err != nil {
		return "", err
	}
	for _, a := range b.add {
		fmt.Fprintf(h, "%q\n", a.dest)
		err := filepath.WalkDir(a.src, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			fmt.Fprintln(h, info.Mode())
			return hashFile(h, path)
		})
		if err != nil {
			return "", fmt.Errorf("hash what -add names: %w", err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// upToDate tells whether output was made from these inputs and is still what
// was made then.
func upToDate(stamp, inputs, output string) bool {
	was, err := os.ReadFile(stamp)
	if err != nil {
		return false
	}
	now, err := stampOf(inputs, output)
	return err == nil && string(was) == now
}

func recordInputs(stamp, inputs, output string) error {
	s, err := stampOf(inputs, output)
	if err != nil {
		return err
	}
	return os.WriteFile(stamp, []byte(s), 0o644)
}

func stampOf(inputs, output string) (string, error) {
	data, err := os.ReadFile(output)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("inputs %s\noutput %x\n", inputs, sha256.Sum256(data)), nil
}

// writeFile publishes a file whole or not at all, with a mode that the umask
// doesn't change.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	if _, err := f.Write(data); err != nil {
		f.Close()
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Chmod(f.Name(), mode); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

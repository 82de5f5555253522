package console

import (
	"os"
	"path/filepath"
)

// MarkBusy records in dir that a shell runs at the console, or no longer does.
// Process 1 writes the marks and Output's Busy reads them with IsBusy.
func MarkBusy(dir, path string, busy bool) error {
	if !busy {
		return os.Remove(mark(dir, path))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(mark(dir, path), nil, 0o644)
}

// IsBusy tells whether a shell runs at the console.
func IsBusy(dir, path string) bool {
	_, err := os.Stat(mark(dir, path))
	return err == nil
}

func mark(dir, path string) string {
	return filepath.Join(dir, "shell-"+filepath.Base(path))
}

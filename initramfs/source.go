package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A source is the checkout that is built.
type source struct {
	root    string // the module's root directory
	module  string // its path
	version string // tag, or commit, with +changes where files differ from it
	commit  string // full; "" outside a checkout
	built   string // time of the commit, RFC 3339 in UTC
}

// findSource asks the go command and git about the current directory.
func findSource(ctx context.Context) (source, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}\n{{.Path}}").Output()
	if err != nil {
		return source{}, fmt.Errorf("find the Go module (run this inside the checkout): %w", err)
	}
	root, module, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	s := source{root: root, module: module, version: "devel"}
	git := func(args ...string) string {
		cmd := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...)
		cmd.Env = append(os.Environ(), "TZ=UTC")
		out, err := cmd.Output()
		if err != nil {
			return "" // no git, no checkout, no commit yet: built from an export
		}
		return strings.TrimSpace(string(out))
	}
	if s.commit = git("rev-parse", "HEAD"); s.commit != "" {
		s.version = git("describe", "--tags", "--always", "--abbrev=12", "--dirty=+changes")
		s.built = git("log", "-1", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--format=%cd")
	}
	return s, nil
}

// stamp is what the binaries are told about themselves.
func (s source) stamp() []string {
	v := s.module + "/pkg/version"
	return []string{v + ".version=" + s.version, v + ".built=" + s.built}
}

// hash covers everything of the source that can change what is built, so that
// an unchanged tree needs no build: the Go files and what they embed, the
// versions of dependencies, the compiler, and the stamp.
func (s source) hash(ctx context.Context, more ...string) (string, error) {
	h := sha256.New()
	goVersion, err := exec.CommandContext(ctx, "go", "version").Output()
	if err != nil {
		return "", fmt.Errorf("ask for the Go version: %w", err)
	}
	fmt.Fprintf(h, "%s%q%q", goVersion, s.stamp(), more)
	for _, dir := range []string{"go.mod", "go.sum", "cmds", "pkg", "initramfs"} {
		err := filepath.WalkDir(filepath.Join(s.root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name := d.Name()
			if d.IsDir() && (name == "testdata" || strings.HasPrefix(name, "_")) {
				return fs.SkipDir
			}
			if !d.Type().IsRegular() || strings.HasSuffix(name, "_test.go") {
				return nil
			}
			return hashFile(h, path)
		})
		if err != nil {
			return "", fmt.Errorf("hash the source: %w", err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// hashFile adds a file's name, length and content.
func hashFile(h io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	fmt.Fprintf(h, "%q %d\n", path, info.Size())
	_, err = io.Copy(h, f)
	return err
}

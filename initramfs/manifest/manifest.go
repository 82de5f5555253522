// Package manifest describes a set of netboot artifacts: manifest.json for
// programs, SHA256SUMS for everyone.
package manifest

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/therootcompany/xz"

	"github.com/orbit-pxe/orbit/initramfs/cpio"
)

// A Manifest says what the artifacts are and what they are made of. Built
// twice from one commit with the same tools it is the same.
type Manifest struct {
	Version  string   `json:"version"`
	Commit   string   `json:"commit,omitempty"`
	Built    string   `json:"built,omitempty"` // time of the commit, RFC 3339
	Kernel   string   `json:"kernel"`          // release, as uname -r prints it
	Cmdline  string   `json:"cmdline"`         // inside the EFI image
	Go       string   `json:"go"`              // version of the compiler
	Unpacked int64    `json:"unpacked"`        // size of the initramfs in memory, bytes
	Files    []File   `json:"files"`
	Commands []string `json:"commands"` // of the initramfs
	Modules  []Module `json:"modules"`  // in its binary
}

// A File is one artifact.
type File struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// A Module is a Go module that the binary contains code of.
type Module struct {
	Path    string `json:"path"`
	Version string `json:"version"`
	Sum     string `json:"sum"`
}

// Describe reads the initramfs and the files named of dir, and fills in what
// they say about themselves.
func (m *Manifest) Describe(dir, initramfs string, names []string) error {
	if err := m.describeInitramfs(filepath.Join(dir, initramfs)); err != nil {
		return fmt.Errorf("%s: %w", initramfs, err)
	}
	m.Files = nil
	for _, name := range names {
		f, err := fileOf(dir, name)
		if err != nil {
			return err
		}
		m.Files = append(m.Files, f)
	}
	return nil
}

// describeInitramfs unpacks the archive and asks the binary in it.
func (m *Manifest) describeInitramfs(path string) error {
	raw, err := Unpack(path)
	if err != nil {
		return err
	}
	m.Unpacked = int64(len(raw))
	m.Commands = nil
	for r := cpio.NewReader(bytes.NewReader(raw)); ; {
		e, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		dir, name := filepath.Split(e.Name)
		switch {
		case e.Name == "bbin/bb":
			if err := m.describeBinary(e.Data); err != nil {
				return fmt.Errorf("read the build information of %s: %w", e.Name, err)
			}
		case dir == "bbin/":
			m.Commands = append(m.Commands, name)
		}
	}
	if m.Go == "" {
		return fmt.Errorf("there is no bbin/bb in it")
	}
	return nil
}

func (m *Manifest) describeBinary(binary []byte) error {
	info, err := buildinfo.Read(bytes.NewReader(binary))
	if err != nil {
		return err
	}
	m.Go, m.Modules = info.GoVersion, nil
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		m.Modules = append(m.Modules, Module{Path: d.Path, Version: d.Version, Sum: d.Sum})
	}
	return nil
}

// Unpack returns the cpio archive in an xz file.
func Unpack(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := xz.NewReader(f, Window)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", path, err)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", path, err)
	}
	return raw, nil
}

// Window is the memory that unpacking may take beside the archive, bytes: the
// kernel of a small node must be able to.
const Window = 8 << 20

// JSON is the content of manifest.json.
func (m *Manifest) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	return append(b, '\n'), err
}

// Sums is the content of SHA256SUMS for files of dir, as sha256sum(1) writes
// and checks it.
func Sums(dir string, names []string) ([]byte, error) {
	var b []byte
	for _, name := range names {
		f, err := fileOf(dir, name)
		if err != nil {
			return nil, err
		}
		b = fmt.Appendf(b, "%s  %s\n", f.SHA256, f.Name)
	}
	return b, nil
}

func fileOf(dir, name string) (File, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return File{}, fmt.Errorf("hash %s: %w", name, err)
	}
	return File{Name: name, Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}

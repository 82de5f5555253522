package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	series    = "6.12"     // Debian's package linux-source-6.12
	upstream  = "6.12.117" // kernel.org's version where there is no such package
	kernelOrg = "https://cdn.kernel.org/pub/linux/kernel/v6.x"
)

// source is a kernel source tarball.
type source struct {
	Version string // such as 6.12.117-1~deb12u1, or 6.12.117 from kernel.org
	Path    string // the tarball here; "" = to be fetched
	URL     string // of the directory to fetch it from
}

// findSource prefers the tarball of Debian's package, which apt has verified.
func findSource(ctx context.Context, usrSrc, mirror string) (source, error) {
	tarball := filepath.Join(usrSrc, "linux-source-"+series+".tar.xz")
	if _, err := os.Stat(tarball); err == nil {
		out, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Version}", "linux-source-"+series).Output()
		if err != nil {
			return source{}, fmt.Errorf("ask dpkg for the version of %s: %w", tarball, err)
		}
		return source{Version: string(out), Path: tarball}, nil
	}
	return source{Version: upstream, URL: mirror}, nil
}

// fetch brings the tarball into dir, and checks it against the list of digests
// that kernel.org publishes (and signs) beside it.
func (s *source) fetch(ctx context.Context, dir string) error {
	if s.Path != "" {
		return nil
	}
	name := "linux-" + s.Version + ".tar.xz"
	want, err := publishedSum(ctx, s.URL+"/sha256sums.asc", name)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, name)
	got, err := download(ctx, s.URL+"/"+name, path)
	if err != nil {
		return err
	}
	if got != want {
		os.Remove(path)
		return fmt.Errorf("%s/%s has SHA-256 %s, but sha256sums.asc says %s: not used", s.URL, name, got, want)
	}
	s.Path = path
	return nil
}

func publishedSum(ctx context.Context, url, name string) (string, error) {
	body, err := get(ctx, url)
	if err != nil {
		return "", err
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		if f := strings.Fields(lines.Text()); len(f) == 2 && f[1] == name && len(f[0]) == 64 {
			return f[0], nil
		}
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("read %s: %w", url, err)
	}
	return "", fmt.Errorf("%s does not list %s", url, name)
}

func download(ctx context.Context, url, path string) (sum string, err error) {
	body, err := get(ctx, url)
	if err != nil {
		return "", err
	}
	defer body.Close()
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(f, h), body)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return "", fmt.Errorf("fetch %s: %w", url, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func get(ctx context.Context, url string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch the kernel source (on Debian, apt-get install linux-source-%s is enough): %w", series, err)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("fetch %s: %s", url, resp.Status)
	}
	return resp.Body, nil
}

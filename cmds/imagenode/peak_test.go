//go:build !race

package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/imaging"
	"github.com/orbit-pxe/orbit/qemu/lab"
)

// The peak memory of a whole run stays far below 128 MB. (The race
// detector needs as much again.)
func TestPeakMemory(t *testing.T) {
	source := filepath.Join(t.TempDir(), "image.zst")
	if err := os.WriteFile(source, packed(t, diskImage(t, 256*mib)), 0o666); err != nil {
		t.Fatal(err)
	}
	modest(t, source, filepath.Join(t.TempDir(), "disk"))
}

// So it does with an index, whose image is fetched in many parts at once, and
// where nothing is to be done but to read what is there.
func TestPeakMemoryIndexed(t *testing.T) {
	if testing.Short() {
		t.Skip("writes some hundred MiB")
	}
	raw, dir := sparseDisk(t), t.TempDir()
	if _, err := imaging.Save(t.Context(), imaging.SaveOptions{Disk: raw, Dest: filepath.Join(dir, "x.img.zst")}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	url, disk := server.URL+"/x.img.zst", filepath.Join(t.TempDir(), "disk")
	modest(t, url, disk)
	if out, err := exec.Command("cmp", raw, disk).CombinedOutput(); err != nil {
		t.Fatalf("the disk is not what was saved: %v %s", err, out)
	}
	before, err := os.Stat(disk)
	if err != nil {
		t.Fatal(err)
	}
	modest(t, url, disk)
	if after, err := os.Stat(disk); err != nil || after.ModTime() != before.ModTime() {
		t.Errorf("a disk that was as it should be has changed: %v", err)
	}
}

// So it does by multicast, with the chunks that are received and what waits for
// its other half.
func TestPeakMemoryMulticast(t *testing.T) {
	if testing.Short() {
		t.Skip("writes some hundred MiB")
	}
	l := lab.ForTest(t, lab.Options{Nodes: 1})
	raw, dir := sparseDisk(t), t.TempDir()
	if _, err := imaging.Save(t.Context(), imaging.SaveOptions{Disk: raw, Dest: filepath.Join(dir, "x.img.zst")}); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(dir, "x.img.zst"))
	if err != nil {
		t.Fatal(err)
	}
	server := send(t, l, file)
	url, disk := web(t, l, dir)+"/x.img.zst", filepath.Join(t.TempDir(), "disk")
	run := func(cmd *exec.Cmd) ([]byte, error) {
		var out bytes.Buffer
		cmd.Stdout = &out
		err := l.Nodes[0].Run(cmd)
		return out.Bytes(), err
	}
	modestly(t, run, "--multicast", session.String(), url, disk)
	if n := server.Stats().Bytes; n < uint64(len(file))*9/10 {
		t.Errorf("of %d bytes %d were sent", len(file), n)
	}
	if out, err := exec.Command("cmp", raw, disk).CombinedOutput(); err != nil {
		t.Fatalf("the disk is not what was saved: %v %s", err, out)
	}
}

// So it does with an .ndz image, in parts or as a stream.
func TestPeakMemoryChunks(t *testing.T) {
	if testing.Short() {
		t.Skip("writes some hundred MiB")
	}
	raw, dir := sparseDisk(t), t.TempDir()
	image := filepath.Join(dir, "x.ndz")
	if _, err := imaging.Save(t.Context(), imaging.SaveOptions{Disk: raw, Dest: image, Format: imaging.Ndz}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	for _, args := range [][]string{{"--verify=disk", server.URL + "/x.ndz"}, {"--sha256-beside", image}} {
		if args[0] == "--sha256-beside" { // a stream
			out, err := exec.Command("sha256sum", image).Output()
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(image+".sha256", out, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		disk := filepath.Join(t.TempDir(), "disk")
		modest(t, append(args, disk)...)
		if out, err := exec.Command("cmp", raw, disk).CombinedOutput(); err != nil {
			t.Fatalf("the disk is not what was saved: %v %s", err, out)
		}
	}
}

// sparseDisk is a file of 1 GiB, a quarter of it in use.
func sparseDisk(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "raw")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(1024 * mib); err != nil {
		t.Fatal(err)
	}
	random := rand.NewChaCha8([32]byte{9})
	for at := int64(mib); at < 1024*mib; at += 4 * mib {
		if _, err := io.CopyN(io.NewOffsetWriter(f, at), random, mib); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// modest runs imagenode and fails where it takes too much memory.
func modest(t *testing.T, args ...string) {
	t.Helper()
	modestly(t, (*exec.Cmd).Output, args...)
}

func modestly(t *testing.T, run func(*exec.Cmd) ([]byte, error), args ...string) {
	t.Helper()
	cmd := program(t, args...)
	cmd.Env = append(os.Environ(), "IMAGENODE_TEST_PEAK=1")
	cmd.Stderr = os.Stderr
	out, err := run(cmd)
	if err != nil {
		t.Fatal(err)
	}
	// Not getrusage: its number does not begin anew with exec.
	_, rest, found := strings.Cut(string(out), "VmHWM:")
	var peak int64
	if _, err := fmt.Sscan(rest, &peak); !found || err != nil {
		t.Fatalf("no peak in %s: %v", out, err)
	}
	peak <<= 10
	t.Logf("peak %d MiB", peak/mib)
	if peak > 128e6 {
		t.Errorf("peak memory is %d bytes, want less than 128 MB", peak)
	}
}

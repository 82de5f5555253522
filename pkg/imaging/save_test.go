package imaging

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/stream"
)

func unpack(t testing.TB, stored []byte) []byte {
	t.Helper()
	r, err := stream.NewReader(bytes.NewReader(stored), stream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What is saved from a disk and written to another one is the same disk.
func TestSaveAndWrite(t *testing.T) {
	dev := loop(t, size+512*3, 512)
	disk := bytesOf(t, dev)
	dest := filepath.Join(t.TempDir(), "disk.zst")
	r, err := Save(t.Context(), SaveOptions{Disk: dev, Dest: dest, Sum: true})
	if err != nil {
		t.Fatal(err)
	}
	stored := bytesOf(t, dest)
	if r.SHA256 != sum(stored) || r.Stored != int64(len(stored)) || r.Bytes != int64(len(disk)) {
		t.Errorf("receipt %+v does not tell of %d bytes with sha256 %s, of %d", r, len(stored), sum(stored), len(disk))
	}
	same(t, "image", unpack(t, stored), disk)
	if left, _ := filepath.Glob(filepath.Dir(dest) + "/.*partial"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	again := filepath.Join(t.TempDir(), "again")
	if _, err := write1(t, WriteOptions{Source: dest, Disk: again, SHA256Beside: true}); err != nil {
		t.Fatal(err)
	}
	same(t, again, bytesOf(t, again), disk)
}

func TestSaveStdout(t *testing.T) {
	disk := content(4, 3*mib+99)
	var out bytes.Buffer
	if _, err := Save(t.Context(), SaveOptions{Disk: store(t, "disk", disk), Dest: "-", Stdout: &out}); err != nil {
		t.Fatal(err)
	}
	same(t, "image", unpack(t, out.Bytes()), disk)
}

func TestSaveUpload(t *testing.T) {
	disk := gptImage(t, size, 512)
	var got []byte
	var trailer http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		trailer = r.Trailer
		w.WriteHeader(http.StatusCreated)
	}))
	defer server.Close()
	r, err := Save(t.Context(), SaveOptions{Disk: store(t, "disk", disk), Dest: server.URL + "/images/disk.zst"})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "image", unpack(t, got), disk)
	if r.SHA256 != sum(got) || !strings.HasPrefix(trailer.Get("Repr-Digest"), "sha-256=:") {
		t.Errorf("sha256 %s, trailer %v; sent was %s", r.SHA256, trailer, sum(got))
	}
}

func TestSaveUploadRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no space: 3 GiB free", http.StatusInsufficientStorage)
	}))
	defer server.Close()
	_, err := Save(t.Context(), SaveOptions{Disk: store(t, "disk", gptImage(t, size, 512)), Dest: server.URL + "/x", Patience: time.Second})
	if err == nil || !strings.Contains(err.Error(), "507") {
		t.Errorf("error is %v, want the server's answer 507", err)
	}
}

// The destination is as it was when saving fails, and nothing lies beside it.
func TestSaveFails(t *testing.T) {
	dir := t.TempDir()
	dest := filepath.Join(dir, "disk.zst")
	if err := os.WriteFile(dest, []byte("the last one"), 0o666); err != nil {
		t.Fatal(err)
	}
	d, err := openDest(t.Context(), SaveOptions{Dest: dest})
	if err != nil {
		t.Fatal(err)
	}
	err = readAhead(t.Context(), badSector{}, 32*mib, func(b []byte) error {
		_, err := d.Write(b)
		return err
	})
	d.abandon(err)
	if want := "read 20 MiB to 24 MiB (bytes 20971520 to 25165823): " + errFailing.Error(); err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
	same(t, dest, bytesOf(t, dest), []byte("the last one"))
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}

// badSector is a disk that cannot be read at 22 MiB.
type badSector struct{}

func (badSector) ReadAt(p []byte, off int64) (int, error) {
	if bad := int64(22 * mib); off <= bad && bad < off+int64(len(p)) {
		return int(bad - off), errFailing
	}
	return len(p), nil
}

func TestSaveRefused(t *testing.T) {
	disk := store(t, "disk", content(1, mib))
	for _, dest := range []string{"/dev/null", t.TempDir(), "/no/such/directory/x"} {
		_, err := Save(t.Context(), SaveOptions{Disk: disk, Dest: dest})
		var r *RefusedError
		if !errors.As(err, &r) {
			t.Errorf("saving to %s: %v, want it refused", dest, err)
		}
	}
}

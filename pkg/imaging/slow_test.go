package imaging

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/transfer"
)

// A server may be slow, if only something comes now and then.
func TestSlowServer(t *testing.T) {
	disk, used, file, _ := faultDisk(t)
	slowly := func(w http.ResponseWriter, body []byte) {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for len(body) > 0 {
			n := min(len(body), 1<<20)
			w.Write(body[:n])
			http.NewResponseController(w).Flush()
			body = body[n:]
			<-tick.C
		}
	}
	l := &liar{file: file, etag: `"a"`, bend: func(_ int, a *answer) { a.send = slowly }}
	m, _, err := fetch(t, l, WriteOptions{Patience: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	arrived(t, m, disk, used)
}

// A server that says nothing any more is given up after a while.
func TestSilentServer(t *testing.T) {
	_, _, file, _ := faultDisk(t)
	end := make(chan struct{})
	defer time.AfterFunc(8*time.Second, func() { close(end) }).Stop()
	l := &liar{file: file, etag: `"a"`, bend: func(n int, a *answer) {
		if n > 2 {
			a.send = func(w http.ResponseWriter, _ []byte) {
				http.NewResponseController(w).Flush()
				<-end
			}
		}
	}}
	server := httptest.NewServer(l)
	defer server.Close()
	defer server.CloseClientConnections()
	old := bytesOf(t, noise(t, size))
	m, s := memory(old)
	begun := time.Now()
	_, err := write1(t, WriteOptions{Source: server.URL, Disk: store(t, "disk", old), FileSize: size, Patience: time.Second, seam: s})
	took := time.Since(begun)
	select {
	case <-end:
	default:
		close(end)
	}
	failed(t, err, "nothing for")
	if !errors.As(err, new(*transfer.StalledError)) {
		t.Errorf("error is %v", err)
	}
	if took > 7*time.Second {
		t.Errorf("it took %v", took)
	}
	noTableIn(t, m)
}

// A server with a certificate that nobody trusts is refused before the first byte.
func TestWrongCertificate(t *testing.T) {
	_, _, file, x := faultDisk(t)
	server := httptest.NewUnstartedServer(&liar{file: file, etag: `"a"`})
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	for _, o := range []WriteOptions{{}, {Root: x.Root()}, {Stream: true}, {SHA256: sum(file)}} {
		old := bytesOf(t, noise(t, size))
		m, s := memory(old)
		o.Source, o.Disk, o.FileSize, o.Patience, o.seam = server.URL+"/x.img.zst", store(t, "disk", old), size, 5*time.Second, s
		begun := time.Now()
		_, err := write1(t, o)
		refused(t, err, "certificate signed by unknown authority (add the CA's certificate")
		if took := time.Since(begun); took > 4*time.Second {
			t.Errorf("it took %v", took)
		}
		same(t, "disk", bytesOf(t, o.Disk), old)
		same(t, "disk", m.data, old)
	}
}

// A server that gives no parts of files: one note, and the image comes as a
// stream, checked all the same.
func TestNoRanges(t *testing.T) {
	disk, used, file, x := faultDisk(t)
	whole := func(b []byte) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"a"`)
			w.Write(b)
		})
	}
	m, told, err := fetch(t, whole(file), WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	arrived(t, m, disk, used)
	told.has(t, 1, "first to last")
	for _, text := range told.all() {
		if strings.Contains(text, "connection lost") || strings.Contains(text, "again") {
			t.Errorf("a note tells %q", text)
		}
	}
	f := frameOf(t, x, image.Data, func(f image.Frame) bool { return f.Stored > mib && f.Off > 0 })
	bent := bytes.Clone(file)
	bent[f.Off+f.Stored/2] ^= 1
	m, _, err = fetch(t, whole(bent), WriteOptions{})
	failed(t, err, "")
	if len(m.data) > 0 {
		noTableIn(t, m)
	}
	// Whoever wants a certain image has to see its index before the disk is written.
	_, _, err = fetch(t, whole(file), WriteOptions{Root: x.Root()})
	distrusted(t, err)
}

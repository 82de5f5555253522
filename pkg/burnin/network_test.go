package burnin

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/orbit-pxe/orbit/pkg/api"
)

// flip changes a bit of a stream.
type flip struct {
	r  io.Reader
	at int64
}

func (f *flip) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if f.at >= 0 && f.at < int64(n) {
		p[f.at] ^= 0x10
	}
	f.at -= int64(n)
	return n, err
}

// fakeHead sends and takes streams, with faults.
func fakeHead(t *testing.T, down, up func(r io.Reader) io.Reader) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seed, _ := strconv.ParseUint(r.URL.Query().Get("seed"), 16, 64)
		n, _ := strconv.ParseInt(r.URL.Query().Get("bytes"), 10, 64)
		if r.URL.Path != StreamPath {
			http.NotFound(w, r)
			return
		}
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
			io.Copy(w, down(io.LimitReader(Stream(seed), n)))
			return
		}
		if _, err := Compare(up(r.Body), seed, n); err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func same(r io.Reader) io.Reader { return r }

func TestNetwork(t *testing.T) {
	b, h := try(t, Options{Head: fakeHead(t, same, same)}, api.NetworkTest)
	if r := b.Tests[0].Readings; !b.Passed || r.Passes != 2 || r.Bytes != 2*(4+8)*mib {
		t.Errorf("%+v %+v", b.Tests[0], r)
	}
	if done := h.words(api.Done); !strings.Contains(done, "traffic 12 MiB from the head at ") || !strings.Contains(done, "12 MiB to it at ") {
		t.Error(done)
	}
}

func TestNetworkFaults(t *testing.T) {
	for _, x := range []struct {
		name     string
		down, up func(io.Reader) io.Reader
		want     string
	}{
		{"a bit from the head", func(r io.Reader) io.Reader { return &flip{r, 3_000_000} }, same, "from the head: the stream is another one from byte 3000000 on"},
		{"a bit to the head", same, func(r io.Reader) io.Reader { return &flip{r, 1_000_000} }, "to the head: the stream is another one from byte 1000000 on"},
		{"cut", func(r io.Reader) io.Reader {
			return io.MultiReader(io.LimitReader(r, 5000), iotest.ErrReader(io.ErrClosedPipe))
		}, same, "from the head: unexpected EOF"},
	} {
		b, h := try(t, Options{Head: fakeHead(t, x.down, x.up), For: time.Second}, api.NetworkTest)
		if e := b.Tests[0].Error; b.Passed || !strings.Contains(e, x.want) || !strings.Contains(e, "transfers failed") {
			t.Errorf("%s: %q, want %q", x.name, e, x.want)
		}
		if !strings.Contains(h.words(api.Note), x.want) {
			t.Errorf("%s is not told at once", x.name)
		}
	}
}

func TestNetworkNone(t *testing.T) {
	old := httptest.NewServer(http.NotFoundHandler())
	defer old.Close()
	for head, want := range map[string]string{
		old.URL:              "an older orbitd?",
		"http://127.0.0.1:1": "connection refused",
		fakeHead(t, func(io.Reader) io.Reader { return blocked{t.Context().Done()} }, same): "nothing came from http",
	} {
		b, _ := try(t, Options{Head: head, For: time.Second}, api.NetworkTest)
		if e := b.Tests[0].Error; b.Passed || !strings.Contains(e, want) {
			t.Errorf("%s: %q, want %q", head, e, want)
		}
	}
}

// blocked sends nothing until it is over.
type blocked struct{ over <-chan struct{} }

func (b blocked) Read([]byte) (int, error) { <-b.over; return 0, io.EOF }

// What interfaces count is told though all streams were right.
func TestCables(t *testing.T) {
	root := t.TempDir()
	write(t, root, "sys/class/net/eth0/device/vendor", "0x8086\n")
	write(t, root, "sys/class/net/lo/statistics/rx_crc_errors", "0\n")
	write(t, root, "sys/class/net/eth0/statistics/rx_crc_errors", "5\n")
	write(t, root, "sys/class/net/eth0/carrier_down_count", "1\n")
	head := fakeHead(t, func(r io.Reader) io.Reader {
		write(t, root, "sys/class/net/lo/statistics/rx_crc_errors", "9\n")
		write(t, root, "sys/class/net/eth0/statistics/rx_crc_errors", "12\n")
		write(t, root, "sys/class/net/eth0/carrier_down_count", "2\n")
		return r
	}, same)
	b, _ := try(t, Options{Head: head, Root: root}, api.NetworkTest)
	if e := b.Tests[0].Error; e != "interfaces counted 1 times no carrier on eth0, 7 damaged frames on eth0" {
		t.Errorf("%q", e)
	}
}

func TestCompare(t *testing.T) {
	if _, err := Compare(Stream(1), 2, 100); err == nil {
		t.Error("the streams of two seeds are the same")
	}
	if n, err := Compare(io.LimitReader(Stream(1), 1<<20), 1, 2<<20); n != 1<<20 || err != io.ErrUnexpectedEOF {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := Compare(iotest.OneByteReader(Stream(3)), 3, 1000); n != 1000 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func BenchmarkCompare(b *testing.B) {
	b.SetBytes(64 << 20)
	for b.Loop() {
		if _, err := Compare(Stream(1), 1, 64<<20); err != nil {
			b.Fatal(err)
		}
	}
}

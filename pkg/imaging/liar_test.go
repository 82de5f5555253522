package imaging

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/partition"
)

// liar serves a file in parts, and bends its answers.
type liar struct {
	file []byte
	etag string

	mu    sync.Mutex
	asked int // requests for parts
	bend  func(n int, a *answer)
}

// answer is what a server is about to say to a request for a part.
type answer struct {
	first, last, total int64  // as its Content-Range tells
	body               []byte // a copy, to be changed
	code               int
	etag               string
	send               func(w http.ResponseWriter, body []byte) // how
}

func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	spec, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes=")
	size := int64(len(l.file))
	a := &answer{last: size - 1, total: size, code: http.StatusOK, etag: l.etag}
	if from, to, dash := strings.Cut(spec, "-"); ok && dash {
		a.code = http.StatusPartialContent
		first, err := strconv.ParseInt(from, 10, 64)
		last, _ := strconv.ParseInt(to, 10, 64)
		switch {
		case err != nil:
			a.first = max(0, size-last)
		case to == "":
			a.first = first
		default:
			a.first, a.last = first, min(last, size-1)
		}
	}
	a.body = bytes.Clone(l.file[a.first : a.last+1])
	l.mu.Lock()
	l.asked++
	if l.bend != nil {
		l.bend(l.asked, a)
	}
	l.mu.Unlock()
	h := w.Header()
	h.Set("ETag", a.etag)
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	if a.code == http.StatusPartialContent {
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", a.first, a.last, a.total))
	}
	w.WriteHeader(a.code)
	if a.send != nil {
		a.send(w, a.body)
		return
	}
	w.Write(a.body)
}

// faultDisk is a disk with enough on it to be fetched in several parts.
func faultDisk(t testing.TB) (disk []byte, used extent.Set, file []byte, x *image.Index) {
	t.Helper()
	disk, used = plainDisk(t)
	random := incompressible(t)
	for _, span := range []int64{3, 9, 11, 12} {
		copy(disk[span*mib:], random)
		random[span]++
	}
	used.Add(extent.Range{Off: 3 * mib, End: 13 * mib})
	file = orbitImage(t, disk, used, 512)
	x, err := image.ReadIndex(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	return disk, used, file, x
}

// fetch writes what a server has to a disk that has something else.
func fetch(t testing.TB, h http.Handler, o WriteOptions) (m *memDisk, told *notes, err error) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	defer server.Close()
	path := noise(t, size)
	m, s := memory(bytesOf(t, path))
	opened := func(d device) device { // a file that is to take a stream has been emptied
		if err := readAll(d, m.data, 0); err != nil {
			t.Error(err)
		}
		return s(d)
	}
	told = &notes{}
	o.Source, o.Disk, o.FileSize, o.Events, o.seam = server.URL+"/x.img.zst", path, size, told.sink, opened
	if o.Patience == 0 {
		o.Patience = 10 * time.Second
	}
	_, err = write1(t, o)
	return m, told, err
}

func noTableIn(t testing.TB, m *memDisk) {
	t.Helper()
	table, err := partition.Read(bytes.NewReader(m.data), 512)
	if err != nil || table.Scheme != partition.SchemeNone || len(m.data) >= headSize && !isZeroAll(m.data[:headSize]) {
		t.Errorf("there is a table: %+v, %v", table, err)
	}
	if _, err := partition.DecodeBackup(bytes.NewReader(m.data), 512, m.Size()); err == nil {
		t.Error("there is a backup table")
	}
}

func arrived(t testing.TB, m *memDisk, disk []byte, used extent.Set) {
	t.Helper()
	for u := range used.All() {
		same(t, "disk", m.data[u.Off:u.End], disk[u.Off:u.End])
	}
}

// reset sends some bytes and then resets the connection.
func reset(w http.ResponseWriter, body []byte) {
	w.Write(body)
	http.NewResponseController(w).Flush()
	if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

package transfer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// vault takes uploads that can be resumed, as simply as that can be. Its hooks
// make it odd.
type vault struct {
	mu       sync.Mutex // one request at a time
	data     []byte
	complete bool
	digest   string
	requests []string // method and offset
	acks     int      // bytes between them, 0 for none
	interop  string   // "" for the right one
	cut      int      // bytes after which a request breaks, as long as cuts remain
	cuts     int
	before   func(v *vault, w http.ResponseWriter, r *http.Request) bool
}

func (v *vault) interim(w http.ResponseWriter, key, value string) {
	w.Header().Set(uploadInterop, interop)
	if v.interop != "" {
		w.Header().Set(uploadInterop, v.interop)
	}
	w.Header().Set(key, value)
	w.WriteHeader(104)
	w.Header().Del(key)
	w.Header().Del(uploadInterop)
}

func (v *vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.requests = append(v.requests, strings.TrimSpace(r.Method+" "+r.Header.Get(uploadOffset)))
	if v.before != nil && v.before(v, w, r) {
		return
	}
	switch r.Method {
	case http.MethodHead:
		w.Header().Set(uploadOffset, strconv.Itoa(len(v.data)))
		w.Header().Set(uploadComplete, map[bool]string{true: "?1", false: "?0"}[v.complete])
		w.WriteHeader(http.StatusNoContent)
		return
	case http.MethodDelete:
		v.data = nil
		return
	case http.MethodPut:
		v.data = nil
		v.interim(w, "Location", "/vault/1")
	case http.MethodPatch:
		if r.Header.Get(uploadOffset) != strconv.Itoa(len(v.data)) || r.Header.Get("Content-Type") != "application/partial-upload" {
			http.Error(w, "other offset", http.StatusConflict)
			return
		}
	}
	buf := make([]byte, 64<<10)
	for got, acked := 0, 0; ; {
		n, err := r.Body.Read(buf)
		v.data = append(v.data, buf[:n]...)
		got += n
		if v.cuts > 0 && got >= v.cut {
			v.cuts--
			panic(http.ErrAbortHandler)
		}
		if v.acks > 0 && got-acked >= v.acks {
			acked = got
			v.interim(w, uploadOffset, strconv.Itoa(len(v.data)))
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return
		}
	}
	v.complete, v.digest = r.Header.Get(uploadComplete) == "?1", r.Trailer.Get("Repr-Digest")
	w.Header().Set(uploadComplete, "?1")
	w.Header().Set("Location", "/x")
	w.WriteHeader(http.StatusCreated)
}

// TestPutResumes breaks connections of servers that tell more or less of what
// they have.
func TestPutResumes(t *testing.T) {
	data := content(24 << 20)
	sum := sha256.Sum256(data)
	for name, v := range map[string]*vault{
		"never broken":         {acks: 1 << 20},
		"tells all":            {acks: 1 << 20, cut: 5 << 20, cuts: 4},
		"tells little":         {acks: 6 << 20, cut: 7 << 20, cuts: 3},
		"tells only the place": {cut: 5 << 20, cuts: 4},
		"breaks at once":       {cut: 0, cuts: 2},
		"busy": {cut: 9 << 20, cuts: 2, before: func(v *vault, w http.ResponseWriter, r *http.Request) bool {
			if len(v.requests)%3 == 2 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return true
			}
			return false
		}},
		"takes bytes without a word": {cut: 9 << 20, cuts: 2, before: func(v *vault, w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPatch && len(v.data) == 9<<20 { // after HEAD, as if from another connection
				b, _ := io.ReadAll(io.LimitReader(r.Body, 1000))
				v.data = append(v.data, b...)
				w.WriteHeader(http.StatusConflict)
				return true
			}
			return false
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(v)
			defer srv.Close()
			o := quick(t)
			o.Patience, o.Stall = 20*time.Second, 10*time.Second
			result, err := Put(t.Context(), srv.URL+"/x", oddly(data), o)
			if err != nil {
				t.Fatal(err)
			}
			if want := (PutResult{int64(len(data)), hex.EncodeToString(sum[:]), "/x"}); result != want {
				t.Errorf("result %+v; want %+v", result, want)
			}
			p := put{sum: sha256.New()}
			p.sum.Write(data)
			if !bytes.Equal(v.data, data) || !v.complete || v.digest != p.digest() {
				t.Errorf("the server has %d bytes, complete %t, digest %q", len(v.data), v.complete, v.digest)
			}
			if v.cuts > 0 || name == "never broken" && len(v.requests) != 1 {
				t.Errorf("requests %v", v.requests)
			}
		})
	}
}

// oddly reads data in pieces of odd sizes.
func oddly(data []byte) io.Reader {
	return &chunks{bytes.NewReader(data), rand.New(rand.NewPCG(5, 5))}
}

type chunks struct {
	r   io.Reader
	rng *rand.Rand
}

func (c *chunks) Read(p []byte) (int, error) {
	return c.r.Read(p[:min(len(p), 1+c.rng.IntN(50_000))])
}

// TestPutCannotResume has servers that lose or invent bytes, or do not mean it.
func TestPutCannotResume(t *testing.T) {
	data := content(4 << 20)
	answer := func(method string, code int, header ...string) func(*vault, http.ResponseWriter, *http.Request) bool {
		return func(v *vault, w http.ResponseWriter, r *http.Request) bool {
			if r.Method != method {
				return false
			}
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			return true
		}
	}
	for name, tt := range map[string]struct {
		v    *vault
		want string
		last string // request
	}{
		"forgets the upload":            {&vault{before: answer("HEAD", 404)}, "gave up the interrupted upload", "HEAD"},
		"knows no offset":               {&vault{before: answer("HEAD", 204)}, "does not tell how much", "DELETE"},
		"negative offset":               {&vault{before: answer("HEAD", 204, uploadOffset, "-1")}, "does not tell how much", "DELETE"},
		"has more than we sent":         {&vault{before: answer("HEAD", 204, uploadOffset, "99999999")}, "cannot go on", "DELETE"},
		"has all before it was sent":    {&vault{before: answer("HEAD", 204, uploadOffset, "3000000", uploadComplete, "?1")}, "complete", "DELETE"},
		"refuses the rest":              {&vault{before: answer("PATCH", 403)}, "403", "PATCH 3145728"},
		"does not like it":              {&vault{before: answer("PATCH", 500, uploadComplete, "?1")}, "500", "PATCH 3145728"},
		"done before the end":           {&vault{before: answer("PATCH", 201)}, "before it has the whole file", "DELETE"},
		"another version of the draft":  {&vault{interop: "3"}, "nothing was published", "PUT"},
		"another version, and no place": {&vault{interop: "x", acks: 1}, "nothing was published", "PUT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := tt.v
			v.cut, v.cuts = 3<<20, 1
			srv := httptest.NewServer(v)
			defer srv.Close()
			start := time.Now()
			_, err := Put(t.Context(), srv.URL+"/x", bytes.NewReader(data), quick(t))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v; want %q", err, tt.want)
			}
			if d := time.Since(start); d > 2*time.Second {
				t.Errorf("took %v", d)
			}
			v.mu.Lock()
			defer v.mu.Unlock()
			if last := v.requests[len(v.requests)-1]; last != tt.last {
				t.Errorf("requests %v; want %s at last", v.requests, tt.last)
			}
		})
	}
}

// TestPutResumeStalls has the server vanish for good, and fall silent.
func TestPutResumeStalls(t *testing.T) {
	t.Parallel()
	for _, silent := range []bool{false, true} {
		release := make(chan struct{})
		v := &vault{cut: 1 << 20, cuts: 1, acks: 100_000, before: func(v *vault, w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPut {
				return false
			}
			if silent {
				<-release
			}
			panic(http.ErrAbortHandler)
		}}
		srv := httptest.NewServer(v)
		o := quick(t)
		o.Patience, o.Stall = time.Second, 200*time.Millisecond
		body := bytes.NewReader(content(4 << 20))
		start := time.Now()
		_, err := Put(t.Context(), srv.URL+"/x", body, o)
		var stalled *StalledError
		if !errors.As(err, &stalled) || stalled.Offset == 0 || time.Since(start) > 3*time.Second {
			t.Errorf("silent %t: %T %v after %v", silent, err, err, time.Since(start))
		}
		close(release)
		srv.Close()
	}
}

// TestPutLost has the server go back to before what is kept.
func TestPutLost(t *testing.T) {
	v := &vault{acks: 1 << 20, cut: tailSize + 1<<20, cuts: 1, before: func(v *vault, w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodHead {
			v.data = v.data[:1000]
		}
		return false
	}}
	srv := httptest.NewServer(v)
	defer srv.Close()
	_, err := Put(t.Context(), srv.URL+"/x", bytes.NewReader(make([]byte, tailSize+2<<20)), quick(t))
	if err == nil || !strings.Contains(err.Error(), "cannot go on: the server has 1000 bytes") || v.requests[len(v.requests)-1] != "DELETE" {
		t.Errorf("%v, after %v", err, v.requests)
	}
}

// TestPutWaitsForAcks has a server that takes bytes and does not say so any
// more: no more is read of the body than is kept.
func TestPutWaitsForAcks(t *testing.T) {
	release := make(chan struct{})
	body := &counting{r: bytes.NewReader(make([]byte, 64<<20))}
	v := &vault{}
	v.before = func(v *vault, w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut {
			return false
		}
		v.interim(w, "Location", "/vault/1")
		io.ReadFull(r.Body, make([]byte, 1000))
		v.interim(w, uploadOffset, "1000")
		n, _ := io.Copy(io.Discard, r.Body)
		if n > tailSize {
			t.Errorf("%d bytes came", n)
		}
		v.data = make([]byte, n+1000)
		close(release)
		return true
	}
	srv := httptest.NewServer(v)
	defer srv.Close()
	o := quick(t)
	result, err := Put(t.Context(), srv.URL+"/x", body, o)
	if err != nil || result.Bytes != 64<<20 || len(v.data) != 64<<20 {
		t.Errorf("%+v, %v, the server has %d bytes", result, err, len(v.data))
	}
	<-release
}

func TestResolve(t *testing.T) {
	for _, tt := range [][3]string{
		{"http://h/images/a", "/uploads/1", "http://h/uploads/1"},
		{"http://user:pass@h/images/a", "/uploads/1", "http://user:pass@h/uploads/1"},
		{"http://user:pass@h/images/a", "http://h/uploads/1", "http://user:pass@h/uploads/1"},
		{"http://user:pass@h/images/a", "http://other/uploads/1", "http://other/uploads/1"},
		{"https://h/images/a", "http://h/uploads/1", ""},
		{"http://h/images/a", "file:///etc/passwd", ""},
		{"http://h/images/a", ":", ""},
	} {
		if got := resolve(tt[0], tt[1]); got != tt[2] {
			t.Errorf("resolve(%s, %s) = %q; want %q", tt[0], tt[1], got, tt[2])
		}
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	data := content(3*tailSize/2 + 777)
	rng := rand.New(rand.NewPCG(9, 9))
	var k tail
	for off := 0; off < len(data); {
		n := min(len(data)-off, 1+rng.IntN(3<<20))
		k.write(data[off:off+n], int64(off))
		off += n
	}
	end := int64(len(data))
	if k.end != end || k.start != end-tailSize || k.has(k.start-1, end) || !k.has(k.start, end) || !k.has(end, end) || k.has(end+1, end) {
		t.Fatalf("keeps %d to %d of %d", k.start, k.end, end)
	}
	var got []byte
	buf := make([]byte, 100_000)
	for off := k.start; off < end; {
		n := k.read(buf, off)
		got = append(got, buf[:n]...)
		off += int64(n)
	}
	if !bytes.Equal(got, data[k.start:]) {
		t.Error("other bytes come back")
	}
	k.write([]byte("x"), end+5)
	if k.has(end, end+6) || !k.has(end+5, end+6) {
		t.Error("a gap is not seen")
	}
	k.write(data, end+6)
	if k.start != k.end-tailSize {
		t.Errorf("keeps %d to %d", k.start, k.end)
	}
	n := k.read(buf, k.end-100)
	if !bytes.Equal(buf[:min(n, 100)], data[len(data)-100:][:min(n, 100)]) {
		t.Error("other bytes of a long write")
	}
}

// BenchmarkPut sends to a server that forgets everything: one that knows
// nothing of resuming, one that does.
func BenchmarkPut(b *testing.B) {
	data := make([]byte, 256<<20)
	for _, resumable := range []bool{false, true} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			v := vault{}
			if resumable {
				v.interim(w, "Location", "/vault/1")
			}
			buf := make([]byte, 256<<10)
			for got, acked := 0, 0; ; {
				n, err := r.Body.Read(buf)
				if got += n; resumable && got-acked > 1<<20 {
					acked = got
					v.interim(w, uploadOffset, strconv.Itoa(got))
				}
				if err != nil {
					break
				}
			}
			w.WriteHeader(http.StatusCreated)
		}))
		b.Run(fmt.Sprintf("resumable=%t", resumable), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := Put(b.Context(), srv.URL, bytes.NewReader(data), Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		srv.Close()
	}
}

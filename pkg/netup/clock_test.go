package netup

import (
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDateOfHead(t *testing.T) {
	want := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", want.Format(http.TimeFormat))
		w.WriteHeader(http.StatusNotFound)
	}))
	defer s.Close()
	got, source, err := Clock{Head: s.URL}.ask(context.Background())
	if err != nil || !got.Equal(want) || source != "the head" {
		t.Errorf("time %v from %q, error %v; want %v from the head", got, source, err, want)
	}
	if _, _, err := (Clock{}).ask(context.Background()); err == nil {
		t.Error("no error with nobody to ask")
	}
}

// timeServer answers one SNTP question with edit applied to the answer.
func timeServer(t *testing.T, now time.Time, edit func([]byte) []byte) string {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		q := make([]byte, 512)
		_, from, err := conn.ReadFrom(q)
		if err != nil {
			return
		}
		a := make([]byte, 48)
		a[0], a[1] = 4<<3|4, 2
		copy(a[24:32], q[40:48])
		binary.BigEndian.PutUint32(a[40:], uint32(now.Unix()+2208988800))
		conn.WriteTo(edit(a), from)
	}()
	return conn.LocalAddr().String()
}

func TestSNTP(t *testing.T) {
	for _, test := range []struct {
		name string
		now  time.Time
		edit func([]byte) []byte
		err  string
	}{
		{"now", time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), nil, ""},
		{"after 2036", time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC), nil, ""},
		{"not synchronised", time.Now(), func(a []byte) []byte { a[0] |= 3 << 6; return a }, "not synchronised"},
		{"kiss of death", time.Now(), func(a []byte) []byte { a[1] = 0; return a }, "not synchronised"},
		{"short", time.Now(), func(a []byte) []byte { return a[:47] }, "too short"},
		{"other question", time.Now(), func(a []byte) []byte { a[30] ^= 1; return a }, "not to our question"},
	} {
		t.Run(test.name, func(t *testing.T) {
			edit := test.edit
			if edit == nil {
				edit = func(a []byte) []byte { return a }
			}
			got, err := sntp(context.Background(), timeServer(t, test.now, edit))
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v, want %q in it", err, test.err)
				}
				return
			}
			if err != nil || got.Sub(test.now).Abs() > 2*time.Second {
				t.Errorf("time %v, error %v; want %v", got, err, test.now)
			}
		})
	}
}

func TestKernelBuilt(t *testing.T) {
	for _, test := range []struct{ name, version, want string }{
		{"plain", "Linux version 6.12.117-orbit (b@h) (gcc 12) #1 SMP PREEMPT_DYNAMIC Mon Nov 23 12:42:01 UTC 2026\n", "2026-11-23T12:42:01Z"},
		{"one digit day", "Linux version 6.12 (b@h) (gcc 12) #1 Sun Nov  1 02:03:04 UTC 2026\n", "2026-11-01T02:03:04Z"},
		{"reproducible build without one", "Linux version 6.18 (b@h) (gcc) #1 SMP PREEMPT_DYNAMIC @0\n", "0001-01-01T00:00:00Z"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "version")
			if err := os.WriteFile(path, []byte(test.version), 0o644); err != nil {
				t.Fatal(err)
			}
			if got := kernelBuilt(path).UTC().Format(time.RFC3339); got != test.want {
				t.Errorf("built %s, want %s", got, test.want)
			}
		})
	}
}

package qemu_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/orbit-pxe/orbit/qemu"
)

func newRack(t *testing.T, o qemu.Options) *qemu.Rack {
	t.Helper()
	r, err := qemu.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("close rack: %v", err)
		}
	})
	return r
}

func private(t *testing.T) *qemu.Rack {
	r := newRack(t, qemu.Options{})
	if !r.Private() {
		t.Skip("no right to make network namespaces and taps here")
	}
	return r
}

// Two racks have the same addresses and do not see each other.
func TestRacksArePrivate(t *testing.T) {
	for _, name := range []string{"one", "two"} {
		r := private(t)
		url, err := r.Serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(url, "http://10.7.0.1:") {
			t.Errorf("server at %s, want it on br0", url)
		}
		resp, err := r.Client().Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(body) != name {
			t.Errorf("got %q, %v; want %q", body, err, name)
		}
		if resp, err := http.Get(url); err == nil {
			resp.Body.Close()
			t.Errorf("%s answers on the host's own network", url)
		}
	}
}

func TestCommandRunsOnTheRack(t *testing.T) {
	r := private(t)
	out, err := r.Command(context.Background(), "ip", "-brief", "address").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "10.7.0.1/24") {
		t.Errorf("interfaces: %s\nwant br0 with 10.7.0.1/24", out)
	}
	if strings.Contains(string(out), "eth0") {
		t.Errorf("interfaces: %s\nwant none of the host's", out)
	}
}

// Close ends what runs on the rack, and a process that fails says why.
func TestProcesses(t *testing.T) {
	r := private(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	p, err := r.Run("failing", "sh", "-c", "echo out of paper; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	err = p.Ready(ctx, r.Client(), "http://10.7.0.1:1/")
	if err == nil || !strings.Contains(err.Error(), "out of paper") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("ready: %v, want the exit status and the log", err)
	}
	if _, err := r.Run("lasting", "sleep", "600"); err != nil {
		t.Fatal(err)
	}
	dir := r.Dir
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("stat %s after close: %v, want it gone", dir, err)
	}
}

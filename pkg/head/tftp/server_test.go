package tftp

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	client "github.com/pin/tftp/v3"
)

// start serves one file "boot" of size bytes until the test ends.
func start(t *testing.T, size int) (addr *net.UDPAddr, content []byte) {
	t.Helper()
	content = make([]byte, size)
	random := rand.NewChaCha8([32]byte{1})
	random.Read(content)
	path := filepath.Join(t.TempDir(), "boot")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	open := func(name string) (*os.File, error) {
		if name != "boot" {
			return nil, os.ErrNotExist
		}
		return os.Open(path)
	}
	s, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"), open, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return s.Addr().(*net.UDPAddr), content
}

func TestRead(t *testing.T) {
	for _, test := range []struct {
		name  string
		size  int
		block int
	}{
		{"empty", 0, 512},
		{"less than a block", 100, 512},
		{"whole blocks", 4 * 512, 512},
		{"large blocks", 300_001, 1428},
		{"more blocks than numbers", 66_000 * 512, 512},
	} {
		t.Run(test.name, func(t *testing.T) {
			if testing.Short() && test.size > 1<<20 {
				t.Skip("short")
			}
			addr, content := start(t, test.size)
			c, err := client.NewClient(addr.String())
			if err != nil {
				t.Fatal(err)
			}
			c.SetBlockSize(test.block)
			c.RequestTSize(true)
			transfer, err := c.Receive("boot", "octet")
			if err != nil {
				t.Fatal(err)
			}
			// A size of 0 cannot be told from "not told" by this client.
			if size, ok := transfer.(client.IncomingTransfer).Size(); test.size > 0 && (!ok || size != int64(test.size)) {
				t.Errorf("tsize %d (%t), want %d", size, ok, test.size)
			}
			var got bytes.Buffer
			if _, err := transfer.WriteTo(&got); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), content) {
				t.Errorf("%d bytes arrived that are not the %d of the file", got.Len(), len(content))
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	addr, _ := start(t, 10)
	c, err := client.NewClient(addr.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"other", "../boot", "/etc/passwd", ""} {
		if _, err := c.Receive(name, "octet"); err == nil {
			t.Errorf("read of %q allowed", name)
		}
	}
	if to, err := c.Send("boot", "octet"); err == nil {
		if _, err := to.ReadFrom(strings.NewReader("new")); err == nil {
			t.Error("write allowed")
		}
	}
}

// TestHPA reads with the client that people have.
func TestHPA(t *testing.T) {
	path, err := exec.LookPath("tftp")
	if err != nil {
		t.Skip("no tftp command (Debian package tftp-hpa)")
	}
	addr, content := start(t, 100_000)
	into := filepath.Join(t.TempDir(), "got")
	cmd := exec.CommandContext(t.Context(), path, "-m", "binary", "127.0.0.1", strconv.Itoa(addr.Port), "-c", "get", "boot", into)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tftp: %v\n%s", err, out)
	}
	got, err := os.ReadFile(into)
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes arrived (%v) that are not the %d of the file", len(got), err, len(content))
	}
}

// TestStopEndsTransfers stops the server while a client is in the middle.
func TestStopEndsTransfers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "boot")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"), func(string) (*os.File, error) { return os.Open(path) }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx) }()
	c, err := client.NewClient(s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	transfer, err := c.Receive("boot", "octet")
	if err != nil {
		t.Fatal(err)
	}
	_, err = transfer.WriteTo(writer(func(p []byte) (int, error) { cancel(); return len(p), nil }))
	if err == nil {
		t.Error("transfer went on to its end after the server was stopped")
	}
	if err := <-ended; err != nil {
		t.Errorf("serve: %v", err)
	}
	if _, err := s.conn.Write(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("socket still open: %v", err)
	}
}

type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

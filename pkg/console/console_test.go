package console

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestPaths(t *testing.T) {
	for _, test := range []struct {
		name, registered string
		cmdline, want    []string
	}{
		{"serial and screen", "tty0                 -WU (E  p  )    4:1\nttyS0                -W- (EC p a)    4:64\n", []string{"tty0", "ttyS0,115200n8"}, []string{"/dev/tty1", "/dev/ttyS0"}},
		{"only the command line knows", "", []string{"hvc0", "ttyS1,9600"}, []string{"/dev/hvc0", "/dev/ttyS1"}},
		{"no terminals", "netcon0  -W- (E  p  )\npstore-1 -W- (E  p )\n", []string{"uart,io,0x3f8", "null", ""}, nil},
		{"nothing", "", nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Paths(test.registered, test.cmdline)); diff != "" {
				t.Errorf("paths (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUsable(t *testing.T) {
	_, path := terminal(t)
	for path, want := range map[string]bool{path: true, "/dev/null": false, "/dev/none": false} {
		if got := usable(path); got != want {
			t.Errorf("usable(%q) = %v, want %v", path, got, want)
		}
	}
}

// terminal is a pseudo-terminal that plays a serial console.
func terminal(t *testing.T) (master *os.File, path string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	raw, err := master.SyscallConn() // Fd would take the deadline away
	if err != nil {
		t.Fatal(err)
	}
	var num int
	raw.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			num, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	master.SetDeadline(time.Now().Add(15 * time.Second))
	return master, fmt.Sprintf("/dev/pts/%d", num)
}

func TestLinesReachTheTerminal(t *testing.T) {
	master, path := terminal(t)
	busy := false
	out := Open([]string{path, "/dev/none"}, Options{
		Busy:  func(p string) bool { return busy && p == path },
		Stamp: func() time.Duration { return 12345 * time.Millisecond },
	})
	if diff := cmp.Diff([]string{path}, out.Paths()); diff != "" {
		t.Errorf("consoles (-want +got):\n%s", diff)
	}
	out.Line("one\x1b[2J\ttwo\n")
	busy = true
	out.Line("not while a shell runs")
	out.Urgent("urgent\nof two lines")
	busy = false
	out.Line("last")
	want := "[   12.345] one[2J two\r\n[   12.345] urgent\r\n[   12.345] of two lines\r\n[   12.345] last\r\n"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(master, got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("terminal (-want +got):\n%s", diff)
	}
	out.Close(context.Background())
}

// TestStalledTerminal writes far more than a terminal that nobody reads takes.
func TestStalledTerminal(t *testing.T) {
	master, path := terminal(t)
	out := Open([]string{path}, Options{})
	began := time.Now()
	for n := range 10000 {
		out.Line(fmt.Sprintf("line %d %s", n, strings.Repeat("x", 60)))
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("10000 lines to a stalled console took %v", took)
	}
	// Once somebody reads, what was lost is told.
	var got bytes.Buffer
	for buf := make([]byte, 4096); !strings.Contains(got.String(), "lines not shown: this console is too slow"); {
		n, err := master.Read(buf)
		if err != nil {
			t.Fatalf("%v; terminal said %q", err, got.String()[max(0, got.Len()-200):])
		}
		got.Write(buf[:n])
		out.Line("more")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	began = time.Now()
	out.Flush(ctx)
	out.Close(ctx)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("closing a stalled console took %v, allowed were 50 ms", took)
	}
}

func TestFlush(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	out := Open([]string{path}, Options{})
	defer out.Close(context.Background())
	for range 100 {
		out.Line("x")
	}
	out.Flush(context.Background())
	if got, _ := os.ReadFile(path); len(got) != 200 {
		t.Errorf("%d bytes after Flush, want all 200", len(got))
	}
}

func TestBusyMarks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	const path = "/dev/ttyS0"
	for _, busy := range []bool{true, false} {
		if err := MarkBusy(dir, path, busy); err != nil {
			t.Fatal(err)
		}
		if got := IsBusy(dir, path); got != busy {
			t.Errorf("IsBusy = %v after MarkBusy(%v)", got, busy)
		}
	}
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "log")
	out := Open(nil, Options{Stamp: func() time.Duration { return time.Second }})
	j := NewJournal(out, path, 100)
	log := j.Logger().With("node", "n 1").WithGroup("disk")
	j.Line("shown")
	log.Info("kept", "path", "/dev/sda")
	log.Debug("neither")
	want := "[    1.000] shown\n[    1.000] kept node=\"n 1\" disk.path=/dev/sda\n"
	got, err := os.ReadFile(path)
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("file (%v, -want +got):\n%s", err, diff)
	}
	for range 20 {
		j.Urgent(strings.Repeat("y", 40))
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j.Line("after the end") // must not crash
	for _, p := range []string{path, path + ".old"} {
		if st, err := os.Stat(p); err != nil || st.Size() > 200 {
			t.Errorf("%s: %v, want it there and small", p, err)
		}
	}
}

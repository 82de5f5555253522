package qemu

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// port is a console fed by the test.
func port(t *testing.T) (*Console, *io.PipeWriter, <-chan struct{}) {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	c, done := newConsole(log.Name(), nil), make(chan struct{})
	go func() { c.copy(r, log); close(done) }()
	t.Cleanup(func() { w.Close(); <-done })
	return c, w, done
}

func TestConsoleDropsEscapes(t *testing.T) {
	for _, tt := range []struct{ name, raw, want string }{
		{"plain", "a\r\nb\n", "a\nb\n"},
		{"colour", "\x1b[0;1;32mok\x1b[0m\n", "ok\n"},
		{"cursor", "\x1b[12;3HGNU GRUB\x1b[K", "GNU GRUB"},
		{"charset and save", "\x1b(B\x1b7x\x1b8", "x"},
		{"title", "\x1b]0;node\x07#", "#"},
		{"bell and delete", "a\x07\x7fb", "ab"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, w, done := port(t)
			// One byte at a time: a sequence may be cut anywhere.
			for i := range tt.raw {
				io.WriteString(w, tt.raw[i:i+1])
			}
			w.Close()
			<-done
			if got := c.Text(); got != tt.want {
				t.Errorf("text %q, want %q", got, tt.want)
			}
			log, err := os.ReadFile(c.Path)
			if err != nil || string(log) != tt.raw {
				t.Errorf("log %q, %v; want the bytes as they came", log, err)
			}
		})
	}
}

func TestExpectConsumes(t *testing.T) {
	c, w, done := port(t)
	ctx := context.Background()
	io.WriteString(w, "first login: second lo")
	for _, want := range []string{"first", "login:"} {
		if m, err := c.Expect(ctx, "nothing", want); err != nil || m.Pattern != 1 || m.Groups[0] != want || m.At.IsZero() {
			t.Fatalf("expect %q: %+v, %v", want, m, err)
		}
	}
	go io.WriteString(w, "gin:\n")
	if m, err := c.Expect(ctx, `(\w+) login:$`); err != nil || m.Groups[1] != "second" {
		t.Fatalf("expect the second: %+v, %v", m, err)
	}
	io.WriteString(w, "the end\n")
	w.Close()
	<-done
	_, err := c.Expect(ctx, "login:")
	var failed *ConsoleError
	if !errors.As(err, &failed) || !errors.Is(err, errEnded) || !strings.Contains(err.Error(), "the end") {
		t.Errorf("expect on a dead console: %v, want its last lines", err)
	}
}

func TestExpectStopsAtPanic(t *testing.T) {
	c, w, _ := port(t)
	go io.WriteString(w, "[ 1.0] Kernel panic - not syncing: no init\n")
	if _, err := c.Expect(context.Background(), "login:"); !errors.Is(err, errPanic) {
		t.Errorf("expect: %v, want %v", err, errPanic)
	}
}

func TestExpectHonoursContext(t *testing.T) {
	c, _, _ := port(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("two minutes are over")
	cancel(why)
	if _, err := c.Expect(ctx, "login:"); !errors.Is(err, why) {
		t.Errorf("expect: %v, want %v", err, why)
	}
}

// A kernel that says something at the prompt and amid a command's output
// disturbs neither.
func TestShellAmidKernelMessages(t *testing.T) {
	c, w, _ := port(t)
	keys, keyboard := io.Pipe()
	c.in = keyboard
	go func() {
		line := make([]byte, 100)
		for _, say := range []string{
			"root\nPassword: ",
			"\nroot@node:~# [   33.881165] driver: nothing to drive\n[   33.9] driver: still nothing\n",
			"findmnt; echo rack\"-exit\" $?\n[   34.0] driver: gone\n/dev/sda3\nrack-exit 0\nroot@node:~# ",
		} {
			for n := 0; n == 0; { // an empty line is a line to a pipe
				n, _ = keys.Read(line)
			}
			io.WriteString(w, say)
		}
	}()
	go io.WriteString(w, "node login: ")
	if err := c.Login(context.Background(), "root", "orbit"); err != nil {
		t.Fatal(err)
	}
	out, status, err := c.Shell(context.Background(), "findmnt")
	if err != nil || out != "/dev/sda3" || status != "0" {
		t.Errorf("shell: %q, status %s, %v", out, status, err)
	}
}

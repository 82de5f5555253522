package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// The test binary is the shell too: signals and terminals need a process.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_IS_SHELL") != "" {
		main()
	}
	os.Exit(m.Run())
}

func command(t *testing.T, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", args...)
	cmd.Env = []string{"TEST_IS_SHELL=1", "PATH=" + os.Getenv("PATH"), "TERM=linux", "TMPDIR=" + t.TempDir()}
	return cmd
}

func TestScripts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte("echo \"$1 of $#\"\nexit 4\necho no\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		args   []string
		stdin  string
		want   string
		status int
	}{
		{"command", []string{"-c", "for i in 1 2; do echo $i; done"}, "", "1\n2\n", 0},
		{"status", []string{"-c", "exit 3"}, "", "", 3},
		{"last status", []string{"-c", "true; false"}, "", "", 1},
		{"failure in the middle goes on", []string{"-c", "false; echo on"}, "", "on\n", 0},
		{"arguments of a command", []string{"-c", "echo $1", "first"}, "", "first\n", 0},
		{"script", []string{file, "a", "b"}, "", "a of 2\n", 4},
		{"standard input", nil, "echo one\nx=2\necho $x\n", "one\n2\n", 0},
		{"not found", []string{"-c", "no-such-program 2>/dev/null"}, "", "", 127},
		{"missing script", []string{"/nonexistent"}, "", "", 2},
		{"syntax error after a good line", nil, "echo good\nif\n", "good\n", 2},
		{"pipe", []string{"-c", "printf 'b\\na\\n' | sort"}, "", "a\nb\n", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := command(t, tt.args...)
			cmd.Stdin = strings.NewReader(tt.stdin)
			var out bytes.Buffer
			cmd.Stdout = &out
			err := cmd.Run()
			if cmd.ProcessState == nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, out.String()); diff != "" || cmd.ProcessState.ExitCode() != tt.status {
				t.Errorf("status %d, want %d; output (-want +got):\n%s", cmd.ProcessState.ExitCode(), tt.status, diff)
			}
		})
	}
}

// terminal is a shell on a pseudo-terminal.
type terminal struct {
	t    *testing.T
	pty  *os.File
	seen []byte
	exit chan error
}

func start(t *testing.T) *terminal {
	t.Helper()
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here: ", err)
	}
	t.Cleanup(func() { pty.Close() })
	n, err := unix.IoctlGetInt(int(pty.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(pty.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := command(t)
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	s := &terminal{t: t, pty: pty, exit: make(chan error, 1)}
	go func() { s.exit <- cmd.Wait() }()
	return s
}

func (s *terminal) send(text string) {
	s.t.Helper()
	if _, err := s.pty.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

// expect reads until text appears.
func (s *terminal) expect(text string) {
	s.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	buf := make([]byte, 4096)
	for {
		if _, rest, ok := bytes.Cut(s.seen, []byte(text)); ok {
			s.seen = rest
			return
		}
		wait := time.Until(deadline)
		fds := []unix.PollFd{{Fd: int32(s.pty.Fd()), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds, int(max(wait, 0).Milliseconds())); n == 0 || err != nil && err != unix.EINTR {
			s.t.Fatalf("no %q on the terminal (%v), but %q", text, err, s.seen)
		}
		n, err := s.pty.Read(buf)
		if err != nil {
			s.t.Fatalf("no %q on the terminal (%v), but %q", text, err, s.seen)
		}
		s.seen = append(s.seen, buf[:n]...)
	}
}

func TestInteractive(t *testing.T) {
	s := start(t)
	s.expect("/ $ ")

	// Editing: two to the left, delete the letter before the cursor.
	s.send("echo helxlo\x1b[D\x1b[D\x7f\r")
	s.expect("\nhello")
	s.expect("/ $ ")

	// The history, and the directory in the prompt.
	s.send("\x1b[A\r")
	s.expect("\nhello")
	s.send("cd /usr\r")
	s.expect("/usr $ ")

	// A statement of several lines.
	s.send("for i in a b; do\r")
	s.expect("> ")
	s.send("echo \"<$i>\"; done\r")
	s.expect("<a>")
	s.expect("<b>")
	s.expect("/usr $ ")

	// What runs has a terminal that echoes and knows lines.
	s.send("stty\r")
	s.expect("speed")
	s.expect("/usr $ ")

	// A syntax error, an unknown command: the shell lives.
	s.send("fi\r")
	s.expect("can only be used to end an")
	s.send("no-such-program\r")
	s.expect("not found")

	// Completion of a command and of a directory.
	s.send("export\t XYZ=12; echo $XYZ$XYZ /usr/b\t../bin/\x7f\r")
	s.expect("1212 /usr/bin/../bin")

	s.send("exit 5\r")
	err := <-s.exit
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 5 {
		t.Errorf("exit: %v, want status 5", err)
	}
}

// Ctrl-C must stop a command, a loop of commands and a loop of builtins, and
// leave the shell.
func TestInterrupt(t *testing.T) {
	s := start(t)
	s.expect("/ $ ")
	for _, stuck := range []string{
		"echo begin; sleep 1000",
		"echo begin; while true; do sleep 1000; done",
		"echo begin; while true; do :; done",
	} {
		s.send(stuck + "\r")
		s.expect("\nbegin")
		s.send("\x03")
		s.expect("/ $ ")
	}
	s.send("half a line\x03")
	s.expect("/ $ ")
	s.send("\x04")
	// Ctrl-D leaves with the last status: that of an interrupted command.
	if exit, ok := (<-s.exit).(*exec.ExitError); !ok || exit.ExitCode() != 130 {
		t.Errorf("exit: %v, want status 130", exit)
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"sub/inner", "some", ".hidden", "other"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for word, want := range map[string][]string{
		"s":             {"some ", "sub/"},
		"":              {"other ", "some ", "sub/"},
		".h":            {".hidden "},
		"sub/":          {"sub/inner "},
		dir + "/sub/in": {dir + "/sub/inner "},
		"x":             nil,
		"missing/":      nil,
	} {
		if diff := cmp.Diff(want, files(dir, word)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", word, diff)
		}
	}
	if diff := cmp.Diff([]string{"other "}, commands(dir, "o")); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
}

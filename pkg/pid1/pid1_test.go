package pid1

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test binary plays all parts, told by PID1_ROLE: process 1 of a PID
// namespace, the agent, the shell.
func TestMain(m *testing.M) {
	switch os.Getenv("PID1_ROLE") {
	case "init":
		playInit()
	case "agent":
		playAgent()
	case "prepare":
		playPrepare()
	}
	os.Exit(m.Run())
}

// playInit is process 1. What it says goes to standard output.
func playInit() {
	os.Setenv("PID1_ROLE", "agent") // what process 1 starts; with an argument it is the shell
	say := func(_ Level, line string) { fmt.Println("init:", line) }
	over := func(how string) func() error {
		return func() error {
			fmt.Println("over:", how)
			os.Exit(0)
			return nil
		}
	}
	panicking, _ := time.ParseDuration(os.Getenv("PID1_PANIC"))
	var consoles []string
	if c := os.Getenv("PID1_CONSOLE"); c != "" {
		consoles = []string{c}
	}
	Supervise(Config{
		Agent:    []string{"/proc/self/exe"},
		Shell:    []string{"/proc/self/exe", "shell"},
		Consoles: consoles, Restarts: 2, Pause: 10 * time.Millisecond,
		Panic:     func() time.Duration { return panicking },
		ShellOpen: func(path string, open bool) { fmt.Println("shell open:", open) },
		Say:       say, Reboot: over("reboot"), Poweroff: over("poweroff"),
	})
}

// playAgent reads what to do from the file "agent" in its directory.
func playAgent() {
	if len(os.Args) > 1 && os.Args[1] == "shell" { // started by playInit, with its environment
		playShell()
	}
	dir := os.Getenv("PID1_DIR")
	todo, _ := os.ReadFile(filepath.Join(dir, "agent"))
	fmt.Println("agent: pid", os.Getpid(), "parent", os.Getppid())
	switch string(todo) {
	case "crash":
		os.Exit(7)
	case "orphan":
		// A child that leaves a grandchild behind, which process 1 inherits.
		out, err := exec.Command("sh", "-c", "sleep 0.2 >/dev/null 2>&1 & echo $!").Output()
		pid := strings.TrimSpace(string(out))
		fmt.Println("agent: orphan", pid, err)
		n, _ := strconv.Atoi(pid)
		fd, err := unix.PidfdOpen(n, 0)
		if err == nil { // readable when it has ended
			unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		}
		// Reaping comes after the end; ask until the process is gone for good.
		for range 1000 {
			if unix.Kill(n, 0) == unix.ESRCH {
				fmt.Println("agent: orphan reaped")
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
	case "hup":
		unix.Kill(1, unix.SIGHUP)
	case "leftover":
		cmd := exec.Command("sleep", "1000")
		cmd.Start()
		os.WriteFile(filepath.Join(dir, "agent"), []byte("crash-once"), 0o644)
		os.WriteFile(filepath.Join(dir, "leftover"), []byte(strconv.Itoa(cmd.Process.Pid)), 0o644)
		os.Exit(1)
	case "crash-once":
		pid, _ := os.ReadFile(filepath.Join(dir, "leftover"))
		n, _ := strconv.Atoi(string(pid))
		for range 1000 {
			if unix.Kill(n, 0) == unix.ESRCH {
				fmt.Println("agent: leftover gone")
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, unix.SIGTERM)
	<-stop
	fmt.Println("agent: told to stop")
	os.Exit(0)
}

// playShell proves that it has a controlling terminal and echoes a line.
func playShell() {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	pgrp, perr := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	fmt.Println("shell: tty", err, "foreground", pgrp == unix.Getpgrp(), perr, "TERM", os.Getenv("TERM"))
	line, _ := bufio.NewReader(tty).ReadString('\n')
	fmt.Printf("shell: read %q\n", line)
	os.Exit(0)
}

// node is process 1 in a namespace of its own.
type node struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

func boot(t *testing.T, agent string, env ...string) *node {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to make a PID namespace")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "agent"), []byte(agent), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "PID1_ROLE=init", "PID1_DIR="+dir), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Skipf("may not make a PID namespace: %v", err)
	}
	w.Close()
	watchdog := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	t.Cleanup(func() { watchdog.Stop(); cmd.Process.Kill(); cmd.Wait(); r.Close() })
	return &node{t, cmd, bufio.NewScanner(r)}
}

// expect reads lines until one has the text.
func (n *node) expect(text string) string {
	n.t.Helper()
	for n.lines.Scan() {
		n.t.Log(n.lines.Text())
		if strings.Contains(n.lines.Text(), text) {
			return n.lines.Text()
		}
	}
	n.t.Fatalf("process 1 ended without saying %q", text)
	return ""
}

func TestReapsOrphans(t *testing.T) {
	n := boot(t, "orphan")
	n.expect("parent 1")
	n.expect("agent: orphan reaped")
}

func TestRestartsThenGivesUp(t *testing.T) {
	n := boot(t, "crash", "PID1_PANIC=10ms")
	n.expect("init: no usable console")
	n.expect("the agent ended (exit status 7); starting it again in 10ms (1 of 2)")
	n.expect("starting it again in 20ms (2 of 2)")
	n.expect("THE AGENT DOES NOT STAY UP")
	n.expect("rebooting in 10ms")
	n.expect("over: reboot")
}

func TestStaysWithoutPanic(t *testing.T) {
	n := boot(t, "crash", "PID1_PANIC=0s")
	n.expect("THE AGENT DOES NOT STAY UP")
	n.cmd.Process.Signal(unix.SIGUSR1) // it is alive and listens
	n.expect("over: poweroff")
}

func TestKillsWhatTheAgentLeft(t *testing.T) {
	boot(t, "leftover").expect("agent: leftover gone")
}

func TestSignals(t *testing.T) {
	for _, test := range []struct {
		sig  syscall.Signal
		want string
	}{{unix.SIGTERM, "over: reboot"}, {unix.SIGINT, "over: reboot"}, {unix.SIGUSR2, "over: poweroff"}, {unix.SIGPWR, "over: poweroff"}} {
		t.Run(test.sig.String(), func(t *testing.T) {
			n := boot(t, "wait")
			n.expect("agent: pid")
			n.cmd.Process.Signal(test.sig)
			n.expect("init: ")
			n.expect(test.want)
		})
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
	raw, err := master.SyscallConn() // and not Fd, which would make reads blocking and without deadline
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
	path = fmt.Sprintf("/dev/pts/%d", num)
	slave, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0) // keeps the terminal from hanging up between openings
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, path
}

// readUntil reads from the terminal until text has come.
func readUntil(t *testing.T, r io.Reader, text string) {
	t.Helper()
	var all bytes.Buffer
	for buf := make([]byte, 256); !strings.Contains(all.String(), text); {
		n, err := r.Read(buf)
		if err != nil {
			t.Fatalf("terminal said %q and then %v, want %q", all.String(), err, text)
		}
		all.Write(buf[:n])
	}
	t.Logf("%q", all.String())
}

func TestShellOnEnter(t *testing.T) {
	master, path := terminal(t)
	n := boot(t, "wait", "PID1_CONSOLE="+path)
	readUntil(t, master, "Press Enter for a shell.\r\n")
	io.WriteString(master, "\r")
	n.expect("shell open: true")
	readUntil(t, master, "shell: tty <nil> foreground true <nil> TERM vt220")
	io.WriteString(master, "hello\r")
	readUntil(t, master, `shell: read "hello\n"`)
	n.expect("shell open: false")
	readUntil(t, master, "Press Enter for a shell.\r\n")
}

func TestShellOnHangup(t *testing.T) {
	master, path := terminal(t)
	boot(t, "hup", "PID1_CONSOLE="+path).expect("shell open: true")
	readUntil(t, master, "shell: tty <nil>")
}

func TestShellDefersPanic(t *testing.T) {
	master, path := terminal(t)
	n := boot(t, "crash", "PID1_CONSOLE="+path, "PID1_PANIC=1s")
	n.expect("rebooting in 1s unless a shell is opened")
	readUntil(t, master, "Press Enter for a shell.\r\n")
	io.WriteString(master, "\r")
	readUntil(t, master, "shell: tty <nil>")
	io.WriteString(master, "done\r")
	n.expect("rebooting in 1s unless a shell is opened") // said again when the shell was left
	n.expect("over: reboot")
}

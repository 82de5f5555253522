package lab

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// surroundings are the interfaces and named namespaces outside the lab.
func surroundings(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, args := range [][]string{{"netns", "list"}, {"-o", "link", "show"}} {
		out, err := exec.Command("ip", args...).Output()
		if err != nil {
			t.Skipf("ip %v: %v", args, err)
		}
		for line := range strings.Lines(string(out)) {
			name, _, _ := strings.Cut(line, "<") // not the state, which may change
			fmt.Fprintln(&all, strings.TrimSpace(name))
		}
	}
	return all.String()
}

// ids names the namespaces of a lab as the kernel does.
func ids(t *testing.T, l *Lab) (names []string) {
	t.Helper()
	spaces := []*space{l.fabric, l.Server.space}
	for _, n := range l.Nodes {
		spaces = append(spaces, n.space)
	}
	for _, s := range spaces {
		name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", s.fd))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

// holders are what in the whole system keeps one of the namespaces: threads
// in it and descriptors of it.
func holders(t *testing.T, names []string) (found []string) {
	t.Helper()
	wanted := make(map[string]bool)
	for _, n := range names {
		wanted[n] = true
	}
	for _, pattern := range []string{"/proc/[0-9]*/task/*/ns/net", "/proc/[0-9]*/fd/*"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if name, err := os.Readlink(path); err == nil && wanted[name] {
				found = append(found, path)
			}
		}
	}
	return found
}

// busy makes a lab of all kinds of things, with a command on a node.
func busy(t *testing.T) (*Lab, *Process) {
	t.Helper()
	l := ForTest(t, Options{Nodes: 2, Rate: 1e9, Snooping: true, Querier: true})
	if err := l.Nodes[0].Impair(Impairment{Loss: 0.1, Rate: 1e8}, Impairment{Loss: 0.1}); err != nil {
		t.Fatal(err)
	}
	if err := l.Nodes[1].Impair(Impairment{Delay: time.Second}, Impairment{Duplicate: 1}); err != nil {
		t.Fatal(err)
	}
	p, err := l.Nodes[1].Start(exec.Command("sleep", "1000"))
	if err != nil {
		t.Fatal(err)
	}
	return l, p
}

func TestCloseLeavesNothing(t *testing.T) {
	before := surroundings(t)
	l, p := busy(t)
	names := ids(t, l)
	if len(holders(t, names)) < len(names) {
		t.Fatal("the namespaces are not seen while the lab is open")
	}
	if diff := cmp.Diff(before, surroundings(t)); diff != "" {
		t.Errorf("the lab shows outside (-before +during):\n%s", diff)
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Wait(); err == nil {
		t.Error("the command on the node ended by itself")
	}
	if found := holders(t, names); len(found) != 0 {
		t.Errorf("kept after Close: %v", found)
	}
	if diff := cmp.Diff(before, surroundings(t)); diff != "" {
		t.Errorf("left outside (-before +after):\n%s", diff)
	}
	if _, err := l.Nodes[0].Start(exec.Command("true")); err == nil {
		t.Error("a command started on a closed lab")
	}
	if _, err := l.AddNode(); err == nil {
		t.Error("a node joined a closed lab")
	}
}

const asVictim = "ORBIT_LAB_VICTIM"

// TestVictim is what TestKillLeavesNothing kills.
func TestVictim(t *testing.T) {
	if os.Getenv(asVictim) == "" {
		t.Skip("only runs as a child of TestKillLeavesNothing")
	}
	l, p := busy(t)
	fmt.Printf("victim %d %s\n", p.PID(), strings.Join(ids(t, l), " "))
	<-p.Ended()
}

func TestKillLeavesNothing(t *testing.T) {
	if unix.Geteuid() != 0 {
		t.Skip("needs root")
	}
	before := surroundings(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestVictim$", "-test.v")
	cmd.Env = append(os.Environ(), asVictim+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var words []string
	var said strings.Builder
	for lines := bufio.NewScanner(out); words == nil && lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if rest, ok := strings.CutPrefix(lines.Text(), "victim "); ok {
			words = strings.Fields(rest)
		}
	}
	killed := cmd.Process.Kill()
	cmd.Wait()
	if strings.Contains(said.String(), "--- SKIP") {
		t.Skip(said.String())
	}
	if len(words) != 1+4 || killed != nil {
		t.Fatalf("no lab to kill (%v):\n%s", killed, said.String())
	}
	pid, err := strconv.Atoi(words[0])
	if err != nil {
		t.Fatal(err)
	}
	// The system takes things away in its own time.
	eventually(t, func() bool { return unix.Kill(pid, 0) != nil || zombie(pid) })
	eventually(t, func() bool { return len(holders(t, words[1:])) == 0 })
	if diff := cmp.Diff(before, surroundings(t)); diff != "" {
		t.Errorf("left outside (-before +after):\n%s", diff)
	}
}

// Where namespaces are refused, to root too, a test is skipped and says why.
func TestRefusedIsSkipped(t *testing.T) {
	if _, err := exec.LookPath("setpriv"); err != nil || unix.Geteuid() != 0 {
		t.Skip("needs root and setpriv")
	}
	for _, rights := range [][]string{{"--bounding-set=-all", "--inh-caps=-all"}, {"--reuid=65534", "--clear-groups"}} {
		cmd := exec.Command("setpriv", append(rights, os.Args[0], "-test.run=^TestVictim$", "-test.v")...)
		cmd.Env = append(os.Environ(), asVictim+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil && strings.Contains(string(out), "setpriv:") {
			t.Skipf("%s", out)
		}
		if err != nil || !strings.Contains(string(out), "--- SKIP") || !strings.Contains(string(out), ErrUnavailable.Error()) {
			t.Errorf("with %v: %v\n%s", rights, err, out)
		}
	}
}

// zombie tells whether a process is dead and only waits to be asked for.
func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}

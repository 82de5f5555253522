package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/hardware"
	"github.com/orbit-pxe/orbit/pkg/hardware/diff"
	"github.com/orbit-pxe/orbit/pkg/hardware/schema"
)

// asCommand makes the test binary be the command.
const asCommand = "ORBIT_TEST_AS_INVENTORY"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// command runs the command by a name.
func command(t *testing.T, name string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Args = append([]string{name}, args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// tree makes files and, of values that begin with ->, symbolic links.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for path, content := range files {
		path = filepath.Join(root, path)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if target, link := strings.CutPrefix(content, "->"); err == nil && link {
			err = os.Symlink(target, path)
		} else if err == nil {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// machine is a little of one, with a NIC by each name.
func machine(t *testing.T, serial string, nics ...string) string {
	files := map[string]string{
		"sys/class/dmi/id/sys_vendor": "Acme\n", "sys/class/dmi/id/product_name": "Anvil\n", "sys/class/dmi/id/product_serial": serial + "\n",
		"proc/meminfo": "MemTotal: 1048576 kB\n",
	}
	for i, name := range nics {
		pci := "0000:00:0" + strconv.Itoa(i) + ".0"
		nic := "sys/devices/pci0000:00/" + pci + "/net/" + name + "/"
		files["sys/class/net/"+name] = "->../../devices/pci0000:00/" + pci + "/net/" + name
		files[nic+"device"] = "->../../../" + pci
		files[nic+"address"] = "52:54:00:00:00:0" + name[len(name)-1:] + "\n"
		files[nic+"type"] = "1\n"
		files[nic+"addr_assign_type"] = "0\n"
		files["sys/devices/pci0000:00/"+pci+"/subsystem"] = "->../../../bus/pci"
		files["sys/bus/pci/devices/"+pci] = "->../../../devices/pci0000:00/" + pci
	}
	return tree(t, files)
}

func TestJSON(t *testing.T) {
	out, errs, code := command(t, "/usr/bin/inventory", "--json")
	var d hardware.Document
	if err := json.Unmarshal([]byte(out), &d); err != nil || d.Schema != hardware.Schema || code != 0 || errs != "" || d.Only != nil {
		t.Errorf("--json printed %s\n%s (%v, code %d)", out, errs, err, code)
	}
	if err := valid([]byte(out)); err != nil {
		t.Errorf("by the schema: %v\n%s", err, out)
	}
	out, _, code = command(t, "inventory", "--root", machine(t, "1", "eth1"), "--only", "system,nics", "--json")
	if err := json.Unmarshal([]byte(out), &d); err != nil || code != 0 {
		t.Fatal(err, code)
	}
	if diff := cmp.Diff([]string{"system", "nics"}, d.Only); diff != "" || d.System.Product != "Anvil" || len(d.NICs) != 1 || d.NICs[0].MAC != "52:54:00:00:00:01" {
		t.Errorf("only a part: %s", out)
	}
}

// valid checks a document against the schema.
func valid(text []byte) error {
	var s jsonschema.Schema
	if err := json.Unmarshal([]byte(schema.JSON()), &s); err != nil {
		return err
	}
	r, err := s.Resolve(nil)
	if err != nil {
		return err
	}
	var d any
	if err := json.Unmarshal(text, &d); err != nil {
		return err
	}
	return r.Validate(d)
}

func TestReport(t *testing.T) {
	out, _, code := command(t, "inventory", "--root", machine(t, "S1", "eth1", "eth2"))
	for _, want := range []string{"System     Acme Anvil, serial S1\n", "NICs       2 interfaces\n", "52:54:00:00:00:02", "Taken  "} {
		if !strings.Contains(out, want) || code != 0 {
			t.Errorf("no %q in (code %d)\n%s", want, code, out)
		}
	}
}

// TestTerminal has the report be as wide as a real one.
func TestTerminal(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no pseudo terminals here: ", err)
	}
	defer master.Close()
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer terminal.Close()
	t.Setenv("TERM", "linux")
	for _, test := range []struct{ columns, want uint16 }{{132, 132}, {0, 80}} {
		if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: test.columns}); err != nil {
			t.Fatal(err)
		}
		if o := layout(terminal); o.Width != int(test.want) || !o.Bold {
			t.Errorf("on %d columns: %+v", test.columns, o)
		}
	}
	t.Setenv("TERM", "dumb")
	if o := layout(terminal); o.Bold {
		t.Errorf("on a dumb terminal: %+v", o)
	}
	if o := layout(os.Stdin); o.Bold || o.Width != 0 {
		t.Errorf("on no terminal: %+v", o)
	}
}

func TestDiff(t *testing.T) {
	dir := t.TempDir()
	save := func(name, root string, args ...string) string {
		out, errs, code := command(t, "inventory", append([]string{"--json", "--root", root}, args...)...)
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(out), 0o644); err != nil || code != 0 {
			t.Fatal(err, errs)
		}
		return path
	}
	one, two := machine(t, "S1", "eth1", "eth2"), machine(t, "S2", "eth1", "eth3")
	old, part := save("old.json", one), save("part.json", one, "--only", "nics")
	cut := filepath.Join(dir, "cut.json")
	text, err := os.ReadFile(old)
	if err == nil {
		err = os.WriteFile(cut, text[:len(text)/2], 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"the same", []string{"--diff", old, "--root", one}, 0, nil},
		{"another", []string{"--diff", old, "--root", two}, 1, []string{"system.serial: S1 -> S2\n", "nics[52:54:00:00:00:02]: gone", "nics[52:54:00:00:00:03]: new"}},
		{"a part", []string{"--diff", part, "--root", two}, 1, []string{"nics[52:54:00:00:00:02]: gone"}},
		{"a part of it", []string{"--diff", old, "--root", two, "--only", "memory"}, 0, nil},
		{"two files", []string{"--diff", old, part}, 0, nil},
		{"two files, as JSON", []string{"--diff", old, old, "--json"}, 0, []string{`"changes": []`}},
		{"JSON", []string{"--diff", old, "--root", two, "--only", "system", "--json"}, 1, []string{`"path": "system.serial"`, `"kind": "changed"`, `"old": "S1"`}},
		{"no file", []string{"--diff", old + "x"}, 2, []string{"no such file"}},
		{"half a file", []string{"--diff", cut}, 2, []string{"cut.json: it ends too early"}},
		{"no inventory", []string{"--diff", "/proc/self/status"}, 2, []string{"no JSON"}},
		{"endless", []string{"--diff", "/dev/zero"}, 2, []string{"longer than any inventory"}},
	} {
		out, errs, code := command(t, "inventory", test.args...)
		if code != test.code || test.want == nil && out+errs != "" {
			t.Errorf("%s: code %d, want %d\n%s%s", test.name, code, test.code, out, errs)
		}
		for _, want := range test.want {
			if !strings.Contains(out+errs, want) {
				t.Errorf("%s: no %q in\n%s%s", test.name, want, out, errs)
			}
		}
	}
	// What could not be learned is not the same.
	d, err := diff.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	errors, _ := d["errors"].([]any)
	d["errors"] = append(errors, map[string]any{"id": "tpm", "error": "it did not answer"})
	failed, err := json.Marshal(d)
	if err == nil {
		err = os.WriteFile(cut, failed, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, errs, code := command(t, "inventory", "--diff", old, cut); code != 2 || out != "tpm: not compared: it did not answer\n" || errs != "" {
		t.Errorf("with an error: code %d\n%s%s", code, out, errs)
	}
}

func TestUsage(t *testing.T) {
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"x", 2, `unexpected argument "x"`},
		{"--only everything", 2, `no section "everything" (there are system, `},
		{"--only=", 2, `no section ""`},
		{"--timeout 0", 2, "--timeout: want more than no time"},
		{"--timeout soon", 2, "invalid value"},
		{"--diff - -", 2, "one file only"},
		{"--diff a b c", 2, `unexpected argument "c"`},
		{"--help", 0, "usage: inventory [flags]"},
	} {
		out, errs, code := command(t, "inventory", strings.Fields(test.args)...)
		if code != test.code || !strings.Contains(out+errs, test.want) {
			t.Errorf("%s: code %d, want %d and %q in\n%s%s", test.args, code, test.code, test.want, out, errs)
		}
	}
	if _, err := parse([]string{"--help"}, &bytes.Buffer{}); err != flag.ErrHelp {
		t.Error(err)
	}
}

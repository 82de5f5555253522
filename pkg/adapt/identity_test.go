package adapt

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// key makes the public half of a key that no one has.
func key(n byte) string {
	b := binary.BigEndian.AppendUint32(nil, 11)
	b = append(b, "ssh-ed25519"...)
	b = binary.BigEndian.AppendUint32(b, 32)
	return "ssh-ed25519 " + base64.StdEncoding.EncodeToString(append(b, bytes.Repeat([]byte{n}, 32)...)) + " someone@somewhere"
}

// TestIdentity sets things in systems that are laid out in ways real and
// malicious, and looks at what became of some files.
func TestIdentity(t *testing.T) {
	needRoot(t)
	for _, tc := range []struct {
		name  string
		lay   func(t *testing.T, root string)
		o     Options
		fails string            // what the error says, "" is none
		want  map[string]string // files, see world.state
	}{
		{"hostname", nil, Options{Hostname: "node"}, "", map[string]string{
			"etc/hostname": "-rw-r--r-- 0:0 node\n",
			"etc/hosts":    "-rw-r--r-- 0:0 127.0.0.1 localhost\n127.0.1.1\tnode.example node # me\n",
		}},
		{"hostname keeps owner and mode", func(t *testing.T, root string) {
			must(t, os.Chown(root+"/etc/hosts", 3, 4), os.Chmod(root+"/etc/hosts", 0o664))
		}, Options{Hostname: "node"}, "", map[string]string{
			"etc/hosts": "-rw-rw-r-- 3:4 127.0.0.1 localhost\n127.0.1.1\tnode.example node # me\n",
		}},
		{"hostname without hosts", func(t *testing.T, root string) { must(t, os.Remove(root+"/etc/hosts")) },
			Options{Hostname: "node"}, "", map[string]string{"etc/hostname": "-rw-r--r-- 0:0 node\n", "etc/hosts": "none"}},
		{"etc is the root", func(t *testing.T, root string) { replace(t, root+"/etc", "/") },
			Options{Hostname: "node"}, "", map[string]string{"hostname": "-rw-r--r-- 0:0 node\n", "etc": "link -> /", "etc.was/hostname": "-rw-r--r-- 0:0 template\n"}},
		{"etc is above the root", func(t *testing.T, root string) { replace(t, root+"/etc", "../..") },
			Options{Hostname: "node"}, "", map[string]string{"hostname": "-rw-r--r-- 0:0 node\n"}},
		{"hostname links out", func(t *testing.T, root string) { replace(t, root+"/etc/hostname", "../../../victim") },
			Options{Hostname: "node"}, "", map[string]string{"etc/hostname": "-rw-r--r-- 0:0 node\n"}},
		{"hosts links out", func(t *testing.T, root string) { replace(t, root+"/etc/hosts", "../../../../victim") },
			Options{Hostname: "node"}, "", map[string]string{"etc/hosts": "link -> ../../../../victim", "victim": "none"}},
		{"hosts links within", func(t *testing.T, root string) { replace(t, root+"/etc/hosts", "/etc/hosts.was") },
			Options{Hostname: "node"}, "", map[string]string{"etc/hosts": "link -> /etc/hosts.was", "etc/hosts.was": "-rw-r--r-- 0:0 127.0.0.1 localhost\n127.0.1.1\tnode.example node # me\n"}},
		{"hostname is a directory", func(t *testing.T, root string) {
			must(t, os.Remove(root+"/etc/hostname"), os.Mkdir(root+"/etc/hostname", 0o755))
		}, Options{Hostname: "node"}, "is a directory", map[string]string{"etc/hostname": "drwxr-xr-x 0:0"}},
		{"hosts is a pipe", func(t *testing.T, root string) {
			must(t, os.Remove(root+"/etc/hosts"), unix.Mkfifo(root+"/etc/hosts", 0o644))
		}, Options{Hostname: "node"}, "a file of another type is there", map[string]string{"etc/hostname": "-rw-r--r-- 0:0 template\n"}},
		{"etc is a file", func(t *testing.T, root string) {
			must(t, os.Rename(root+"/etc", root+"/etc.was"), os.WriteFile(root+"/etc", nil, 0o644))
		}, Options{Hostname: "node"}, "not a directory", nil},
		{"etc loops", func(t *testing.T, root string) { replace(t, root+"/etc", "etc") },
			Options{Hostname: "node"}, "too many levels", nil},
		{"left by a power cut", func(t *testing.T, root string) {
			must(t, os.WriteFile(root+"/etc/.orbit-0.new", []byte("half"), 0o644), os.Symlink("/victim", root+"/etc/.orbit-1.new"))
		}, Options{Hostname: "node"}, "", map[string]string{"etc/hostname": "-rw-r--r-- 0:0 node\n"}},

		{"dbus file", func(t *testing.T, root string) {
			must(t, os.MkdirAll(root+"/var/lib/dbus", 0o755), os.WriteFile(root+"/var/lib/dbus/machine-id", []byte("x"), 0o644),
				os.MkdirAll(root+"/var/lib/systemd", 0o755), os.WriteFile(root+"/var/lib/systemd/random-seed", []byte("x"), 0o600))
		}, Options{MachineID: true}, "", map[string]string{"var/lib/dbus/machine-id": "link -> /etc/machine-id", "var/lib/systemd/random-seed": "none"}},
		{"dbus link", func(t *testing.T, root string) {
			must(t, os.MkdirAll(root+"/var/lib/dbus", 0o755), os.Symlink("../../../etc/machine-id", root+"/var/lib/dbus/machine-id"))
		}, Options{MachineID: true}, "", map[string]string{"var/lib/dbus/machine-id": "link -> ../../../etc/machine-id"}},
		{"no dbus", nil, Options{MachineID: true}, "", map[string]string{"var": "none"}},
		{"dbus links out", func(t *testing.T, root string) {
			must(t, os.MkdirAll(root+"/var/lib", 0o755), os.Symlink("../../../..", root+"/var/lib/dbus"))
		}, Options{MachineID: true}, "", map[string]string{"var/lib/dbus": "link -> ../../../.."}},

		{"host keys", func(t *testing.T, root string) {
			must(t, os.Symlink("../../../../victim", root+"/etc/ssh/ssh_host_y_key.pub"))
		}, Options{SSHHostKeys: true}, "", map[string]string{
			"etc/ssh/ssh_host_x_key": "none", "etc/ssh/ssh_host_y_key.pub": "none", "etc/ssh/sshd_config": "-rw-r--r-- 0:0 # sshd\n"}},
		{"no ssh", func(t *testing.T, root string) { must(t, os.RemoveAll(root+"/etc/ssh")) }, Options{SSHHostKeys: true}, "", nil},
		{"host key directory", func(t *testing.T, root string) { must(t, os.Mkdir(root+"/etc/ssh/ssh_host_z", 0o755)) },
			Options{SSHHostKeys: true}, "is a directory", map[string]string{"etc/ssh/ssh_host_x_key": "-rw-r--r-- 0:0 secret\n"}},

		{"first key", nil, Options{AuthorizedKeys: []Key{{"", key(1)}, {"ann", key(2)}, {"ann", key(2)}, {"root", key(3)}}}, "", map[string]string{
			"root/.ssh": "drwx------ 0:0", "root/.ssh/authorized_keys": "-rw------- 0:0 " + key(1) + "\n" + key(3) + "\n",
			"home/ann/.ssh": "drwx------ 1000:1001", "home/ann/.ssh/authorized_keys": "-rw------- 1000:1001 " + key(2) + "\n"}},
		{"one more key", func(t *testing.T, root string) {
			must(t, os.Mkdir(root+"/root/.ssh", 0o755), os.Chmod(root+"/root/.ssh", 0o777), os.WriteFile(root+"/root/.ssh/authorized_keys", []byte("# mine\n"+key(1)), 0o644))
		}, Options{AuthorizedKeys: []Key{{"root", `from="10.0.0.1 x" ` + key(1)}, {"root", key(2)}}}, "", map[string]string{
			"root/.ssh": "drwxr-xr-x 0:0", "root/.ssh/authorized_keys": "-rw------- 0:0 # mine\n" + key(1) + "\n" + key(2) + "\n"}},
		{"replaced keys", func(t *testing.T, root string) {
			must(t, os.Mkdir(root+"/root/.ssh", 0o700), os.WriteFile(root+"/root/.ssh/authorized_keys", []byte(key(1)), 0o644))
		}, Options{ReplaceKeys: true, AuthorizedKeys: []Key{{"root", key(2)}}}, "", map[string]string{"root/.ssh/authorized_keys": "-rw------- 0:0 " + key(2) + "\n"}},
		{"no such user", nil, Options{AuthorizedKeys: []Key{{"root", key(1)}, {"bob", key(1)}}}, "user bob is not in /etc/passwd",
			map[string]string{"root/.ssh": "none"}},
		{"no home", func(t *testing.T, root string) { must(t, os.RemoveAll(root+"/home")) },
			Options{AuthorizedKeys: []Key{{"ann", key(1)}}}, "home directory /home/ann", nil},
		{"home elsewhere", func(t *testing.T, root string) {
			must(t, os.Mkdir(root+"/var", 0o755), os.Rename(root+"/home", root+"/var/home"), os.Symlink("/var/home", root+"/home"))
		}, Options{AuthorizedKeys: []Key{{"ann", key(1)}}}, "", map[string]string{
			"var/home/ann/.ssh/authorized_keys": "-rw------- 1000:1001 " + key(1) + "\n"}},
		{"ssh directory links out", func(t *testing.T, root string) { must(t, os.Symlink("../../../..", root+"/root/.ssh")) },
			Options{AuthorizedKeys: []Key{{"root", key(1)}}}, "", map[string]string{"authorized_keys": "-rw------- 0:0 " + key(1) + "\n"}},
		{"key file links out", func(t *testing.T, root string) {
			must(t, os.Mkdir(root+"/root/.ssh", 0o700), os.Symlink("../../../../../victim", root+"/root/.ssh/authorized_keys"))
		}, Options{AuthorizedKeys: []Key{{"root", key(1)}}}, "", map[string]string{"root/.ssh/authorized_keys": "-rw------- 0:0 " + key(1) + "\n"}},
		{"damaged passwd", func(t *testing.T, root string) {
			must(t, os.WriteFile(root+"/etc/passwd", []byte("ann:x:-1:0::/home/ann:\n"), 0o644))
		}, Options{AuthorizedKeys: []Key{{"ann", key(1)}}}, "is damaged", nil},

		{"seed", nil, Options{NoCloud: &Seed{UserData: []byte("#cloud-config\n"), MetaData: []byte("instance-id: i\n")}}, "", map[string]string{
			seedDir: "drwxr-xr-x 0:0", seedDir + "/user-data": "-rw------- 0:0 #cloud-config\n",
			seedDir + "/meta-data": "-rw-r--r-- 0:0 instance-id: i\n", seedDir + "/network-config": "none"}},
		{"seed replaces all of another", func(t *testing.T, root string) {
			must(t, os.MkdirAll(root+"/"+seedDir, 0o755), os.WriteFile(root+"/"+seedDir+"/network-config", []byte("x"), 0o644))
		}, Options{NoCloud: &Seed{}}, "", map[string]string{seedDir + "/network-config": "none", seedDir + "/user-data": "-rw------- 0:0 "}},
		{"seed links out", func(t *testing.T, root string) {
			must(t, os.MkdirAll(root+"/var/lib/cloud", 0o755), os.Symlink("../../../../..", root+"/var/lib/cloud/seed"))
		}, Options{NoCloud: &Seed{NetworkConfig: []byte("n")}}, "", map[string]string{"nocloud/network-config": "-rw------- 0:0 n"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, func(root string) {
				if tc.lay != nil {
					tc.lay(t, root)
				}
			})
			// Twice, as after a power cut.
			for range 2 {
				err := w.do(t, tc.o)
				if tc.fails == "" && err != nil || tc.fails != "" && (err == nil || !strings.Contains(err.Error(), tc.fails)) {
					t.Fatalf("error %v, want %q", err, tc.fails)
				}
				for name, want := range tc.want {
					if diff := cmp.Diff(want, w.state(t, name)); diff != "" {
						t.Errorf("%s (-want +got):\n%s", name, diff)
					}
				}
			}
		})
	}
}

func TestMachineID(t *testing.T) {
	needRoot(t)
	w, seen := newWorld(t, nil), map[string]bool{}
	for range 3 {
		if err := w.do(t, Options{MachineID: true}); err != nil {
			t.Fatal(err)
		}
		seen[w.state(t, "etc/machine-id")] = true
	}
	form := regexp.MustCompile(`^-r--r--r-- 0:0 [0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}\n$`)
	for id := range seen {
		if !form.MatchString(id) {
			t.Errorf("machine-id is %q", id)
		}
	}
	if len(seen) != 3 {
		t.Errorf("three times gave %d machine-ids", len(seen))
	}
}

func TestNotes(t *testing.T) {
	needRoot(t)
	for _, tc := range []struct {
		name string
		make []string
		o    Options
		want string
	}{
		{"nobody makes keys", nil, Options{SSHHostKeys: true}, "ssh-keygen -A"},
		{"cloud-init makes keys", []string{"etc/cloud/cloud.cfg"}, Options{SSHHostKeys: true}, ""},
		{"a unit makes keys", []string{"usr/lib/systemd/system/sshd-keygen@.service"}, Options{SSHHostKeys: true}, ""},
		{"an init script makes keys", []string{"etc/init.d/sshd"}, Options{SSHHostKeys: true}, ""},
		{"nobody reads the seed", nil, Options{NoCloud: &Seed{}}, "no cloud-init"},
		{"cloud-init reads the seed", []string{"usr/bin/cloud-init"}, Options{NoCloud: &Seed{}}, ""},
	} {
		w := newWorld(t, func(root string) {
			for _, name := range tc.make {
				must(t, os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755), os.WriteFile(filepath.Join(root, name), nil, 0o644))
			}
		})
		var said notes
		tc.o.Note = said.add
		if err := w.do(t, tc.o); err != nil {
			t.Fatal(err)
		}
		if all := strings.Join(said, "; "); (tc.want == "") != (all == "") || !strings.Contains(all, tc.want) {
			t.Errorf("%s: said %q, want %q", tc.name, all, tc.want)
		}
	}
}

// The hostname goes into a meta-data that nobody gave.
func TestSeedOfHostname(t *testing.T) {
	needRoot(t)
	w := newWorld(t, nil)
	if err := w.do(t, Options{Hostname: "node", NoCloud: &Seed{}}); err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`^-rw-r--r-- 0:0 instance-id: orbit-[0-9a-f]{32}\nlocal-hostname: node\n$`)
	if got := w.state(t, seedDir+"/meta-data"); !form.MatchString(got) {
		t.Errorf("meta-data is %q", got)
	}
}

func TestParseKeys(t *testing.T) {
	text := "# comment\n\n" + key(1) + "\r\n\tno-pty,command=\"a b\" " + key(2) + "\n"
	got, err := ParseKeys("ann", []byte(text))
	if diff := cmp.Diff([]Key{{"ann", key(1)}, {"ann", `no-pty,command="a b" ` + key(2)}}, got); diff != "" || err != nil {
		t.Errorf("keys (-want +got, %v):\n%s", err, diff)
	}
	for name, tc := range map[string]struct{ user, text, want string }{
		"empty":          {"", "# nothing\n", "no ssh key"},
		"private":        {"", "-----BEGIN OPENSSH PRIVATE KEY-----\n", "private key"},
		"type only":      {"", "ssh-ed25519\n", "not one"},
		"type and noise": {"", "ssh-ed25519 AAAA x\n", "not one"},
		"other type":     {"", strings.Replace(key(1), "ssh-ed25519 ", "ssh-rsa ", 1), "not one"},
		"bad user":       {"a:b", key(1), "no name of a user"},
		"user with path": {"../x", key(1), "no name of a user"},
	} {
		if _, err := ParseKeys(tc.user, []byte(tc.text)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

// SELinux labels are kept, and given to new files.
func TestLabels(t *testing.T) {
	needRoot(t)
	w := newWorld(t, nil)
	set := func(name, label string) {
		if err := unix.Lsetxattr(filepath.Join(w.dir, name), labelName, []byte(label+"\x00"), 0); err != nil {
			t.Skip("no labels here:", err)
		}
	}
	set("etc", "system_u:object_r:etc_t:s0")
	set("etc/hostname", "system_u:object_r:hostname_etc_t:s0")
	set("root", "system_u:object_r:admin_home_t:s0")
	if err := w.do(t, Options{Hostname: "node", MachineID: true, AuthorizedKeys: []Key{{"", key(1)}}, Archive: tarOf(t, "", member1{name: "etc/link", link: "x"})}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"etc/hostname":              "system_u:object_r:hostname_etc_t:s0\x00",
		"etc/machine-id":            "system_u:object_r:etc_t:s0\x00",
		"etc/link":                  "system_u:object_r:etc_t:s0\x00",
		"root/.ssh":                 "system_u:object_r:ssh_home_t:s0\x00",
		"root/.ssh/authorized_keys": "system_u:object_r:ssh_home_t:s0\x00",
		"etc/hosts":                 "system_u:object_r:etc_t:s0\x00",
	} {
		b := make([]byte, 100)
		n, err := unix.Lgetxattr(filepath.Join(w.dir, name), labelName, b)
		if err != nil || string(b[:max(n, 0)]) != want {
			t.Errorf("label of %s is %q, %v, want %q", name, b[:max(n, 0)], err, want)
		}
	}
}

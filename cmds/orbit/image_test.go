//go:build !node

package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/orbit-pxe/orbit/pkg/api"
	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/sign/secret"
)

var update = flag.Bool("update", false, "write the golden files")

const mib = 1 << 20

// golden compares what a command says with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(path, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), go test -update writes it anew:\n%s", name, diff)
	}
}

// testImage is always the same: a GPT, and random bytes that do not compress.
func testImage(t *testing.T, change func(*image.Index)) []byte {
	t.Helper()
	const size = 70*mib + 4096
	var used extent.Set
	used.Add(extent.Range{End: 2*mib + 512})
	used.Add(extent.Range{Off: 65 * mib, End: 66 * mib})
	x := image.Index{Size: size, Sector: 512, Used: used, Meta: image.Meta{
		Scheme: "gpt",
		Origin: image.Origin{Node: "n12", Tool: "savenode 1.0", Time: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC),
			Disk: &api.Disk{Path: "/dev/sda", Size: size, Sector: 512, Model: "QEMU HARDDISK", Serial: "S4"}},
		Parts: []image.Partition{
			{Number: 1, Name: "partition 1", Type: "EFI system", Offset: mib, Size: mib, Kind: "vfat", Label: "ESP", UUID: "1234-5678", Used: 512 << 10},
			{Number: 2, Name: "partition 2", Type: "Linux filesystem", Offset: 2 * mib, Size: 67 * mib, Kind: "ext4", Label: "root \x1b[2J", Used: mib},
			{Name: "logical volume vg/home", Offset: 0, Size: 10 * mib, Kind: "xfs", Used: 0},
		},
		Notes: []string{"partition 3: nothing that is known is in it; saved whole", "\x1b]0;owned\a"},
	}}
	if change != nil {
		change(&x)
	}
	g, err := partition.NewGPT(size, 512, partition.GUID{1}, []partition.Entry{
		{Type: partition.ESP, ID: partition.GUID{2}, Size: mib}, {Type: partition.LinuxRoot, ID: partition.GUID{3}},
	})
	if err != nil {
		t.Fatal(err)
	}
	disk := make([]byte, size)
	rand.NewChaCha8([32]byte{3}).Read(disk)
	for _, p := range g.Pieces() {
		copy(disk[p.Off:], p.Data)
	}
	image.Mask(x.Used, extent.Range{End: size}, disk)
	p, err := image.NewPacker(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var out bytes.Buffer
	w, err := image.NewWriter(&out, x)
	if err != nil {
		t.Fatal(err)
	}
	for i := range x.Spans() {
		r := x.SpanRange(i)
		packed := p.Pack(nil, disk[r.Off:r.End])
		if x.Meta.Parent != nil && packed.Kind == image.Data {
			packed = image.Packed{Kind: image.Inherited, Digest: packed.Digest}
		}
		if err := w.Append(packed); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// store writes a file of a directory that orbit is then run in.
func store(t *testing.T, dir, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// orbit runs the command as main does.
func orbit(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	status = code(&errs, run(t.Context(), &out, &errs, args))
	return out.String(), errs.String(), status
}

func TestImageInspect(t *testing.T) {
	dir := t.TempDir()
	plain := testImage(t, nil)
	index, err := image.ReadIndex(bytes.NewReader(plain), int64(len(plain)))
	if err != nil {
		t.Fatal(err)
	}
	root := index.Root()
	store(t, dir, "a.img.zst", plain)
	store(t, dir, "part.zst", testImage(t, func(x *image.Index) { x.Meta.Parent, x.Meta.Part, x.Meta.Scrubbed = &root, 2, true }))
	store(t, dir, "bare.zst", testImage(t, func(x *image.Index) { x.Meta = image.Meta{Scheme: "none"} }))
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	for name, args := range map[string][]string{
		"inspect.txt":      {"a.img.zst"},
		"inspect.json":     {"--json", "a.img.zst"},
		"inspect-part.txt": {"part.zst"},
		"inspect-bare.txt": {"bare.zst"},
		"inspect-root.txt": {"--root", "a.img.zst"},
	} {
		t.Run(name, func(t *testing.T) {
			inDir := func(where string) string {
				args := append([]string{"image", "inspect"}, args...)
				args[len(args)-1] = where + "/" + args[len(args)-1]
				out, errs, status := orbit(t, args...)
				if status != 0 || errs != "" {
					t.Fatalf("%d %s", status, errs)
				}
				return strings.ReplaceAll(out, where+"/", "")
			}
			golden(t, name, inDir(dir))
			golden(t, name, inDir(server.URL))
		})
	}
	if out, _, _ := orbit(t, "image", "inspect", "--root", filepath.Join(dir, "a.img.zst")); out != string(image.Signed(root)) {
		t.Errorf("root line %q, want %q", out, image.Signed(root))
	}
}

// The help of every verb is what it was thought out to be.
func TestImageHelp(t *testing.T) {
	out, _, status := orbit(t, "image")
	if status != 0 {
		t.Errorf("status %d", status)
	}
	for _, v := range imageVerbs() {
		text, errs, status := orbit(t, "image", v.name, "--help")
		if status != 0 || errs != "" {
			t.Errorf("%s --help: %d %s", v.name, status, errs)
		}
		out += "\n" + text
	}
	golden(t, "help.txt", out)
}

func TestImageCodes(t *testing.T) {
	dir := t.TempDir()
	good := testImage(t, nil)
	bad := bytes.Clone(good)
	bad[mib/2] ^= 1
	store(t, dir, "good.zst", good)
	store(t, dir, "bad.zst", bad)
	store(t, dir, "text", []byte(strings.Repeat("text", 100)))
	zeros := strings.Repeat("0", 63) + "1"
	t.Chdir(dir)
	for _, test := range []struct {
		args   string
		status int
		words  string // in what is printed
	}{
		{"verify good.zst", 0, "good.zst is sound"},
		{"verify --json good.zst", 0, `"step":"verify","state":"done"`},
		{"verify bad.zst", 3, "span 0"},
		{"verify text", 3, "not an Orbit image"},
		{"verify none", 1, "no such file"},
		{"verify --root " + zeros + " good.zst", 4, "the one asked for is"},
		{"verify --root 0 good.zst", 2, "root"},
		{"verify --key none good.zst", 2, "no such file"},
		{"verify --key text good.zst", 2, "public key"},
		{"verify", 2, "want one IMAGE, got 0"},
		{"verify good.zst bad.zst", 2, "want one IMAGE, got 2"},
		{"verify --fast good.zst", 2, "-fast"},
		{"inspect text", 3, "not an Orbit image"},
		{"inspect none", 1, "no such file"},
		{"inspect --root --json good.zst", 2, "exclude"},
		{"inspect bad.zst", 0, "root"}, // only the index is looked at
		{"convert good.zst", 2, "want SOURCE and DEST, got 1"},
		{"convert good.zst x.vmdk", 1, "tells no format"},
		{"convert --level 0 good.zst x.zst", 2, "want 1 to 22"},
		{"convert --sector-size 513 good.zst x.zst", 2, "want 512"},
		{"convert bad.zst x.zst", 3, "span 0"},
		{"convert good.zst x.zst --level 3", 0, "good.zst -> x.zst: 70 MiB"},
		{"convert good.zst x.img --sha256", 0, "raw"},
		{"sign good.zst", 2, "want --key or --signature"},
		{"sign --key a --signature b good.zst", 2, "want --key or --signature"},
		{"sign --signature b --comment c good.zst", 2, "no comment"},
		{"sign --key none good.zst", 1, "no such file"},
		{"sign --key text good.zst", 1, "secret key"},
		{"sign --signature text good.zst", 1, "signature"},
		{"keygen -W --password-file text k", 2, "exclude"},
		{"keygen --password-file none k", 1, "no such file"},
		{"keygen -W none/k", 1, "no such file"},
		{"fly", 2, `no verb image "fly"`},
	} {
		out, errs, status := orbit(t, append([]string{"image"}, strings.Fields(test.args)...)...)
		if status != test.status || !strings.Contains(out+errs, test.words) {
			t.Errorf("%s: status %d, want %d; %q in\n%s%s", test.args, status, test.status, test.words, out, errs)
		}
	}
	got, err := os.ReadFile("x.img")
	if want, _ := exec.Command("zstd", "-dc", "good.zst").Output(); err != nil || want != nil && !bytes.Equal(got, want) {
		t.Errorf("x.img is not what zstd makes of the image; %v", err)
	}
}

// Signing as the manual tells it, with and without minisign.
func TestImageSign(t *testing.T) {
	dir := t.TempDir()
	store(t, dir, "a.zst", testImage(t, nil))
	t.Chdir(dir)
	must := func(args ...string) string {
		t.Helper()
		out, errs, status := orbit(t, append([]string{"image"}, args...)...)
		if status != 0 {
			t.Fatalf("%q: %d %s", args, status, errs)
		}
		return out
	}
	must("keygen", "-W", "k")
	if st, err := os.Stat("k.key"); err != nil || st.Mode() != 0o600 {
		t.Errorf("k.key: %v, %v", st.Mode(), err)
	}
	must("sign", "--key", "k.key", "--comment", "for room 12", "a.zst")
	if out := must("verify", "--key", "k.pub", "a.zst"); !strings.Contains(out, "signed by key ") || !strings.Contains(out, "(for room 12)") {
		t.Errorf("verify: %s", out)
	}
	if out := must("inspect", "a.zst"); !strings.Contains(out, "signature  by key ") {
		t.Errorf("inspect: %s", out)
	}
	if _, errs, status := orbit(t, "image", "keygen", "-W", "k"); status != 1 || !strings.Contains(errs, "k.key is there already") {
		t.Errorf("the same key again: %d %s", status, errs)
	}

	if _, err := exec.LookPath("minisign"); err != nil {
		t.Skip("minisign is not installed")
	}
	minisign := func(stdin string, args ...string) {
		t.Helper()
		c := exec.Command("minisign", args...)
		c.Stdin = strings.NewReader(stdin)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("minisign %q: %v\n%s", args, err, out)
		}
	}
	minisign("", "-G", "-W", "-p", "m.pub", "-s", "m.key")
	minisign(must("inspect", "--root", "a.zst"), "-S", "-s", "m.key", "-m", "/dev/stdin", "-x", "a.minisig")
	must("sign", "--signature", "a.minisig", "a.zst")
	must("verify", "--key", "m.pub", "a.zst")
	if _, errs, status := orbit(t, "image", "verify", "--key", "k.pub", "a.zst"); status != exitTrust || !strings.Contains(errs, "it was made with key") {
		t.Errorf("with the other key: %d %s", status, errs)
	}
	must("sign", "--key", "m.key", "a.zst")
	pub, err := os.ReadFile("m.pub")
	if err != nil {
		t.Fatal(err)
	}
	key := strings.Fields(string(pub))
	must("verify", "--key", "k.pub", "--key", key[len(key)-1], "a.zst")
	c := exec.Command("zstd", "-tq", "a.zst")
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("zstd: %v %s", err, out)
	}
}

func TestImagePassword(t *testing.T) {
	dir := t.TempDir()
	store(t, dir, "a.zst", testImage(t, nil))
	store(t, dir, "password", []byte("correct horse\r\nbattery"))
	store(t, dir, "wrong", []byte("correct horse battery\n"))
	store(t, dir, "empty", []byte("\n"))
	t.Chdir(dir)
	key, err := secret.Generate(rand.NewChaCha8([32]byte{}))
	if err != nil {
		t.Fatal(err)
	}
	// Weak, and so quick to open.
	text, err := key.File(rand.NewChaCha8([32]byte{1}), []byte("correct horse"), secret.Limits{Ops: 32768, Memory: 1 << 24})
	if err != nil {
		t.Fatal(err)
	}
	store(t, dir, "k.key", []byte(text))
	store(t, dir, "k.pub", []byte(key.Public().File()))
	for _, test := range []struct {
		args   string
		status int
		words  string
		slow   bool // derives a key as minisign does, with a GiB of memory and for some seconds
	}{
		{"keygen --password-file empty n", 1, "the password is empty", false},
		{"sign --key k.key --password-file wrong a.zst", 1, "wrong password", false},
		{"sign --key k.key --password-file password a.zst", 0, "is signed by key", false},
		{"verify --key k.pub a.zst", 0, "signed by key", false},
		{"keygen --password-file password n", 0, "n.pub", true},
	} {
		if test.slow && testing.Short() {
			continue
		}
		out, errs, status := orbit(t, append([]string{"image"}, strings.Fields(test.args)...)...)
		if status != test.status || !strings.Contains(out+errs, test.words) {
			t.Errorf("%s: status %d, want %d; %q in\n%s%s", test.args, status, test.status, test.words, out, errs)
		}
	}
	if text, err := os.ReadFile("n.key"); !testing.Short() {
		if encrypted, bad := secret.Encrypted(string(text)); err != nil || bad != nil || !encrypted {
			t.Errorf("n.key is not encrypted: %v %v", err, bad)
		}
	}
}

// TestAsk types a password at a terminal, which must not show it.
func TestAsk(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo terminals here: ", err)
	}
	defer master.Close()
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err := errors.Join(err, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)); err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo terminals here: ", err)
	}
	defer terminal.Close()
	type answer struct {
		password []byte
		err      error
	}
	done := make(chan answer, 1)
	go func() {
		p, err := ask(terminal, "Password: ")
		done <- answer{p, err}
	}()
	shown := ""
	read := func(end string) {
		b := make([]byte, 100)
		for !strings.HasSuffix(shown, end) {
			n, err := master.Read(b)
			if err != nil {
				t.Fatal(err)
			}
			shown += string(b[:n])
		}
	}
	read("Password: ")
	// The prompt comes before the terminal is told to keep what is typed to itself.
	for echo := true; echo; {
		state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		echo = state.Lflag&unix.ECHO != 0
	}
	if _, err := master.WriteString("hush\n"); err != nil {
		t.Fatal(err)
	}
	read("\n")
	if got := <-done; string(got.password) != "hush" || got.err != nil || strings.Contains(shown, "hush") {
		t.Errorf("password %q, %v; the terminal shows %q", got.password, got.err, shown)
	}
}

package imaging

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/partition"
	"github.com/orbit-pxe/orbit/pkg/stream"
)

const mib = 1 << 20

// content is size bytes as a disk has them: random, and zeros in runs of all lengths.
func content(seed uint64, size int) []byte {
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 1})
	random := rand.New(r)
	b := make([]byte, size)
	for at := 0; at < size; {
		n := min(1+random.IntN(1<<(8+random.IntN(13))), size-at)
		if random.IntN(5) < 3 {
			r.Read(b[at : at+n])
		}
		at += n
	}
	return b
}

// gptImage is a disk image of size bytes with two partitions.
func gptImage(t testing.TB, size, sector int) []byte {
	t.Helper()
	b := content(uint64(size), size)
	var id partition.GUID
	copy(id[:], "orbit test image")
	g, err := partition.NewGPT(int64(size), sector, id, []partition.Entry{
		{Type: partition.ESP, ID: partition.GUID{1}, Size: 2 * mib, Name: "EFI"},
		{Type: partition.LinuxRoot, ID: partition.GUID{2}, Name: "root"},
	})
	if err != nil {
		t.Fatal(err)
	}
	clear(b[:40*sector]) // nothing but the table before the partitions
	clear(b[size-40*sector:])
	for _, p := range g.Pieces() {
		copy(b[p.Off:], p.Data)
	}
	copy(b, "boot code") // which the table must not lose
	return b
}

// mbrImage is a disk image of size bytes with one partition.
func mbrImage(size int) []byte {
	b := content(uint64(size)+1, size)
	clear(b[:512])
	copy(b, "boot code")
	e := b[446:]
	e[0], e[4] = 0x80, 0x83
	e[9] = 8 // starts at sector 2048
	n := size/512 - 2048
	e[12], e[13], e[14], e[15] = byte(n), byte(n>>8), byte(n>>16), byte(n>>24)
	b[510], b[511] = 0x55, 0xaa
	return b
}

func compress(t testing.TB, format stream.Format, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	switch format {
	case stream.Raw:
		return b
	case stream.Gzip:
		z, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed)
		z.Write(b)
		z.Close()
	case stream.Zstd:
		z, err := stream.NewWriter(&out, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		z.Write(b)
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	default:
		cmd := exec.Command(string(format), "-1c")
		cmd.Stdin, cmd.Stdout = bytes.NewReader(b), &out
		if err := cmd.Run(); err != nil {
			t.Skipf("no %s here: %v", format, err)
		}
	}
	return out.Bytes()
}

func store(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// loop is a disk of size bytes with an old partition table on it. Without the
// right to make one the test is skipped.
func loop(t testing.TB, size, sector int) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loop devices need root")
	}
	old := gptImage(t, size, sector)
	file := store(t, "disk", old)
	out, err := exec.Command("losetup", "-f", "--show", "-P", "-b", strconv.Itoa(sector), file).CombinedOutput()
	if err != nil {
		t.Skipf("no loop device to be had: %v %s", err, out)
	}
	dev := strings.TrimSpace(string(out))
	tool(t, "partx", "-u", dev) // some kernels do not look by themselves
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "-d", dev).CombinedOutput(); err != nil {
			t.Errorf("detach %s: %v %s", dev, err, out)
		}
	})
	return dev
}

// bytesOf reads a disk or file as anyone would.
func bytesOf(t testing.TB, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// same fails where got is not want, and tells the first difference.
func same(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	if len(got) != len(want) {
		t.Errorf("%s has %d bytes, want %d", what, len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("%s differs from byte %d (%#x) on: %x, want %x", what, i, i, got[i:min(i+16, len(got))], want[i:min(i+16, len(want))])
		}
	}
}

// noTable fails if anyone could take the disk for a whole one.
func noTable(t testing.TB, disk string, sector int) {
	t.Helper()
	b := bytesOf(t, disk)
	table, err := partition.Read(bytes.NewReader(b), sector)
	if err != nil || table.Scheme != partition.SchemeNone {
		t.Errorf("%s has a partition table: %+v, %v", disk, table, err)
	}
	if g, err := partition.DecodeBackup(bytes.NewReader(b), sector, int64(len(b))); err == nil {
		t.Errorf("%s has a backup partition table: %v", disk, g.Entries())
	}
	if i := bytes.IndexFunc(b[:min(len(b), headSize)], func(r rune) bool { return r != 0 }); i >= 0 {
		t.Errorf("the first MiB of %s is not empty: %x at %d", disk, b[i], i)
	}
	if out, err := exec.Command("sfdisk", "-d", disk).Output(); err == nil {
		t.Errorf("sfdisk finds a table on %s:\n%s", disk, out)
	}
	if parts, _ := filepath.Glob("/sys/block/" + filepath.Base(disk) + "/*/partition"); len(parts) > 0 {
		t.Errorf("the kernel still sees partitions on %s: %v", disk, parts)
	}
}

func write1(t testing.TB, o WriteOptions) (*Receipt, error) {
	t.Helper()
	return Write(context.Background(), o)
}

package imaging

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/orbit-pxe/orbit/pkg/blockdev"
	"github.com/orbit-pxe/orbit/pkg/stream"
	"github.com/orbit-pxe/orbit/pkg/transfer"
)

const size = 16 * mib // of most disks and images below

// What shows before the first byte: refused, and nothing is changed.
func TestRefused(t *testing.T) {
	image := gptImage(t, size, 512)
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	good := store(t, "image", image)
	beside := store(t, "image", image)
	if err := os.WriteFile(beside+".sha256", []byte(sum(nil)+"  image\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	broken := bytes.Clone(image)
	broken[600] ^= 1 // in the GPT header's reserved part: its CRC is wrong
	damaged := compress(t, stream.Zstd, image)
	damaged[4] |= 8 // a reserved bit in the first frame's header

	for _, c := range []struct {
		name   string
		disk   int // bytes
		sector int
		o      WriteOptions
		want   string // part of the message
		typed  any    // pointer to the type of error
	}{
		{"disk too small", size - mib, 512, WriteOptions{Source: good},
			"is too small: it holds 15 MiB (15728640 bytes), the image needs 16 MiB (16777216 bytes)", new(*TooSmallError)},
		{"compressed image for a larger disk", size - mib, 512, WriteOptions{Source: store(t, "i", compress(t, stream.Zstd, image))},
			"is too small", new(*TooSmallError)},
		{"raw image without a table too large", size - mib, 512, WriteOptions{Source: store(t, "i", content(1, size))},
			"is too small", new(*TooSmallError)},
		{"512 on 4096", size, 4096, WriteOptions{Source: good},
			"image was made for sectors of 512 bytes, disk ", new(*SectorError)},
		{"4096 on 512", size, 512, WriteOptions{Source: store(t, "i", gptImage(t, size, 4096))},
			"image was made for sectors of 4096 bytes, disk ", new(*SectorError)},
		{"mbr on 4096", size, 4096, WriteOptions{Source: store(t, "i", mbrImage(size))},
			"say --sector-size 4096", new(*SectorError)},
		{"sector size contradicts image", size, 4096, WriteOptions{Source: good, SectorSize: 4096},
			"for sectors of 512 bytes, not of 4096", nil},
		{"no such file", size, 512, WriteOptions{Source: good + "x"}, "no such file", nil},
		{"404", size, 512, WriteOptions{Source: server.URL + "/image.zst"}, "404", new(*transfer.StatusError)},
		{"first byte damaged", size, 512, WriteOptions{Source: store(t, "i.zst", append([]byte{0}, compress(t, stream.Zstd, image)[1:]...))},
			"does not begin like a .zst file", nil},
		{"empty image", size, 512, WriteOptions{Source: store(t, "i", nil)}, "is empty", nil},
		{"cut in the head", size, 512, WriteOptions{Source: store(t, "i", compress(t, stream.Zstd, image)[:5000])}, "ends too early", new(*stream.TruncatedError)},
		{"damaged in the head", size, 512, WriteOptions{Source: store(t, "i", damaged)}, "damaged", new(*stream.FormatError)},
		{"broken table", size, 512, WriteOptions{Source: store(t, "i", broken)}, "partition table of image", nil},
		{"no digest beside", size, 512, WriteOptions{Source: good, SHA256Beside: true}, "find checksum", nil},
		{"digests contradict", size, 512, WriteOptions{Source: beside, SHA256Beside: true, SHA256: sum(image)}, "another version", nil},
		{"a disk has its size", size, 512, WriteOptions{Source: good, FileSize: size}, "whose size cannot be set", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.Disk = loop(t, c.disk, c.sector)
			before := bytesOf(t, c.o.Disk)
			_, err := write1(t, c.o)
			refused(t, err, c.want)
			if c.typed != nil && !errors.As(err, c.typed) {
				t.Errorf("error is not a %T: %v", c.typed, err)
			}
			same(t, "the disk", bytesOf(t, c.o.Disk), before)
			if plan, err := MakePlan(t.Context(), c.o); err == nil {
				refused(t, plan.Err(), c.want)
			} else {
				refused(t, err, c.want)
			}
		})
	}
}

func refused(t *testing.T, err error, want string) {
	t.Helper()
	var r *RefusedError
	if !errors.As(err, &r) {
		t.Errorf("not refused: %v", err)
		return
	}
	if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("refused with %q, want it to tell %q", err, want)
	}
}

func TestRefusedMounted(t *testing.T) {
	dev := loop(t, 64*mib, 512)
	tool(t, "mke2fs", "-q", "-F", dev+"p2")
	at := t.TempDir()
	tool(t, "mount", dev+"p2", at)
	defer tool(t, "umount", at)
	source := store(t, "image", gptImage(t, size, 512))
	_, err := write1(t, WriteOptions{Source: source, Disk: dev})
	refused(t, err, dev+"p2 is mounted on "+at)
	_, err = Save(t.Context(), SaveOptions{Disk: dev, Dest: filepath.Join(t.TempDir(), "x")})
	refused(t, err, "--force")
	if _, err = Save(t.Context(), SaveOptions{Disk: dev, Dest: filepath.Join(t.TempDir(), "x"), Force: true}); err != nil {
		t.Error(err)
	}
}

// Held by a program that opened it exclusively: the mount table does not show it.
func TestRefusedHeld(t *testing.T) {
	dev := loop(t, size, 512)
	holder, err := blockdev.Open(dev, blockdev.Options{Exclusive: true})
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	before := bytesOf(t, dev)
	_, err = write1(t, WriteOptions{Source: store(t, "image", gptImage(t, size, 512)), Disk: dev})
	refused(t, err, "is in use")
	same(t, "the disk", bytesOf(t, dev), before)
}

func TestRefusedReadOnly(t *testing.T) {
	dev := loop(t, size, 512)
	tool(t, "blockdev", "--setro", dev)
	defer tool(t, "blockdev", "--setrw", dev) // the next user of the loop device would inherit it
	_, err := write1(t, WriteOptions{Source: store(t, "image", gptImage(t, size, 512)), Disk: dev})
	refused(t, err, "read-only")
}

func TestRefusedNames(t *testing.T) {
	source := store(t, "image", gptImage(t, size, 512))
	for disk, want := range map[string]string{
		"serial=nothing-has-this": "no disk matches",
		"/dev/does-not-exist":     "no disk matches",
		"sda-or-so":               "is not a term",
		"/dev/null":               "neither a block device nor a regular file",
		"colour=red":              "unknown",
	} {
		_, err := write1(t, WriteOptions{Source: source, Disk: disk})
		refused(t, err, want)
	}
}

// What shows only later: the disk is left without any table.
func TestFailed(t *testing.T) {
	image := gptImage(t, size, 512)
	packed := compress(t, stream.Zstd, image)
	flipped := bytes.Clone(packed)
	flipped[len(flipped)*2/3] ^= 4
	for _, c := range []struct {
		name  string
		o     WriteOptions
		want  string
		typed any
	}{
		{"wrong hash", WriteOptions{Source: store(t, "i", packed), SHA256: sum(image)}, "its sha256 is " + sum(packed) + ", expected " + sum(image), new(*HashError)},
		{"truncated zstd", WriteOptions{Source: store(t, "i", packed[:len(packed)*3/4])}, "ends too early", new(*stream.TruncatedError)},
		{"truncated gzip", WriteOptions{Source: store(t, "i", cut(compress(t, stream.Gzip, image), 9))}, "ends too early", new(*stream.TruncatedError)},
		{"truncated xz", WriteOptions{Source: store(t, "i", cut(compress(t, stream.Xz, image), 30))}, "ends too early", new(*stream.TruncatedError)},
		{"truncated raw", WriteOptions{Source: store(t, "i", image[:size-512])}, "is truncated: it ends after", new(*ShortImageError)},
		{"cut before it was compressed", WriteOptions{Source: store(t, "i", compress(t, stream.Zstd, image[:size/2]))}, "is truncated: it ends after 8.0 MiB", new(*ShortImageError)},
		{"corrupted", WriteOptions{Source: store(t, "i", flipped)}, "damaged", new(*stream.FormatError)},
		{"something behind it", WriteOptions{Source: store(t, "i", append(bytes.Clone(packed), "<html>"...))}, "", new(*stream.FormatError)},
		{"longer than the disk", WriteOptions{Source: store(t, "i", compress(t, stream.Zstd, append(bytes.Clone(image), make([]byte, size)...)))}, "is too small", new(*TooSmallError)},
		{"read error", WriteOptions{Source: "-", Stdin: io.MultiReader(bytes.NewReader(packed[:len(packed)/2]), failing{})}, errFailing.Error(), nil},
	} {
		for _, kind := range []string{"disk", "file"} {
			t.Run(c.name+" "+kind, func(t *testing.T) {
				o := c.o
				if kind == "disk" {
					o.Disk = loop(t, size, 512)
				} else {
					o.Disk, o.FileSize = store(t, "disk", gptImage(t, size, 512)), size
				}
				if c.o.Stdin != nil {
					o.Stdin = io.MultiReader(bytes.NewReader(packed[:len(packed)/2]), failing{})
				}
				_, err := write1(t, o)
				failed(t, err, c.want)
				if c.typed != nil && !errors.As(err, c.typed) {
					t.Errorf("error is not a %T: %v", c.typed, err)
				}
				noTable(t, o.Disk, 512)
			})
		}
	}
}

func failed(t *testing.T, err error, want string) {
	t.Helper()
	var f *FailedError
	if !errors.As(err, &f) {
		t.Fatalf("did not fail after the first byte: %v", err)
	}
	if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "was left without a partition table") {
		t.Errorf("failed with %q, want it to tell %q", err, want)
	}
}

var errFailing = errors.New("cable pulled")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errFailing }

// cut is b without its last n bytes.
func cut(b []byte, n int) []byte { return b[:len(b)-n] }

// Cancelled in the middle: everything written by then is, the table is not.
func TestCancelled(t *testing.T) {
	image := gptImage(t, size, 512)
	dev := loop(t, size, 512)
	ctx, cancel := context.WithCancelCause(t.Context())
	reader := io.MultiReader(bytes.NewReader(image[:size/2]), onRead(func() { cancel(errors.New("interrupted")) }), bytes.NewReader(image[size/2:]))
	_, err := Write(ctx, WriteOptions{Source: "-", Stdin: reader, Disk: dev})
	failed(t, err, "interrupted")
	noTable(t, dev, 512)
}

// onRead runs when it is read, and is empty.
type onRead func()

func (f onRead) Read([]byte) (int, error) { f(); return 0, io.EOF }

// A disk that fails while it is written: no space behind the loop device.
func TestWriteError(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	small := t.TempDir()
	tool(t, "mount", "-t", "tmpfs", "-o", "size=4m", "none", small)
	defer tool(t, "umount", small)
	disk := filepath.Join(small, "disk")
	_, err := write1(t, WriteOptions{Source: store(t, "image", gptImage(t, size, 512)), Disk: disk})
	failed(t, err, "no space left")
}

func tool(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

package inflate

import (
	"archive/tar"
	"bytes"
	stdzlib "compress/zlib"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zlib"
)

// chunks compresses its input as the real writers of .ndz do: a stream for
// each chunk of a mebibyte, flushed after each 128 KiB. It writes each stream
// behind its length.
const chunks = `
import struct, sys, zlib
room, step = 1044480, 131072
data, out = sys.stdin.buffer, b''
while True:
    block = data.read(step)
    if not out:
        c = zlib.compressobj(int(sys.argv[1]))
    out += c.compress(block) + c.flush(zlib.Z_SYNC_FLUSH)
    if not block or len(out) > room - step - 1024:
        out += c.flush()
        sys.stdout.buffer.write(struct.pack('<I', len(out)) + out)
        out = b''
    if not block:
        break
`

// BenchmarkInflate decodes 300 MB of programs and libraries, and lets others
// do the same: the standard library, klauspost and gzip. On a machine with
// other work look at the bytes per second of CPU time.
func BenchmarkInflate(b *testing.B) {
	python, err := exec.LookPath("python3")
	if err != nil {
		b.Skip("no python3 to run zlib with")
	}
	size := 300 << 20
	if testing.Short() {
		size = 30 << 20
	}
	data := system(b, size)
	for _, level := range []string{"1", "4"} {
		cmd := exec.Command(python, "-c", chunks, level)
		cmd.Stdin, cmd.Stderr = bytes.NewReader(data), os.Stderr
		out, err := cmd.Output()
		if err != nil {
			b.Fatal(err)
		}
		var streams [][]byte
		for len(out) > 0 {
			n := 4 + binary.LittleEndian.Uint32(out)
			streams = append(streams, out[4:n])
			out = out[n:]
		}
		reader := new(Reader)
		run := func(name string, decode func(src []byte) int64) {
			b.Run("level "+level+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				start := used(b)
				for b.Loop() {
					total := int64(0)
					for _, src := range streams {
						total += decode(src)
					}
					if total != int64(len(data)) {
						b.Fatalf("%d bytes; want %d", total, len(data))
					}
				}
				report(b, len(data), used(b)-start)
			})
		}
		run("own", func(src []byte) int64 {
			reader.Reset(src)
			for total := 0; ; {
				piece, err := reader.Next()
				if err != nil {
					return int64(total)
				}
				total += len(piece)
			}
		})
		run("klauspost", func(src []byte) int64 {
			z, err := zlib.NewReader(bytes.NewReader(src))
			return drain(b, z, err)
		})
		run("standard", func(src []byte) int64 {
			z, err := stdzlib.NewReader(bytes.NewReader(src))
			return drain(b, z, err)
		})
		b.Run("level "+level+"/gzip", func(b *testing.B) {
			gzip, err := exec.LookPath("gzip")
			if err != nil {
				b.Skip("no gzip")
			}
			path := members(b, streams)
			b.SetBytes(int64(len(data)))
			var cpu time.Duration
			for b.Loop() {
				cmd := exec.Command(gzip, "-dc", path)
				if err := cmd.Run(); err != nil {
					b.Fatal(err)
				}
				cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			}
			report(b, len(data), cpu)
		})
	}
}

// system archives programs and libraries, half of each.
func system(b *testing.B, size int) []byte {
	b.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	enough := errors.New("enough")
	for i, dir := range []string{"/usr/bin", "/usr/lib"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if buf.Len() >= (i+1)*size/2 {
				return enough
			}
			if err != nil || !d.Type().IsRegular() {
				return nil
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return nil
			}
			if err := w.WriteHeader(&tar.Header{Name: path, Size: int64(len(content))}); err != nil {
				return err
			}
			_, err = w.Write(content)
			return err
		})
		if err != nil && err != enough {
			b.Fatal(err)
		}
	}
	return buf.Bytes()[:min(size, buf.Len())]
}

// members writes a file for gzip, with a member of each stream's blocks.
func members(b *testing.B, streams [][]byte) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "members.gz")
	file, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	for _, src := range streams {
		data, _, err := standard(src)
		if err != nil {
			b.Fatal(err)
		}
		member := append([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}, src[2:len(src)-4]...)
		member = binary.LittleEndian.AppendUint32(member, crc32.ChecksumIEEE(data))
		member = binary.LittleEndian.AppendUint32(member, uint32(len(data)))
		if _, err := file.Write(member); err != nil {
			b.Fatal(err)
		}
	}
	return path
}

// drain reads z to its end.
func drain(b *testing.B, z io.Reader, err error) int64 {
	if err != nil {
		b.Fatal(err)
	}
	n, err := io.Copy(io.Discard, z)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// used returns the CPU time of this process.
func used(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// report adds the megabytes per second of CPU time.
func report(b *testing.B, size int, cpu time.Duration) {
	b.ReportMetric(float64(size)*float64(b.N)/1e6/cpu.Seconds(), "MB/cpu-s")
}

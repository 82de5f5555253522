package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/orbit-pxe/orbit/pkg/extent"
	"github.com/orbit-pxe/orbit/pkg/image"
)

// sameBytes compares a disk with an image, compressed with zstd or plain, and
// tells the first difference. Of an Orbit image only what is in use counts; the
// rest has to be zeros in it. zstd itself decompresses: Orbit's decoder is not
// to judge Orbit's encoder.
func sameBytes(disk, path string) error {
	used, err := inUse(path)
	if err != nil {
		return err
	}
	a, err := os.Open(disk)
	if err != nil {
		return err
	}
	defer a.Close()
	cmd := exec.Command("zstd", "-dcf", path)
	b, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	diff := difference(a, b, used)
	if diff != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return fmt.Errorf("%s and %s: %w", disk, path, diff)
	}
	return cmd.Wait()
}

// inUse is what an image has in use; all that there is for one without an index.
func inUse(path string) (func(extent.Range, []byte), error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	x, err := image.ReadIndex(f, st.Size())
	if err == image.ErrNoIndex {
		return func(extent.Range, []byte) {}, nil
	}
	if err != nil {
		return nil, err
	}
	return func(r extent.Range, data []byte) { image.Mask(x.Used, r, data) }, nil
}

// difference compares a disk, of which mask leaves what is in use, with the
// content of an image.
func difference(disk, content io.Reader, mask func(extent.Range, []byte)) error {
	const size = 1 << 20
	bufA, bufB := make([]byte, size), make([]byte, size)
	for at := int64(0); ; at += size {
		n, errA := io.ReadFull(disk, bufA)
		m, errB := io.ReadFull(content, bufB)
		if n != m {
			return fmt.Errorf("one ends at %d, the other at %d", at+int64(n), at+int64(m))
		}
		mask(extent.Range{Off: at, End: at + int64(n)}, bufA[:n])
		if !bytes.Equal(bufA[:n], bufB[:m]) {
			for i := range n {
				if bufA[i] != bufB[i] {
					return fmt.Errorf("they differ at byte %d", at+int64(i))
				}
			}
		}
		if errA != nil || errB != nil {
			if errA == io.EOF || errA == io.ErrUnexpectedEOF {
				return nil
			}
			return errA
		}
	}
}

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// sameBytes compares a disk with an image, compressed with zstd or plain, and
// tells the first difference. zstd itself decompresses: Orbit's decoder is
// not to judge Orbit's encoder.
func sameBytes(disk, image string) error {
	a, err := os.Open(disk)
	if err != nil {
		return err
	}
	defer a.Close()
	cmd := exec.Command("zstd", "-dcf", image)
	b, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	diff := difference(a, b)
	if diff != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return fmt.Errorf("%s and %s: %w", disk, image, diff)
	}
	return cmd.Wait()
}

func difference(a, b io.Reader) error {
	const size = 1 << 20
	bufA, bufB := make([]byte, size), make([]byte, size)
	for at := int64(0); ; at += size {
		n, errA := io.ReadFull(a, bufA)
		m, errB := io.ReadFull(b, bufB)
		if n != m {
			return fmt.Errorf("one ends at %d, the other at %d", at+int64(n), at+int64(m))
		}
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

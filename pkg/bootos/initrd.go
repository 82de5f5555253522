package bootos

import (
	"fmt"
	"io"
	"os"

	"github.com/orbit-pxe/orbit/pkg/kexec"
)

// join puts several initrds behind each other, each padded to four bytes as
// the kernel's cpio reader wants, and returns a file that kexec_file_load
// takes: regular, and open for writing nowhere. One initrd is returned as it
// is, so that it is not held in memory twice; none is nil.
func join(initrds []*os.File) (*os.File, error) {
	switch len(initrds) {
	case 0:
		return nil, nil
	case 1:
		return initrds[0], nil
	}
	w, err := kexec.Scratch("joined initrd")
	if err != nil {
		return nil, fmt.Errorf("join initrds: %w", err)
	}
	defer w.Close() // again, harmlessly, when all goes well
	for _, f := range initrds {
		n, err := io.Copy(w, f)
		if err != nil {
			return nil, fmt.Errorf("join initrds: copy %s: %w", f.Name(), err)
		}
		if _, err := w.Write(make([]byte, -n&3)); err != nil {
			return nil, fmt.Errorf("join initrds: %w", err)
		}
	}
	return kexec.ReadOnly(w)
}

package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
)

// Compress packs an archive for the kernel with the xz command.
//
// The filter for x86 code and the dictionary of 8 MiB, memory that the smallest
// node can spare while it unpacks, are what the kernel's decoder takes
// (Documentation/staging/xz.rst), as is CRC32. The result is the same for the
// same version of xz: one thread, nothing of the machine goes in.
func Compress(ctx context.Context, raw []byte) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "xz", "--format=xz", "--check=crc32", "--x86", "--lzma2=preset=9e,dict=8MiB", "--threads=1", "--stdout")
	cmd.Env = []string{"LC_ALL=C"} // XZ_DEFAULTS and XZ_OPT would count
	cmd.Stdin = bytes.NewReader(raw)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("compress the archive: %w (install the xz-utils package)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("compress the archive: xz: %w: %s", err, bytes.TrimSpace(complaint.Bytes()))
	}
	return out.Bytes(), nil
}

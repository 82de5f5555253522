package manifest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// KernelRelease reads from a bzImage which kernel it is, as uname -r will
// print it. See Documentation/arch/x86/boot.rst, "The Real-Mode Kernel
// Header": the field kernel_version at 0x20e points to a string, 0x200 before
// its offset in the file.
func KernelRelease(bzImage []byte) (string, error) {
	if len(bzImage) < 0x210 || string(bzImage[0x202:0x206]) != "HdrS" {
		return "", fmt.Errorf("this is no Linux kernel for x86 (bzImage)")
	}
	at := int(binary.LittleEndian.Uint16(bzImage[0x20e:])) + 0x200
	if at == 0x200 || at >= len(bzImage) {
		return "", fmt.Errorf("this kernel does not tell its release")
	}
	text, _, ok := bytes.Cut(bzImage[at:min(len(bzImage), at+256)], []byte{0})
	release, _, _ := strings.Cut(string(text), " ")
	if !ok || release == "" {
		return "", fmt.Errorf("this kernel's release can't be read")
	}
	return release, nil
}

package bootos

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// kernel is what the setup header of a bzImage says
// (Documentation/arch/x86/boot.rst).
type kernel struct {
	Release    string // "6.1.0-28-amd64 (debian-kernel@...) #1 SMP ..."
	MaxCmdline int    // bytes, without the NUL
}

// readKernel checks that r is a kernel that kexec_file_load takes on x86-64.
func readKernel(r io.ReaderAt) (kernel, error) {
	b := make([]byte, 0x300)
	if _, err := r.ReadAt(b, 0); err != nil {
		if err == io.EOF {
			return kernel{}, errors.New("too short for a Linux kernel")
		}
		return kernel{}, err
	}
	if string(b[0x202:0x206]) != "HdrS" || binary.LittleEndian.Uint16(b[0x1FE:]) != 0xAA55 {
		return kernel{}, errors.New(notKernel(b))
	}
	version, xload := binary.LittleEndian.Uint16(b[0x206:]), binary.LittleEndian.Uint16(b[0x236:])
	if version < 0x020C {
		return kernel{}, fmt.Errorf("boot protocol %d.%02d is older than kexec_file_load takes (2.12, Linux 3.8)", version>>8, version&0xFF)
	}
	if b[0x211]&1 == 0 || xload&1 == 0 {
		return kernel{}, errors.New("not a 64-bit bzImage (a 32-bit kernel?), which kexec_file_load wants")
	}
	k := kernel{MaxCmdline: int(binary.LittleEndian.Uint32(b[0x238:]))}
	if off := int64(binary.LittleEndian.Uint16(b[0x20E:])); off != 0 {
		s := make([]byte, 256)
		n, _ := r.ReadAt(s, off+0x200)
		k.Release = text(s[:n])
	}
	return k, nil
}

// notKernel says what a file is instead.
func notKernel(b []byte) string {
	switch {
	case strings.HasPrefix(string(b), "MZ"):
		return "an EFI program (a unified kernel image?) without a Linux setup header, which kexec cannot start"
	case strings.HasPrefix(string(b), "\x7fELF"):
		return "an ELF file (an unpacked vmlinux, multiboot or Xen?), not a bzImage"
	case strings.HasPrefix(string(b), "\x1f\x8b"):
		return "compressed with gzip, not a bzImage"
	}
	return "not a Linux kernel: no HdrS mark at 0x202"
}

// Package uki joins a kernel, an initramfs and a command line into one EFI
// program: a Unified Kernel Image as the UAPI group specifies it
// (https://uapi-group.org/specifications/specs/unified_kernel_image/).
//
// The program is systemd-stub(7), a PE32+ image, to which each part is added
// as a section. The stub finds the sections by name in its own loaded image,
// so they need room in memory (an address and SizeOfImage) as well as in the
// file.
//
// Of PE (Microsoft's "PE Format") this package writes what appending a section
// takes: the section header, NumberOfSections, SizeOfInitializedData,
// SizeOfImage and CheckSum. Debugging symbols of the stub are dropped.
package uki

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"fmt"
)

// Names of sections that the stub knows.
const (
	Linux   = ".linux"   // the kernel, an EFI stub kernel itself
	Initrd  = ".initrd"  // the initramfs
	Cmdline = ".cmdline" // the kernel's command line; arguments given to the image replace it
	OSRel   = ".osrel"   // os-release(5)
	Uname   = ".uname"   // the kernel's release
)

// A Section is a part to be added.
type Section struct {
	Name string // at most eight bytes
	Data []byte
}

const (
	pageSize          = 4096
	sectionHeaderSize = 40
	// IMAGE_SCN_CNT_INITIALIZED_DATA | IMAGE_SCN_MEM_READ
	readableData = 0x40000040
)

// Offsets of fields, from the COFF header and from the optional header.
const (
	coffSections    = 2
	coffSymbolTable = 8
	coffSymbols     = 12
	coffSize        = 20

	optInitializedData = 8
	optSizeOfImage     = 56
	optCheckSum        = 64
)

// Build returns stub with the sections appended in order.
func Build(stub []byte, sections ...Section) ([]byte, error) {
	l, err := readLayout(stub)
	if err != nil {
		return nil, fmt.Errorf("read the EFI stub: %w", err)
	}
	if room := (l.firstData - l.headersEnd) / sectionHeaderSize; int(room) < len(sections) {
		return nil, fmt.Errorf("the EFI stub's header has room for %d more sections, not for %d", room, len(sections))
	}
	image := bytes.Clone(stub[:l.dataEnd])
	le := binary.LittleEndian
	header, address := l.headersEnd, l.imageEnd
	initialized := le.Uint32(image[l.coff+coffSize+optInitializedData:])
	for _, s := range sections {
		if len(s.Name) > 8 || len(s.Data) == 0 {
			return nil, fmt.Errorf("section %q of %d bytes can't be", s.Name, len(s.Data))
		}
		address = align(address, max(pageSize, l.sectionAlign))
		image = append(image, make([]byte, align(uint32(len(image)), l.fileAlign)-uint32(len(image)))...)
		size := align(uint32(len(s.Data)), l.fileAlign)

		h := image[header:][:sectionHeaderSize]
		clear(h)
		copy(h, s.Name)
		le.PutUint32(h[8:], uint32(len(s.Data)))
		le.PutUint32(h[12:], address)
		le.PutUint32(h[16:], size)
		le.PutUint32(h[20:], uint32(len(image)))
		le.PutUint32(h[36:], readableData)

		image = append(image, s.Data...)
		image = append(image, make([]byte, size-uint32(len(s.Data)))...)
		header += sectionHeaderSize
		address += uint32(len(s.Data))
		initialized += size
	}
	coff, opt := image[l.coff:], image[l.coff+coffSize:]
	le.PutUint16(coff[coffSections:], le.Uint16(coff[coffSections:])+uint16(len(sections)))
	le.PutUint32(coff[coffSymbolTable:], 0)
	le.PutUint32(coff[coffSymbols:], 0)
	le.PutUint32(opt[optInitializedData:], initialized)
	le.PutUint32(opt[optSizeOfImage:], align(address, l.sectionAlign))
	le.PutUint32(opt[optCheckSum:], checksum(image, l.coff+coffSize+optCheckSum))
	return image, nil
}

// layout is where things are in a stub.
type layout struct {
	coff                    uint32 // file offset of the COFF header
	headersEnd, firstData   uint32 // file offsets: end of the section headers, first byte used after it
	dataEnd                 uint32 // file offset of the end of the last section's data
	imageEnd                uint32 // address after the last section
	sectionAlign, fileAlign uint32
}

func readLayout(stub []byte) (layout, error) {
	f, err := pe.NewFile(bytes.NewReader(stub))
	if err != nil {
		return layout{}, err
	}
	opt, ok := f.OptionalHeader.(*pe.OptionalHeader64)
	if !ok || f.Machine != pe.IMAGE_FILE_MACHINE_AMD64 {
		return layout{}, fmt.Errorf("it is for machine %#x, not a 64-bit program for x86-64", f.Machine)
	}
	if a := opt.FileAlignment; a == 0 || a&(a-1) != 0 || opt.SectionAlignment < a || opt.SectionAlignment&(opt.SectionAlignment-1) != 0 {
		return layout{}, fmt.Errorf("alignments %d and %d are no powers of two", opt.SectionAlignment, a)
	}
	// pe.NewFile has checked that e_lfanew and the headers are inside the file.
	l := layout{
		coff:         binary.LittleEndian.Uint32(stub[0x3c:]) + 4,
		firstData:    opt.SizeOfHeaders,
		sectionAlign: opt.SectionAlignment,
		fileAlign:    opt.FileAlignment,
	}
	l.headersEnd = l.coff + coffSize + uint32(f.SizeOfOptionalHeader) + sectionHeaderSize*uint32(f.NumberOfSections)
	l.dataEnd = opt.SizeOfHeaders
	for _, s := range f.Sections {
		if s.Size > 0 {
			l.firstData = min(l.firstData, s.Offset)
			l.dataEnd = max(l.dataEnd, s.Offset+s.Size)
		}
		l.imageEnd = max(l.imageEnd, s.VirtualAddress+max(s.VirtualSize, s.Size))
	}
	if l.headersEnd > l.firstData || int64(l.dataEnd) > int64(len(stub)) {
		return layout{}, fmt.Errorf("its sections reach beyond the file of %d bytes", len(stub))
	}
	return l, nil
}

func align(n, to uint32) uint32 { return (n + to - 1) &^ (to - 1) }

// checksum is that of the PE header: the sum of all 16-bit words, with the
// carry added in and the checksum's own field taken as 0, plus the length.
func checksum(image []byte, field uint32) uint32 {
	var sum uint32
	for i := 0; i < len(image); i += 2 {
		if uint32(i) == field || uint32(i) == field+2 {
			continue
		}
		word := uint32(image[i])
		if i+1 < len(image) {
			word |= uint32(image[i+1]) << 8
		}
		sum += word
		sum = sum&0xffff + sum>>16
	}
	return sum + uint32(len(image))
}

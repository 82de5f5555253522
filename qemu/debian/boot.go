package main

import (
	"archive/tar"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// bootImages are GRUB's images as the recipe left them in the root's archive.
type bootImages struct {
	boot []byte // boot.img: the first 512 bytes of the disk
	core []byte // core.img: diskboot.img, the decompressor and GRUB
	efi  []byte // core.efi
}

const grubDir = "boot/grub/"

func readBootImages(archive string) (bootImages, error) {
	var images bootImages
	wanted := map[string]*[]byte{
		grubDir + "i386-pc/boot.img":    &images.boot,
		grubDir + "i386-pc/core.img":    &images.core,
		grubDir + "x86_64-efi/core.efi": &images.efi,
	}
	f, err := os.Open(archive)
	if err != nil {
		return images, err
	}
	defer f.Close()
	in := tar.NewReader(f)
	for len(wanted) > 0 {
		h, err := in.Next()
		if err != nil {
			return images, fmt.Errorf("find GRUB's images in the root's archive: %w", err)
		}
		name := strings.TrimPrefix(h.Name, "./")
		if into := wanted[name]; into != nil {
			if *into, err = io.ReadAll(in); err != nil {
				return images, fmt.Errorf("read %s: %w", name, err)
			}
			delete(wanted, name)
		}
	}
	return images, nil
}

// Offsets that grub-bios-setup patches, from GRUB's include/grub/i386/pc/boot.h
// and include/grub/offsets.h.
const (
	bootCode       = 440         // of the boot sector; what follows is the disk's own
	bootKernelLBA  = 0x5c        // in boot.img: where core.img is, 64 bits
	coreBlocklist  = sector - 12 // in core.img's first sector: {start uint64, length, segment uint16}
	coreSegment    = 0x820       // where GRUB wants the rest loaded, as a real-mode segment
	biosBootLength = espStart - biosStart
)

// patch makes the BIOS images find each other at their places on the disk:
// what grub-bios-setup does, which needs a block device.
func (b *bootImages) patch() error {
	if len(b.boot) != sector || len(b.core) < 2*sector || len(b.core) > biosBootLength {
		return fmt.Errorf("GRUB's images have odd sizes: boot.img %d, core.img %d bytes", len(b.boot), len(b.core))
	}
	const lba = biosStart / sector
	binary.LittleEndian.PutUint64(b.boot[bootKernelLBA:], lba)
	list := b.core[coreBlocklist:]
	rest := (len(b.core) - 1) / sector // sectors after the first, rounded up
	binary.LittleEndian.PutUint64(list, lba+1)
	binary.LittleEndian.PutUint16(list[8:], uint16(rest))
	binary.LittleEndian.PutUint16(list[10:], coreSegment)
	return nil
}

// esp makes the EFI system partition: a FAT file system with GRUB where
// firmware looks on any disk (UEFI 2.10, 3.5.1.1 "removable media").
func (b *builder) esp(ctx context.Context, grub []byte, path string) error {
	program := filepath.Join(b.work, "core.efi")
	if err := os.WriteFile(program, grub, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		return err
	}
	if err := os.Truncate(path, rootStart-espStart); err != nil {
		return err
	}
	for _, command := range [][]string{
		{"mkfs.vfat", "--invariant", "-F", "32", "-n", "ESP", "-i", fmt.Sprintf("%08x", b.espID), path},
		{"mmd", "-i", path, "::/EFI", "::/EFI/BOOT"},
		{"mcopy", "-i", path, program, "::/EFI/BOOT/BOOTX64.EFI"},
	} {
		if err := b.run(ctx, command[0], command[1:]...); err != nil {
			return fmt.Errorf("make the EFI system partition: %w", err)
		}
	}
	return nil
}

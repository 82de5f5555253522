package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/orbit-pxe/orbit/pkg/partition"
)

// disk makes the disk image: partitions, their contents, boot loaders.
func (b *builder) disk(ctx context.Context, tar, disk string) error {
	boot, err := readBootImages(tar)
	if err != nil {
		return err
	}
	if err := boot.patch(); err != nil {
		return err
	}
	f, err := os.Create(disk)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(diskSize); err != nil {
		return err
	}
	if err := b.packRoot(ctx, tar, disk); err != nil {
		return err
	}
	esp := filepath.Join(b.work, "esp")
	if err := b.esp(ctx, boot.efi, esp); err != nil {
		return err
	}
	if err := place(f, espStart, esp); err != nil {
		return err
	}
	if err := b.table(f); err != nil {
		return err
	}
	_, err1 := f.WriteAt(boot.boot[:bootCode], 0)
	_, err2 := f.WriteAt(boot.core, biosStart)
	return errors.Join(err1, err2, f.Sync(), f.Close())
}

// table writes the GPT.
func (b *builder) table(disk io.WriterAt) error {
	gpt, err := partition.NewGPT(diskSize, sector, b.diskID, []partition.Entry{
		{Type: partition.BIOSBoot, ID: b.biosPart, Start: biosStart, Size: espStart - biosStart, Name: "BIOS boot"},
		{Type: partition.ESP, ID: b.espPart, Start: espStart, Size: rootStart - espStart, Name: "ESP"},
		{Type: partition.LinuxData, ID: b.rootPart, Start: rootStart, Size: rootEnd - rootStart, Name: "root"},
	})
	if err != nil {
		return err
	}
	for _, piece := range gpt.Pieces() {
		if _, err := disk.WriteAt(piece.Data, piece.Off); err != nil {
			return fmt.Errorf("write partition table: %w", err)
		}
	}
	return nil
}

// place copies a file's data, not its holes, into the disk.
func place(disk *os.File, offset int64, path string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	return eachExtent(in, func(start, end int64) error {
		_, err := io.Copy(io.NewOffsetWriter(disk, offset+start), io.NewSectionReader(in, start, end-start))
		return err
	})
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
	if err := b.table(disk); err != nil {
		return err
	}
	_, err1 := f.WriteAt(boot.boot[:bootCode], 0)
	_, err2 := f.WriteAt(boot.core, biosStart)
	return errors.Join(err1, err2, f.Sync(), f.Close())
}

func (b *builder) table(disk string) error {
	cmd := exec.Command("sfdisk", disk)
	cmd.Stdin = strings.NewReader(fmt.Sprintf(`label: gpt
start=%d,size=%d,type=21686148-6449-6E6F-744E-656564454649,uuid=%s
start=%d,size=%d,type=uefi,uuid=%s
start=%d,size=%d,type=linux,uuid=%s
`, biosStart/512, (espStart-biosStart)/512, b.biosPart, espStart/512, (rootStart-espStart)/512, b.espPart, rootStart/512, (rootEnd-rootStart)/512, b.rootPart))
	cmd.Stdout, cmd.Stderr = b.output, b.output
	return cmd.Run()
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
